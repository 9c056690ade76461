"""Which band or tier a profile has, by what stands for their names when they are bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.explaining.closures import Truth
from engine.explaining.reading import Reading
from engine.rules.bound import BoundExpr
from engine.rules.derived import Cells, Derived, Ladder

__all__ = ["conditions_of", "name_of"]


def name_of(derived: Derived, reading: Reading) -> str | None:
    """The name that a profile has; None where it has none."""
    kept = reading.closures.kept
    # With what it was made of, so that its id is nobody else's.
    known: tuple[Derived, _Ladder | _Cells] | None = kept.get(id(derived))
    if known is None:
        truth = reading.closures.truth
        match derived:
            case Ladder(names=names, through=through):
                steps = [
                    (name, [truth(item) for item in reached])
                    for name, reached in zip(names, through, strict=True)
                ]
                known = derived, _Ladder(steps)
            case Cells(names=cells, counted=counted, high=high):
                known = derived, _Cells(cells, truth(counted), [truth(item) for item in high])
        kept[id(derived)] = known
    return known[1].of(reading)


class _Ladder:
    """The first name that is reached, each with what it follows from."""

    __slots__ = ("_steps",)

    def __init__(self, steps: list[tuple[str, list[Truth]]]) -> None:
        self._steps = steps

    def of(self, reading: Reading) -> str | None:
        for name, reached in self._steps:
            for is_reached in reached:
                if is_reached(reading):
                    return name
        return None


class _Cells:
    """A name for each combination of what is high, for whom counts."""

    __slots__ = ("_counts", "_high", "_names")

    def __init__(self, names: Mapping[str, str], counts: Truth, high: list[Truth]) -> None:
        self._names, self._counts, self._high = names, counts, high

    def of(self, reading: Reading) -> str | None:
        if not self._counts(reading):
            return None
        return self._names["".join("H" if is_high(reading) else "L" for is_high in self._high)]


def conditions_of(derived: Derived) -> Iterator[BoundExpr]:
    """Everything that decides which name it is."""
    match derived:
        case Ladder(through=through):
            for reached in through:
                yield from reached
        case Cells(counted=counted, high=high):
            yield counted
            yield from high
