"""Which band or tier a profile has, by what stands for their names when they are bound."""

from __future__ import annotations

from collections.abc import Iterator

from engine.explaining.closures import Closures
from engine.explaining.name_nodes import Cells as CellsNode
from engine.explaining.name_nodes import Ladder as LadderNode
from engine.explaining.name_nodes import Name
from engine.explaining.reading import Reading
from engine.rules.bound import BoundExpr
from engine.rules.derived import Cells, Derived, Ladder

__all__ = ["conditions_of", "name_node", "name_of"]


def name_of(derived: Derived, reading: Reading) -> str | None:
    """The name that a profile has; None where it has none."""
    return name_node(derived, reading.closures)(reading)


def name_node(derived: Derived, closures: Closures) -> Name:
    """What is asked of a reading for its name; kept with what is asked of all profiles."""
    # With what it was made of, so that its id is nobody else's.
    known: tuple[Derived, Name] | None = closures.kept.get(id(derived))
    if known is None:
        known = closures.kept[id(derived)] = derived, _made(derived, closures)
    return known[1]


def _made(derived: Derived, closures: Closures) -> Name:
    truth = closures.truth
    match derived:
        case Ladder(names=names, through=through):
            return LadderNode(names, [[truth(item) for item in reached] for reached in through])
        case Cells(names=cells, counted=counted, high=high):
            return CellsNode(cells, truth(counted), [truth(item) for item in high])


def conditions_of(derived: Derived) -> Iterator[BoundExpr]:
    """Everything that decides which name it is."""
    match derived:
        case Ladder(through=through):
            for reached in through:
                yield from reached
        case Cells(counted=counted, high=high):
            yield counted
            yield from high
