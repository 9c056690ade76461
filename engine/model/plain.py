"""The shapes of `Model.scores`, `tiers`, `tag_rules` and `actions`: validated plain data.

They follow the model file key by key. A key that was not written is absent, except where
a class says otherwise. Three things differ from the file: numbers are exact `Decimal`s,
durations are whole microseconds under a key that ends in `_us`, and lists are tuples.
A `when` or `on` is the text of an expression, an `each` the text of a step with an optional
window, a metric (`recency`, `by`, ...) the text of a value; all as they were written.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NotRequired, TypedDict

__all__ = [
    "CELLS",
    "Action",
    "FixedCut",
    "Metrics",
    "Owner",
    "Score",
    "ScoreRule",
    "Stage",
    "TagRule",
    "Tier",
    "Top",
    "tier_names",
]

# Names of the eight cells: recency, frequency, then money or engagement, High or Low.
CELLS: Mapping[str, str] = {
    "HHH": "重要价值",
    "HLH": "重要发展",
    "LHH": "重要保持",
    "LLH": "重要挽留",
    "HHL": "一般价值",
    "HLL": "一般发展",
    "LHL": "一般保持",
    "LLL": "一般挽留",
}


class TagRule(TypedDict):
    """A tag given by rule: exactly one of `when` and `each`; `keep` is always there.

    With `each`, `tag` holds `{property}` places; no two rules have the same `tag`.
    """

    tag: str
    when: NotRequired[str]
    each: NotRequired[str]
    keep: Literal["sticky", "live"]


class ScoreRule(TypedDict):
    """Points of a score, in points (at most three digits after the point).

    Exactly one of `when` and `each`; `at_most` (above 0) and `half_life_us` only with `each`.
    """

    when: NotRequired[str]
    each: NotRequired[str]
    points: Decimal
    at_most: NotRequired[Decimal]
    half_life_us: NotRequired[int]


class Score(TypedDict):
    """A score. `rules`, `bands` and `hold` are always there, the last two perhaps empty.

    `bands` maps a name to its lower bound, all different; `hold` maps some of them to where
    they are left, never above the bound. `feed` where the feed tells each change of the points.
    """

    rules: tuple[ScoreRule, ...]
    floor: NotRequired[Decimal]
    ceiling: NotRequired[Decimal]
    bands: dict[str, Decimal]
    hold: dict[str, Decimal]
    feed: NotRequired[Literal["changes"]]


class Stage(TypedDict):
    """One stage of a tier; the first whose `when` holds wins."""

    name: str
    when: str


class FixedCut(TypedDict):
    """Cuts written in the model: an age, a count, and an amount or a weighted sum."""

    recency_us: int
    frequency: Decimal
    monetary: NotRequired[Decimal]
    engagement: NotRequired[Decimal]


class Metrics(TypedDict):
    """`rfm` (with `monetary`) or `rfe` (with `engagement`, `in_last_us`).

    `engagement` maps names of events or groups to weights. `cells` is always there and
    complete: every key of CELLS with its name, renamed or not.
    """

    recency: str
    frequency: str
    monetary: NotRequired[str]
    engagement: NotRequired[dict[str, Decimal]]
    in_last_us: NotRequired[int]
    cut: Literal["mean", "median", "quintile"] | FixedCut
    cells: dict[str, str]


class Top(TypedDict):
    """Shares of the population from the top down, in percent; together at most 100."""

    by: str
    shares: dict[str, Decimal]


class Tier(TypedDict):
    """A tier: exactly one of `stages`, `rfm`, `rfe` and `top`.

    `default` stands only with the first and the last.
    """

    stages: NotRequired[tuple[Stage, ...]]
    rfm: NotRequired[Metrics]
    rfe: NotRequired[Metrics]
    top: NotRequired[Top]
    default: NotRequired[str]


# `else` is a keyword of Python, hence the functional form.
Owner = TypedDict("Owner", {"by": str, "table": dict[str, str], "else": NotRequired[str]})
Owner.__doc__ = "Who gets an action: the attribute `by` looked up in `table`, `else` otherwise."


class Action(TypedDict):
    """Something to do, told in the feed: exactly one of `on` and `each`.

    `send` (always there, perhaps empty) names attributes that go along.
    """

    on: NotRequired[str]
    each: NotRequired[str]
    do: str
    owner: NotRequired[Owner]
    due_us: NotRequired[int]
    send: tuple[str, ...]


def tier_names(tier: Tier) -> tuple[str, ...]:
    """Every name that a profile may have in a tier, in the order of the model file."""
    names: list[str] = []
    if "stages" in tier:
        names += [stage["name"] for stage in tier["stages"]]
    for kind in ("rfm", "rfe"):
        if kind in tier:
            names += tier[kind]["cells"].values()
    if "top" in tier:
        names += tier["top"]["shares"]
    if "default" in tier:
        names.append(tier["default"])
    return tuple(dict.fromkeys(names))
