"""Comparisons of bands and tiers bound: which of their names pass, and who has one of those.

Names are known when an expression is bound, so every test of them is a choice among them. Where
what they mean is not known (no cuts are stored, or a text is checked by itself) the condition
is typed and has no evaluator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt

from engine.rules import tree
from engine.rules.bound import (
    BoundAnd,
    BoundCategory,
    BoundConstant,
    BoundExpr,
    BoundLater,
    BoundNot,
    BoundOr,
    BoundPresence,
    Op,
    StringTest,
)
from engine.rules.derived import has_name, named
from engine.rules.types import Strings

__all__ = ["band_between", "band_order", "equal_names", "name_present", "names_that"]

_ORDERS: dict[str, Callable[[int, int], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def names_that(passes: Callable[[str], bool], value: Strings, node: tree.Expr | None) -> BoundExpr:
    """Whoever has a name of a band or tier that passes."""
    if value.derived is None:
        return BoundLater(value.construct, node)
    return named(value.derived, [name for name in value.choices if passes(name)], node)


def name_present(value: Strings, node: tree.Expr | None) -> BoundExpr:
    """Whoever has any name of a band or tier."""
    if value.derived is None:
        return BoundLater(value.construct, node)
    return has_name(value.derived, node)


def band_order(value: Strings, op: Op, word: str, node: tree.Expr | None) -> BoundExpr:
    """`band('x') op 'word'` by the order of bounds."""
    ranks = _ranks(value.choices)
    return names_that(lambda name: _ORDERS[op](ranks[name], ranks[word]), value, node)


def band_between(
    value: Strings, low: str, high: str, negated: bool, node: tree.Expr | None
) -> BoundExpr:
    """`band('x') [not] between 'low' and 'high'`."""
    ranks = _ranks(value.choices)

    def passes(name: str) -> bool:
        return (ranks[low] <= ranks[name] <= ranks[high]) != negated

    return names_that(passes, value, node)


def equal_names(left: Strings, right: Strings, negated: bool, node: tree.Expr | None) -> BoundExpr:
    """Two values that are there, with equal (negated: different) names; at least one of them is
    a band or a tier, and the other may be a category that is read."""
    for value in (left, right):
        if value.read is None and value.derived is None:
            return BoundLater(value.construct, node)
    names = dict.fromkeys(left.choices if left.read is None else right.choices)
    both = [
        BoundAnd((_has(left, name), _has(right, name)), None)
        for name in names
        if all(value.read is not None or name in value.choices for value in (left, right))
    ]
    if not negated:
        return BoundOr(tuple(both), node) if both else BoundConstant(False, node)
    present = (_is_there(left), _is_there(right))
    different = (BoundNot(BoundOr(tuple(both), None), None),) if both else ()
    return BoundAnd((*present, *different), node)


def _has(value: Strings, name: str) -> BoundExpr:
    if value.read is None:
        return names_that(lambda one: one == name, value, None)
    return BoundCategory(value.read, StringTest("in", frozenset({name})), False, None)


def _is_there(value: Strings) -> BoundExpr:
    if value.read is None:
        return name_present(value, None)
    return BoundPresence(value.read, None)


def _ranks(choices: Sequence[str]) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(choices)}
