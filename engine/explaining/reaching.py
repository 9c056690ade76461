"""Which values of one source would make a comparison true, the nearest first."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor, inf, isfinite, nextafter

from engine.explaining.reading import Reading
from engine.rules import bound

__all__ = ["doubles_to_reach", "grid_of", "numbers_to_reach"]

_NEGATED: dict[str, str] = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRRORED: dict[str, str] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
# Values of an `in` that are tried.
_LISTED = 8


def grid_of(source: bound.Source) -> Fraction:
    """The least step in which a source can grow, in its unit."""
    match source:
        case bound.AttributeSource(attribute) if attribute.type == "decimal":
            return Fraction(1, 10**attribute.scale)
        case bound.AggregateSource(aggregate) if aggregate.type == "decimal":
            assert aggregate.property is not None, "only a property is a decimal"
            return Fraction(1, 10**aggregate.property.scale)
        case bound.ScoreSource():
            return Fraction(1, 1000)
        case _:
            return Fraction(1)


def numbers_to_reach(
    item: bound.BoundCompare | bound.BoundIn, source: bound.Source, wanted: bool, reading: Reading
) -> Iterator[Fraction]:
    """Values of a source, on its grid, with which the comparison is as wanted, while the others
    stay as they are; nothing where one of those is missing."""
    rest, factor = item.form.constant + item.form.now_factor * reading.now_us, Fraction(0)
    for term in item.form.terms:
        if term.source == source:
            factor = term.factor
            continue
        value = reading.source(term.source)
        if value is None:
            return
        rest += term.factor * value
    if not factor:
        return
    current = reading.source(source)
    grid = grid_of(source)
    if isinstance(item, bound.BoundIn):
        roots = [(value - rest) / factor for value in item.values]
        yield from _listed(roots, item.negated == wanted, current, grid)
        return
    op: str = item.op if wanted else _NEGATED[item.op]
    root = -rest / factor
    yield from _beyond(op if factor > 0 else _MIRRORED[op], root, current, grid)


def _beyond(
    op: str, root: Fraction, current: Fraction | None, grid: Fraction
) -> Iterator[Fraction]:
    """The nearest values `v op root`."""
    steps = root / grid
    match op:
        case ">=":
            yield ceil(steps) * grid
        case ">":
            yield (floor(steps) + 1) * grid
        case "<=":
            yield floor(steps) * grid
        case "<":
            yield (ceil(steps) - 1) * grid
        case "=":
            if steps.denominator == 1:
                yield root
        case _:
            start = root if current is None else current
            yield (floor(start / grid) + 1) * grid


def _listed(
    roots: list[Fraction], outside: bool, current: Fraction | None, grid: Fraction
) -> Iterator[Fraction]:
    """The nearest values among the roots, or outside of them."""
    start = current or Fraction(0)
    if outside:
        near = (floor(start / grid) * grid + step * grid for step in range(1, len(roots) + 2))
        yield from [value for value in near if value not in roots][:1]
        return
    on_grid = [root for root in roots if (root / grid).denominator == 1]
    yield from sorted(on_grid, key=lambda root: (abs(root - start), root))[:_LISTED]


def doubles_to_reach(
    item: bound.BoundFloatCompare | bound.BoundFloatIn, reading: Reading
) -> Iterator[float]:
    """Values that may turn a comparison in doubles where a source takes them, to be tried: those of
    the other side, and the doubles beside them."""
    if isinstance(item, bound.BoundFloatIn):
        found: list[float | None] = [*sorted(item.values)[:_LISTED]]
    else:
        found = [reading.double(item.left), reading.double(item.right)]
    for value in found:
        if value is not None and isfinite(value):
            yield value
            yield nextafter(value, inf)
            yield nextafter(value, -inf)
            yield value + 1
            yield value - 1
