"""What an event is worth by its age, where its points halve again and again.

An event of h whole hours is worth round(points * 2^(-h / half-life in hours)) thousandths, halves
away from zero, which has to be exact:
1. The power is worked out to so many digits that rounding is decided, but next to a half.
2. There it is a half exactly, or irrational: 2^(a/b) in lowest terms is rational for b = 1 alone.
   So whole powers are divided as integers, and others worked out to more digits until decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from math import ceil, log2

from engine.limits import HALF_LIFE_HOURS

__all__ = ["HOUR_US", "hours_of_worth", "worth_by_hour"]

HOUR_US = 3_600_000_000

# Digits at first: a product of HALF_LIFE_HOURS factors is right to some 40 of them.
_DIGITS = 50
_NEAR = Decimal("1e-20")


def hours_of_worth(points: int, half_life_us: int) -> int:
    """About how many whole hours an event of so many thousandths keeps any worth, rounded up."""
    return ceil((log2(2 * abs(points)) * half_life_us) / HOUR_US) + 1 if points else 0


@lru_cache(maxsize=64)
def worth_by_hour(points: int, half_life_us: int) -> tuple[int, ...]:
    """Thousandths by the age in whole hours, up to the last that is not 0.

    There are at most HALF_LIFE_HOURS of them: whoever binds a score sees to that.
    """
    hours = min(hours_of_worth(points, half_life_us), HALF_LIFE_HOURS)
    sign = 1 if points >= 0 else -1
    worth = list(_worth(abs(points), half_life_us, hours))
    while worth and not worth[-1]:
        worth.pop()
    return tuple(sign * value for value in worth)


def _worth(points: int, half_life_us: int, hours: int) -> Iterator[int]:
    context = Context(prec=_DIGITS, rounding=ROUND_HALF_EVEN)
    shrink = context.power(Decimal(2), context.divide(Decimal(-HOUR_US), Decimal(half_life_us)))
    value = Decimal(points)
    half, one = Decimal("0.5"), Decimal(1)
    for hour in range(hours):
        moved = context.add(value, half)
        whole = int(moved)
        beyond = context.subtract(moved, Decimal(whole))
        if beyond < _NEAR or context.subtract(one, beyond) < _NEAR:
            whole = _decided(points, Fraction(hour * HOUR_US, half_life_us))
        yield whole
        value = context.multiply(value, shrink)


def _decided(points: int, halvings: Fraction) -> int:
    """round(points / 2^halvings), half up; `points` is not negative."""
    if halvings.denominator == 1:
        return (2 * points + (1 << halvings.numerator)) >> (halvings.numerator + 1)
    digits = 2 * _DIGITS
    while True:
        with localcontext(Context(prec=digits)):
            power = Decimal(-halvings.numerator) / Decimal(halvings.denominator)
            moved = Decimal(points) * Decimal(2) ** power + Decimal("0.5")
            beyond = moved - int(moved)
            near = Decimal(10) ** (digits // -2)
            if near < beyond < 1 - near:
                return int(moved)
        digits *= 2
