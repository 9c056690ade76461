"""`scores`: points given by rules, with bands."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engine.model.plain import Score, ScoreRule
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, did_you_mean
from engine.model.written import Duration, Name, Points, Text, choice

__all__ = ["ScoreRuleShape", "ScoreShape", "build", "check"]


Feed = Annotated[Literal["bands", "changes"], BeforeValidator(choice("bands", "changes"))]


class ScoreRuleShape(Shape):
    """Points for profiles where `when` holds, or for `each` event that a step selects."""

    when: Text | None = None
    each: Text | None = None
    points: Points
    at_most: Points | None = None
    half_life: Duration | None = None


class ScoreShape(Shape):
    """A score: the sum of its rules, kept between floor and ceiling, cut into bands. The feed tells
    changes of its band, and with `feed: changes` each of its points."""

    rules: tuple[ScoreRuleShape, ...] = Field(min_length=1)
    floor: Points | None = None
    ceiling: Points | None = None
    bands: dict[Name, Points] = Field(default_factory=dict)
    hold: dict[Name, Points] = Field(default_factory=dict)
    feed: Feed = "bands"


def check(name: str, shape: ScoreShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one score beyond its shape."""
    path = ("scores", name)
    for at, rule in enumerate(shape.rules):
        yield from _rule_faults((*path, "rules", at), rule)
    if shape.floor is not None and shape.ceiling is not None and shape.floor > shape.ceiling:
        yield Fault(
            (*path, "floor"), f"the floor {shape.floor} lies above the ceiling {shape.ceiling}"
        )
    yield from _band_faults(path, shape)
    yield from _hold_faults(path, shape)


def _rule_faults(path: tuple[str | int, ...], rule: ScoreRuleShape) -> Iterator[Fault]:
    yield from rule.one_of(path, "a score rule", "when", "each")
    for key in rule.written("at_most", "half_life"):
        if rule.each is None:
            hint = "use `each` to give points for every event"
            yield Fault((*path, key), f"`{key}` belongs to a rule with `each`", hint)
    if rule.at_most is not None and rule.at_most <= 0:
        hint = "it bounds the size of the sum, whatever its sign"
        yield Fault((*path, "at_most"), f"expected a number above 0, found {rule.at_most}", hint)


def _band_faults(path: tuple[str, ...], shape: ScoreShape) -> Iterator[Fault]:
    owner: dict[Decimal, str] = {}
    for band, bound in shape.bands.items():
        inner = (*path, "bands", band)
        if bound in owner:
            yield Fault(inner, f"'{owner[bound]}' has the same bound, {bound}", "choose another")
        owner.setdefault(bound, band)
        if shape.ceiling is not None and bound > shape.ceiling:
            yield Fault(
                inner, f"no score reaches the bound {bound}: the ceiling is {shape.ceiling}"
            )


def _hold_faults(path: tuple[str, ...], shape: ScoreShape) -> Iterator[Fault]:
    for band, left in shape.hold.items():
        inner = (*path, "hold", band)
        bound = shape.bands.get(band)
        if bound is None:
            hint = did_you_mean(band, shape.bands, "hold names a band of the same score")
            yield Fault(inner, f"unknown band '{band}'", hint)
        elif left > bound:
            yield Fault(
                inner,
                f"'{band}' would be left below {left}, above its bound {bound}",
                "hold lies at or below the bound",
            )
        elif shape.floor is not None and left <= shape.floor < bound:
            yield Fault(
                inner,
                f"'{band}' would never be left: no score lies below {left}, as the floor is "
                f"{shape.floor}",
                "hold lies above the floor",
            )


def build(shape: ScoreShape) -> Score:
    """The score as plain data."""
    score: Score = {
        "rules": tuple(_build_rule(rule) for rule in shape.rules),
        "bands": dict(shape.bands),
        "hold": dict(shape.hold),
    }
    if shape.feed == "changes":
        score["feed"] = shape.feed
    if shape.floor is not None:
        score["floor"] = shape.floor
    if shape.ceiling is not None:
        score["ceiling"] = shape.ceiling
    return score


def _build_rule(shape: ScoreRuleShape) -> ScoreRule:
    rule: ScoreRule = {"points": shape.points}
    if shape.when is not None:
        rule["when"] = shape.when
    if shape.each is not None:
        rule["each"] = shape.each
    if shape.at_most is not None:
        rule["at_most"] = shape.at_most
    if shape.half_life is not None:
        rule["half_life_us"] = shape.half_life
    return rule
