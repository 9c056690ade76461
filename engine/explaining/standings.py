"""Where a profile stands: in a score and its bands, in a tier, and with a tag.

Points and bounds are thousandths of a point, times microseconds from 1970. `node` is the place, in
the explanation that a standing belongs to, of the first node of a condition; None where it has
none.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.explaining.changes import Way
from engine.explaining.evidence import FoundValue
from engine.explaining.ledgers import Ledger
from engine.explaining.one_profile import PlainValue

__all__ = [
    "BandStanding",
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
class BandStanding:
    """A band: the bound at which its latch goes on, and that below which it goes off; they are one
    but for bands with `hold`. Of those `since_us` is when the latch came to be as it is."""

    name: str
    bound: int
    left_below: int
    on: bool
    since_us: int | None = None


@dataclass(frozen=True, slots=True)
class ScoreWay:
    """A way to the next band, and what each rule would give more (by its place), where it would."""

    way: Way
    gains: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ScoreStanding:
    """A score: its ledger, its bands, the highest first, the one that the profile is in, and what
    is missing to the next one up; None where there is none above."""

    ledger: Ledger
    band: str | None
    bands: tuple[BandStanding, ...] = ()
    next_band: str | None = None
    missing: int | None = None
    ways: tuple[ScoreWay, ...] = ()

    @property
    def has(self) -> bool:
        """Everybody has points."""
        return True


@dataclass(frozen=True, slots=True)
class StageStanding:
    """A stage or a share, and whether the profile reaches it: of those the first counts. `cut` is
    the least value of a share, None where nobody reaches it, and of a stage."""

    name: str
    reached: bool
    node: int | None = None
    cut: PlainValue | None = None


@dataclass(frozen=True, slots=True)
class MetricStanding:
    """A value that a tier with cuts compares. `cut` is the least that is high, None where nobody's
    is, and of shares; `high` is not known of these."""

    metric: str
    found: FoundValue
    cut: PlainValue | None = None
    high: bool | None = None


@dataclass(frozen=True, slots=True)
class TierStanding:
    """A tier and the name that the profile has in it. `stages` go as far as the one that counts, or
    have all shares; `cell` says for each metric H or L. `refreshed_us` is the instant of its cuts,
    None where they are the model's own or there are none."""

    tier: str
    name: str | None
    stages: tuple[StageStanding, ...] = ()
    metrics: tuple[MetricStanding, ...] = ()
    cell: str = ""
    refreshed_us: int | None = None

    @property
    def has(self) -> bool:
        """Whether it has a name."""
        return self.name is not None


@dataclass(frozen=True, slots=True)
class TagRuleStanding:
    """A rule that may give a tag: its own name for it, its text, and whether it gives it now. A
    sticky one does while its fact holds, whatever its text says by now; `since_us` is when that
    began, or ended."""

    tag: str
    keep: str
    text: str
    gives: bool
    node: int
    since_us: int | None = None


@dataclass(frozen=True, slots=True)
class TagStanding:
    """A tag: whether the profile has it, who gave it, and the rules that may."""

    tag: str
    has: bool
    givers: tuple[str, ...] = ()
    rules: tuple[TagRuleStanding, ...] = ()


Standing = ScoreStanding | TierStanding | TagStanding
