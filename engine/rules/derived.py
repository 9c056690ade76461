"""Names that follow from conditions: what it means that a band or a tier has some of its names.

A profile has at most one name of a band or tier. Conditions on it are written out when an
expression is bound, so nothing that runs expressions knows of bands and tiers:
- a *ladder* has names in an order, and a profile has the first that it reaches: the stages of a
  tier, bands from the highest down, shares from the top down. Neighbours that are wanted
  together are one condition, so that `band('lead') >= 'hot'` is one comparison;
- *cells* are high or low in each of three metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.rules import tree
from engine.rules.bound import BoundAnd, BoundConstant, BoundExpr, BoundNot, BoundOr

__all__ = ["EVERYBODY", "Cells", "Derived", "Ladder", "any_of", "has_name", "named"]

# The condition of a default: what remains.
EVERYBODY = BoundConstant(True, None)


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """`names` in order, the first of which counts; one may stand in several places.

    Any of `through[k]` holds for those who have one of the names up to the k-th, and for nobody
    else; the last may be EVERYBODY.
    """

    names: tuple[str, ...]
    through: tuple[tuple[BoundExpr, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """`names` maps a cell such as `HLH` to its name. Only profiles with `counted` have one;
    `high` says in which of the three metrics they are high."""

    names: Mapping[str, str]
    counted: BoundExpr
    high: tuple[BoundExpr, BoundExpr, BoundExpr]


Derived = Ladder | Cells


def named(derived: Derived, wanted: Collection[str], node: tree.Expr | None) -> BoundExpr:
    """Whoever has one of some names; `node` is the condition that says so."""
    if isinstance(derived, Ladder):
        chosen = [name in wanted for name in derived.names]
        parts = [_stretch(derived, first, last) for first, last in _stretches(chosen)]
    else:
        cells = [cell for cell, name in derived.names.items() if name in wanted]
        if len(cells) == len(derived.names):
            parts = [derived.counted]
        else:
            parts = [_cell(derived, cell) for cell in cells]
    return BoundOr(tuple(parts), node) if parts else BoundConstant(False, node)


def has_name(derived: Derived, node: tree.Expr | None) -> BoundExpr:
    """Whoever has a name at all."""
    names = derived.names if isinstance(derived, Ladder) else derived.names.values()
    return named(derived, frozenset(names), node)


def any_of(items: Sequence[BoundExpr]) -> BoundExpr:
    """Any of at least one items."""
    return items[0] if len(items) == 1 else BoundOr(tuple(items), None)


def _stretches(chosen: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """First and last place of each row of neighbours that are chosen."""
    first = None
    for place, is_chosen in enumerate((*chosen, False)):
        if is_chosen and first is None:
            first = place
        elif not is_chosen and first is not None:
            yield first, place - 1
            first = None


def _stretch(ladder: Ladder, first: int, last: int) -> BoundExpr:
    """Whoever has one of the names from one place to another."""
    before = ladder.through[first - 1] if first else ()
    # (a or b) and not a is b and not a.
    known = {id(item) for item in before}
    reached = [item for item in ladder.through[last] if id(item) not in known]
    if not before:
        return any_of(reached)
    missed = BoundNot(any_of(before), None)
    if EVERYBODY in reached:
        return missed
    return BoundAnd((any_of(reached), missed), None)


def _cell(cells: Cells, cell: str) -> BoundExpr:
    sides = [
        high if letter == "H" else BoundNot(high, None)
        for letter, high in zip(cell, cells.high, strict=True)
    ]
    return BoundAnd((cells.counted, *sides), None)
