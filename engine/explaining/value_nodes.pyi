from fractions import Fraction

from engine.explaining.reading import Given, Number, Selection, Span, Truth
from engine.rules.bound_scores import BoundEachRule, BoundScore
from engine.rules.tree import AggregateFunction

__all__ = [
    "AggregateValue",
    "AsDouble",
    "Bucket",
    "DayStart",
    "Doubles",
    "EventTime",
    "GivenEach",
    "GivenWhen",
    "InUnits",
    "Literal",
    "Multiple",
    "Points",
    "Stored",
    "Total",
]

class Stored(Number):
    def __init__(self, name: str) -> None: ...

class InUnits(Number):
    def __init__(self, value: Number) -> None: ...

class DayStart(Number):
    def __init__(self, day: Number) -> None: ...

class Bucket(Number):
    def __init__(self, seed: int) -> None: ...

class Points(Number):
    def __init__(self, score: BoundScore) -> None: ...

class Literal(Number):
    def __init__(self, number: float) -> None: ...

class Multiple(Number):
    def __init__(self, factor: int, value: Number, constant: int) -> None: ...

class Total(Number):
    def __init__(
        self, constant: int, by_now: int | Fraction, terms: list[tuple[int, Number]]
    ) -> None: ...

class AsDouble(Number):
    def __init__(self, exact: Number, scale: int) -> None: ...

class Doubles(Number):
    def __init__(self, terms: list[tuple[int, float | None, Number]]) -> None: ...

class AggregateValue(Number):
    def __init__(
        self, function: AggregateFunction, selection: Selection, span: Span, nothing: int | None
    ) -> None: ...

class EventTime(Number):
    def __init__(self, function: AggregateFunction, selection: Selection, span: Span) -> None: ...

class GivenWhen(Given):
    def __init__(self, condition: Truth, points: int) -> None: ...

class GivenEach(Given):
    def __init__(self, selection: Selection, span: Span, rule: BoundEachRule) -> None: ...
