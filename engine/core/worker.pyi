from engine.core.control import Control
from engine.core.program import Program

__all__ = ["Worker"]

class Worker:
    def __init__(
        self,
        program: Program,
        control: Control,
        count_size: int,
        every_node: bool = False,
    ) -> None: ...
