"""Tiers bound: their stages, cells or shares as conditions.

1. Stages are a ladder, whose default remains.
2. Cells compare three metrics with their cuts. A profile without the recency has none; a
   frequency or an amount that is missing is 0. The recency is high where it is no older than its
   cut: an instant, or an age that is fixed by the model.
3. Shares are a ladder of one value compared with the least of each share, so equal values at a
   cut are in.
Cuts that follow from the data are given: they are worked out once in a while, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from engine.model.plain import Metrics, Tier, Top
from engine.model.positions import KeyPath
from engine.rules import tree
from engine.rules.bound import (
    BoundAnd,
    BoundCompare,
    BoundConstant,
    BoundExpr,
    BoundFloatCompare,
    BoundNot,
    BoundOr,
    FloatValue,
    Linear,
)
from engine.rules.calendar import SECOND_US
from engine.rules.comparisons import all_present
from engine.rules.derived import EVERYBODY, Cells, Derived, Ladder
from engine.rules.names import Scope
from engine.rules.parse import parse_value
from engine.rules.types import Quantity, constant, subtract
from engine.rules.values import as_instant, bind_operand

__all__ = ["bind_tier", "metric_values"]

_NOBODY = BoundConstant(False, None)


def bind_tier(
    name: str,
    tier: Tier,
    stage: Callable[[int], BoundExpr],
    scope: Callable[[str, KeyPath], Scope],
    cuts: Sequence[Fraction | None] | None,
) -> Derived | None:
    """What the names of a tier mean; None where that takes cuts, and nobody has looked for any.
    Where none were found (`cuts` is empty) nobody has a cell or a share.

    `stage(i)` is the condition of stage i; `scope(text, key)` that of the text under a key.
    """
    default = [tier["default"]] if "default" in tier else []
    remaining = [(EVERYBODY,)] * len(default)
    if "stages" in tier:
        stages = tuple(stage(at) for at in range(len(tier["stages"])))
        names = [one["name"] for one in tier["stages"]]
        through = [stages[: at + 1] for at in range(len(stages))]
        return Ladder((*names, *default), (*through, *remaining))
    values = metric_values(name, tier, scope)
    if "top" in tier:
        if cuts is None:
            return None
        (value,) = values
        in_force = cuts or [None] * len(tier["top"]["shares"])
        shares = [(_at_least(value, cut),) for cut in in_force]
        return Ladder((*tier["top"]["shares"], *default), (*shares, *remaining))
    metrics = tier.get("rfm") or tier.get("rfe")
    assert metrics is not None, "a tier has one of four kinds"
    return _cells(metrics, values, cuts)


def metric_values(
    name: str, tier: Tier, scope: Callable[[str, KeyPath], Scope]
) -> tuple[Quantity, ...]:
    """What a tier with cuts compares: recency, frequency and the third metric, or `by`."""
    for kind in ("rfm", "rfe"):
        if kind in tier:
            return tuple(
                _quantity(key, value, scope, ("tiers", name, kind, key))
                for key, value in _metric_trees(tier[kind]).items()
            )
    top: Top = tier["top"]
    by = parse_value(top["by"]), top["by"]
    return (_quantity("by", by, scope, ("tiers", name, "top", "by")),)


def _metric_trees(metrics: Metrics) -> dict[str, tuple[tree.Value, str]]:
    """The metrics by key, with the text of each."""
    found = {
        "recency": (parse_value(metrics["recency"]), metrics["recency"]),
        "frequency": (parse_value(metrics["frequency"]), metrics["frequency"]),
    }
    if "monetary" in metrics:
        found["monetary"] = parse_value(metrics["monetary"]), metrics["monetary"]
    else:
        found["engagement"] = _engagement(metrics), ""
    return found


def _quantity(
    key: str,
    value: tuple[tree.Value, str],
    scope: Callable[[str, KeyPath], Scope],
    path: KeyPath,
) -> Quantity:
    node, text = value
    within = scope(text, path)
    operand = bind_operand(node, within)
    assert isinstance(operand, Quantity), "a metric has an order"
    if key == "recency" and operand.kind == "date":
        return as_instant(operand, within)
    return operand


def _engagement(metrics: Metrics) -> tree.Sum:
    """The events of a window, each with its weight."""
    window = None
    if "in_last_us" in metrics:
        length = tree.Duration(metrics["in_last_us"] // SECOND_US, "second")
        window = tree.Window("in_last", length=length)
    terms = [
        tree.Term(
            1,
            tree.Number(Decimal(weight)),
            tree.Aggregate("count", step=tree.Step(tree.Selector((event,))), window=window),
        )
        for event, weight in metrics["engagement"].items()
    ]
    return tree.Sum(tuple(terms))


def _cells(
    metrics: Metrics, values: tuple[Quantity, ...], cuts: Sequence[Fraction | None] | None
) -> Cells | None:
    recency, *counted = values
    fixed = metrics["cut"]
    if isinstance(fixed, str):
        if cuts is None:
            return None
        if not cuts:
            return Cells(metrics["cells"], _NOBODY, (_NOBODY, _NOBODY, _NOBODY))
        first, *others = cuts
        recent = _at_least(recency, first)
    else:
        # No older than: recency >= now - age.
        age_us = Fraction(fixed["recency_us"])
        form = subtract(recency.form, Linear((), -age_us, now_factor=1))
        recent = BoundCompare(form, ">=", None)
        third = fixed["monetary"] if "monetary" in fixed else fixed["engagement"]
        others = [Fraction(fixed["frequency"]), Fraction(third)]
    high = [
        _at_least(value, cut, or_missing=True) for value, cut in zip(counted, others, strict=True)
    ]
    present = all_present((recency,))
    assert present, "an instant of a profile may be missing"
    counted_here = present[0] if len(present) == 1 else BoundAnd(present, None)
    return Cells(metrics["cells"], counted_here, (recent, high[0], high[1]))


def _at_least(value: Quantity, cut: Fraction | None, *, or_missing: bool = False) -> BoundExpr:
    """Whose value is at least a cut; `or_missing`: one that is missing is 0."""
    if cut is None:
        return _NOBODY
    reached: BoundExpr
    if value.kind == "float":
        reached = BoundFloatCompare(value.in_doubles(), ">=", FloatValue(exact=constant(cut)), None)
    else:
        reached = BoundCompare(subtract(value.form, constant(cut)), ">=", None)
    present = all_present((value,)) if or_missing and cut <= 0 else ()
    if not present:
        return reached
    missing = BoundNot(present[0] if len(present) == 1 else BoundAnd(present, None), None)
    return BoundOr((reached, missing), None)
