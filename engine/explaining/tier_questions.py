"""A tier explained: the stages up to the one that counts, or the values and their cuts."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from engine.errors import NotYet
from engine.explaining.evidence import found_value, plain, scale_of
from engine.explaining.names import conditions_of, name_of
from engine.explaining.one_profile import PlainValue
from engine.explaining.outline import Asked, Outline, asked_of_value, outline, reads_of
from engine.explaining.standings import MetricStanding, StageStanding, TierStanding
from engine.explaining.subjects import Nodes
from engine.model.plain import Tier
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.derived import Cells, Derived, Ladder
from engine.rules.parse import parse
from engine.rules.types import Quantity, Strings

__all__ = ["TierQuestion", "derived_of"]


class TierQuestion:
    """Asks for a tier of a model; `refreshed_us` is the instant of its cuts. Raises
    ExpressionInvalid where there is none of the name, NotYet where it has no cuts."""

    def __init__(self, name: str, binder: Binder, where: str, refreshed_us: int | None) -> None:
        self._name = name
        self._tier = binder.model.tiers.get(name)
        self._derived = derived_of(tree.Call("tier", name), binder, where)
        assert self._tier is not None, "what is bound is declared"
        self._refreshed_us = refreshed_us
        self._stages = _stages(self._tier, self._derived, binder)
        self._metrics = _metrics(self._tier, binder.metrics(name) if not self._stages else ())
        self._cuts = _cuts(self._tier, binder.cuts.get(name, ()))
        self.reads = reads_of(conditions_of(self._derived))

    def stand(self, nodes: Nodes, givers: Sequence[str]) -> TierStanding:
        """The answer for the profile of a reading. Raises NotYet."""
        reading = nodes.reading
        name = name_of(self._derived, reading)
        metrics, cell = [], ""
        high: list[bool | None] = [None] * len(self._metrics)
        if isinstance(self._derived, Cells) and reading.holds(self._derived.counted):
            high = [reading.holds(one) for one in self._derived.high]
            cell = "".join("H" if one else "L" for one in high)
        for place, (key, asked) in enumerate(self._metrics.items()):
            cut = None
            if isinstance(self._derived, Cells) and place < len(self._cuts):
                cut = self._cut(asked, place, nodes)
            metrics.append(MetricStanding(key, found_value(asked, reading), cut, high[place]))
        return TierStanding(
            self._name,
            name,
            tuple(self._of_stages(nodes) if self._stages else self._of_shares(nodes)),
            tuple(metrics),
            cell,
            self._refreshed_us,
        )

    def _of_stages(self, nodes: Nodes) -> list[StageStanding]:
        found = []
        for name, asked in self._stages:
            node = nodes.add(asked)
            found.append(StageStanding(name, nodes.all[node].truth, node))
            if found[-1].reached:
                return found
        assert self._tier is not None
        if "default" in self._tier:
            found.append(StageStanding(self._tier["default"], True))
        return found

    def _of_shares(self, nodes: Nodes) -> list[StageStanding]:
        if not isinstance(self._derived, Ladder):
            return []
        (asked,) = self._metrics.values()
        return [
            StageStanding(
                name,
                any(nodes.reading.holds(one) for one in reached),
                None,
                self._cut(asked, place, nodes) if place < len(self._cuts) else None,
            )
            for place, (name, reached) in enumerate(
                zip(self._derived.names, self._derived.through, strict=True)
            )
        ]

    def _cut(self, asked: Asked, place: int, nodes: Nodes) -> PlainValue | None:
        assert self._tier is not None and isinstance(asked.operand, Quantity)
        cut = self._cuts[place]
        metrics = self._tier.get("rfm") or self._tier.get("rfe")
        if metrics is not None and not isinstance(metrics["cut"], str) and not place:
            # An age, and the instant that is so old now.
            cut = nodes.reading.now_us - Fraction(metrics["cut"]["recency_us"])
        if cut is None:
            return None
        if asked.operand.kind == "float":
            return float(cut)
        return plain(asked.operand.kind, cut, scale_of(asked.operand.form))


def derived_of(call: tree.Call, binder: Binder, where: str = "") -> Derived:
    """What the names of a band or tier mean. Raises ExpressionInvalid, and NotYet where that takes
    cuts and there are none."""
    operand = binder.operand(call, where=where)
    if not isinstance(operand, Strings) or operand.derived is None:
        raise NotYet(
            f"The {call.function} '{call.argument}' has no cuts yet, so nobody has a name in it; "
            "refresh it first (strata refresh)."
        )
    return operand.derived


def _stages(tier: Tier, derived: Derived, binder: Binder) -> list[tuple[str, Outline]]:
    found = []
    for place, stage in enumerate(tier.get("stages", ())):
        assert isinstance(derived, Ladder)
        body = derived.through[place][place]
        assert isinstance(body, bound.BoundSegment)
        found.append((stage["name"], outline(parse(stage["when"]), body.body, binder)))
    return found


def _metrics(tier: Tier, values: Sequence[Quantity]) -> dict[str, Asked]:
    if "top" in tier:
        return {"by": asked_of_value(tier["top"]["by"], values[0])}
    metrics = tier.get("rfm") or tier.get("rfe")
    if metrics is None:
        return {}
    texts = {"recency": metrics["recency"], "frequency": metrics["frequency"]}
    if "monetary" in metrics:
        texts["monetary"] = metrics["monetary"]
    else:
        weights = metrics["engagement"].items()
        texts["engagement"] = " + ".join(f"{weight:f} * {event}" for event, weight in weights)
    return {
        key: asked_of_value(text, value)
        for (key, text), value in zip(texts.items(), values, strict=True)
    }


def _cuts(tier: Tier, stored: Sequence[Fraction | None]) -> Sequence[Fraction | None]:
    metrics = tier.get("rfm") or tier.get("rfe")
    if metrics is None or isinstance(metrics["cut"], str):
        return stored
    fixed = metrics["cut"]
    third = fixed["monetary"] if "monetary" in fixed else fixed["engagement"]
    return None, Fraction(fixed["frequency"]), Fraction(third)
