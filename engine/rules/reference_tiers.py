"""Tiers and tags that rules give, slow and obvious: part of the reference evaluator.

Written from the contract alone. Cuts and facts are data: whoever asks gives those in force at the
instant asked. Values are those of the reference, instants as whole or broken microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from engine.rules import tree
from engine.rules.reference_events import ReferenceEvent

__all__ = ["ReferenceTagRule", "ReferenceTier", "given_tags", "tier_name"]


@dataclass(frozen=True)
class ReferenceTier:
    """A tier as the model has it: one of `stages`, `cells` and `shares`.

    `cells` maps `HLH` and the like to names, with `metrics` for recency, frequency and the third;
    `age_us` is a fixed cut of the recency. `shares` are names from the top down, of `by`. `cuts`
    are those of the three metrics (the first None where there is `age_us`) or of the shares;
    where a cut is None, nobody reaches it.
    """

    stages: Sequence[tuple[str, tree.Expr]] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tree.Value] = ()
    age_us: int | None = None
    shares: Sequence[str] = ()
    by: tree.Value | None = None
    cuts: Sequence[Fraction | float | None] = ()
    default: str | None = None


@dataclass(frozen=True)
class ReferenceTagRule:
    """A rule: `when`, or `each` event of a step in a window gives the tag its properties name."""

    tag: str
    sticky: bool
    when: tree.Expr | None = None
    each: tree.Step | None = None
    window: tree.Window | None = None


def tier_name(
    tier: ReferenceTier,
    holds: Callable[[tree.Expr], bool],
    value: Callable[[tree.Value], Any],
    now_us: int,
) -> str | None:
    """The name of a profile in a tier; None where it has none. `value` of an instant is its
    microseconds."""
    for name, when in tier.stages:
        if holds(when):
            return name
    if tier.cells:
        recency, frequency, third = [value(metric) for metric in tier.metrics]
        if recency is None:
            return None
        if tier.age_us is not None:
            cell = "H" if now_us - recency <= tier.age_us else "L"
        else:
            cell = "H" if _reaches(recency, tier.cuts[0]) else "L"
        for found, cut in zip((frequency, third), tier.cuts[1:], strict=True):
            cell += "H" if _reaches(Fraction(0) if found is None else found, cut) else "L"
        return tier.cells[cell]
    if tier.by is not None:
        found = value(tier.by)
        for name, cut in zip(tier.shares, tier.cuts, strict=True):
            if found is not None and _reaches(found, cut):
                return name
    return tier.default


def _reaches(value: Any, cut: Fraction | float | None) -> bool:
    return cut is not None and bool(value >= cut)


def given_tags(
    rules: Sequence[ReferenceTagRule],
    facts: Collection[str],
    holds: Callable[[ReferenceTagRule], bool],
    happened: Callable[[tree.Step, tree.Window | None], Sequence[ReferenceEvent]],
) -> set[str]:
    """The tags that rules give a profile: those of live rules whose `when` holds, or which some
    event names, and of sticky ones the `facts`."""
    given = set(facts)
    for rule in rules:
        if rule.sticky:
            continue
        if rule.when is not None:
            if holds(rule):
                given.add(rule.tag)
            continue
        assert rule.each is not None, "a rule has one of two"
        places = re.findall(r"\{([^{}]*)\}", rule.tag)
        for event in happened(rule.each, rule.window):
            if all(event.properties.get(place) for place in places):
                tag = rule.tag
                for place in places:
                    # One pass over the rule's own text: a value may have brackets.
                    tag = tag.replace("{" + place + "}", "\0" + place + "\0")
                for place in places:
                    tag = tag.replace("\0" + place + "\0", event.properties[place])
                given.add(tag)
    return given
