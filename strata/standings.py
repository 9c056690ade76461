"""Where a profile stands in a score, in a tier or with a tag, as `strata.explaining` answers.

`node` is a place in the nodes of the explanation. Points are decimals.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from strata.answers import FoundEvent, ScoreLedger, Value

if TYPE_CHECKING:
    from strata.explaining import Way

__all__ = [
    "BandStanding",
    "FoundValue",
    "MetricStanding",
    "ScoreStanding",
    "ScoreWay",
    "StageStanding",
    "Standing",
    "TagRuleStanding",
    "TagStanding",
    "TierStanding",
]


@dataclass(frozen=True, slots=True)
class FoundValue:
    """What `text` comes to, None where it is missing, with the latest of the events that it comes
    from; `left_out` counts the others."""

    text: str
    value: Value
    events: tuple[FoundEvent, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class BandStanding:
    """A band: on from `bound`, off below `left_below`; of one with `hold` `since` is when it came
    to be as it is, None where it was never on."""

    name: str
    bound: Decimal
    left_below: Decimal
    on: bool
    since: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class ScoreWay:
    """A way to the next band, and what rules, by their places, would give more or less."""

    way: Way
    gains: Mapping[int, Decimal]


@dataclass(frozen=True, slots=True)
class ScoreStanding:
    """A score, its bands, the highest first, and what is missing to the next one ("", None: there
    is none)."""

    ledger: ScoreLedger
    bands: tuple[BandStanding, ...]
    next_band: str
    missing: Decimal | None
    ways: tuple[ScoreWay, ...]


@dataclass(frozen=True, slots=True)
class StageStanding:
    """A stage, a share or the default of a tier; `cut` is the least value in a share."""

    name: str
    reached: bool
    node: int | None
    cut: Value


@dataclass(frozen=True, slots=True)
class MetricStanding:
    """A value that a tier compares; `high` is None for shares, and where there is no cell."""

    metric: str
    found: FoundValue
    cut: Value
    high: bool | None


@dataclass(frozen=True, slots=True)
class TierStanding:
    """A tier, and the name that the profile has there ("": none): stages up to the one that counts
    or all shares, or the metrics of a cell; `refreshed` is the instant of its cuts."""

    tier: str
    name: str
    stages: tuple[StageStanding, ...]
    metrics: tuple[MetricStanding, ...]
    cell: str
    refreshed: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class TagRuleStanding:
    """A rule that may give a tag; of a sticky one `since` is when it began to, or ended."""

    tag: str
    sticky: bool
    gives: bool
    node: int
    since: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class TagStanding:
    """A tag: whether the profile has it, who says so, and the rules that may give it."""

    tag: str
    has: bool
    givers: tuple[str, ...]
    rules: tuple[TagRuleStanding, ...]


Standing = ScoreStanding | TierStanding | TagStanding
