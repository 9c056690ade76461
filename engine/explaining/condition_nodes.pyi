from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from engine.explaining.reading import Number, Truth
from engine.rules.bound import StringTest
from engine.rules.bound_events import BoundSequence

__all__ = [
    "Among",
    "CompareNumbers",
    "Constant",
    "Flag",
    "InList",
    "Joined",
    "JoinedInFull",
    "Not",
    "Pair",
    "Path",
    "Present",
    "Refused",
    "Remembered",
    "SetAny",
    "SetPasses",
    "TextPasses",
]

class Joined(Truth):
    def __init__(self, parts: Iterable[Truth], is_and: bool) -> None: ...

class JoinedInFull(Joined): ...

class Not(Truth):
    def __init__(self, item: Truth) -> None: ...

class Remembered(Truth):
    def __init__(self, place: int, item: Truth) -> None: ...

class Constant(Truth):
    def __init__(self, truth: bool) -> None: ...

class Refused(Truth):
    def __init__(self, construct: str) -> None: ...

class InList(Truth):
    def __init__(self, name: str) -> None: ...

class Path(Truth):
    def __init__(self, sequence: BoundSequence, first: Number) -> None: ...

class CompareNumbers(Truth):
    def __init__(self, left: Number, op: str, right: Number | Fraction | int) -> None: ...

class Among(Truth):
    def __init__(self, value: Number, values: Iterable[Any], negated: bool) -> None: ...

class Present(Truth):
    def __init__(self, read: Number) -> None: ...

class Flag(Truth):
    def __init__(self, read: Number, wanted: bool) -> None: ...

class TextPasses(Truth):
    def __init__(self, read: Number, test: StringTest, negated: bool) -> None: ...

class Pair(Truth):
    def __init__(self, left: Number, right: Number, negated: bool) -> None: ...

class SetAny(Truth):
    def __init__(self, read: Number, values: frozenset[str]) -> None: ...

class SetPasses(Truth):
    def __init__(self, read: Number, test: StringTest) -> None: ...
