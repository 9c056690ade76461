"""Which band or tier a profile has, by what stands for their names when they are bound."""

from __future__ import annotations

from collections.abc import Iterator

from engine.explaining.reading import Reading
from engine.rules.bound import BoundExpr
from engine.rules.derived import Cells, Derived, Ladder

__all__ = ["conditions_of", "name_of"]


def name_of(derived: Derived, reading: Reading) -> str | None:
    """The name that a profile has; None where it has none."""
    match derived:
        case Ladder(names=names, through=through):
            for name, reached in zip(names, through, strict=True):
                if any(reading.holds(item) for item in reached):
                    return name
            return None
        case Cells(names=cells, counted=counted, high=high):
            if not reading.holds(counted):
                return None
            return cells["".join("H" if reading.holds(item) else "L" for item in high)]


def conditions_of(derived: Derived) -> Iterator[BoundExpr]:
    """Everything that decides which name it is."""
    match derived:
        case Ladder(through=through):
            for reached in through:
                yield from reached
        case Cells(counted=counted, high=high):
            yield counted
            yield from high
