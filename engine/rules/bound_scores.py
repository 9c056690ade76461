"""What bound trees say of scores: the rules that add points up, bound, and what bounds the sum.

Points are whole thousandths throughout, negative ones among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.rules import tree
from engine.rules.bound_events import BoundEvents

if TYPE_CHECKING:
    from engine.rules.bound import BoundExpr

__all__ = ["BoundEachRule", "BoundScore", "BoundScoreRule", "BoundWhenRule"]


@dataclass(frozen=True, slots=True, eq=False)
class BoundWhenRule:
    """`points` for whom `condition` holds."""

    condition: BoundExpr
    points: int


@dataclass(frozen=True, slots=True, eq=False)
class BoundEachRule:
    """`points` for each of some events in a window, less by their age where there is `half_life_us`
    (`engine.rules.half_life`); the sum of them goes no further from 0 than `at_most`."""

    events: BoundEvents
    window: tree.Window | None
    points: int
    at_most: int | None = None
    half_life_us: int | None = None


BoundScoreRule = BoundWhenRule | BoundEachRule


@dataclass(frozen=True, slots=True, eq=False)
class BoundScore:
    """A score of a model: the sum of its rules, not below `floor` and not above `ceiling`.

    Equal only to itself: a binder binds each score once, and a chain of scores is no deeper to
    compare than one.
    """

    name: str
    rules: tuple[BoundScoreRule, ...]
    floor: int | None = None
    ceiling: int | None = None

    @property
    def conditions(self) -> tuple[BoundExpr, ...]:
        """What `when` rules ask, in the order of the rules."""
        return tuple(rule.condition for rule in self.rules if isinstance(rule, BoundWhenRule))

    @property
    def counted(self) -> tuple[BoundEachRule, ...]:
        """The rules that count events."""
        return tuple(rule for rule in self.rules if isinstance(rule, BoundEachRule))
