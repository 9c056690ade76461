from engine.core.program import Program

__all__ = ["Stretch"]

class Stretch:
    def __init__(self, program: Program) -> None: ...
