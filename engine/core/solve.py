"""Comparisons of one number with constants, solved for the stored integer.

`factor * x + constant  op  0` with exact fractions says the same as `x op' bound`; over the
integers that is a closed range, a single value, or nothing. So a comparison with a literal of
any precision costs one range test over the stored column, and is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

__all__ = ["INT64_MAX", "INT64_MIN", "IntRange", "solve"]

INT64_MIN = -(1 << 63)
INT64_MAX = (1 << 63) - 1

_FLIPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

Op = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class IntRange:
    """Integers `low..high` inclusive (none where low > high); negated: all the others."""

    low: int
    high: int
    negated: bool = False

    @property
    def is_nothing(self) -> bool:
        """Holds for no integer of 64 bits."""
        if self.negated:
            return self.low <= INT64_MIN and self.high >= INT64_MAX
        return self.low > self.high or self.low > INT64_MAX or self.high < INT64_MIN

    @property
    def is_everything(self) -> bool:
        """Holds for every integer of 64 bits."""
        if self.negated:
            return self.low > self.high or self.low > INT64_MAX or self.high < INT64_MIN
        return self.low <= INT64_MIN and self.high >= INT64_MAX

    def clamped(self) -> IntRange:
        """The same range with both ends in 64 bits; only where neither property above holds."""
        return IntRange(max(self.low, INT64_MIN), min(self.high, INT64_MAX), self.negated)


def solve(factor: Fraction, constant: Fraction, op: str, unit: int = 1) -> IntRange:
    """The stored integers s for which `factor * (s / unit) + constant op 0`; factor is not 0."""
    # In integers, since fractions look for common divisors at each step.
    above = -constant.numerator * factor.denominator * unit
    below = constant.denominator * factor.numerator
    if below < 0:
        above, below, op = -above, -below, _FLIPPED[op]
    floor, rest = divmod(above, below)
    if op in ("=", "!="):
        low, high = (1, 0) if rest else (floor, floor)
        return IntRange(low, high, op == "!=")
    if op == "<":
        return IntRange(INT64_MIN, floor if rest else floor - 1)
    if op == "<=":
        return IntRange(INT64_MIN, floor)
    if op == ">":
        return IntRange(floor + 1, INT64_MAX)
    return IntRange(floor + 1 if rest else floor, INT64_MAX)
