from engine.explaining.ledger_lines import LedgerLine
from engine.explaining.reading import Reading, Truth
from engine.explaining.value_nodes import GivenEach

__all__ = ["EachLine", "RuleLine", "WhenLine", "lines_of"]

class RuleLine: ...

class WhenLine(RuleLine):
    def __init__(self, condition: Truth, points: int, place: int, text: str) -> None: ...

class EachLine(RuleLine):
    def __init__(self, given: GivenEach, place: int, text: str) -> None: ...

def lines_of(rules: list[RuleLine], reading: Reading) -> tuple[list[LedgerLine], int]: ...
