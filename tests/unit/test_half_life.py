"""What events are worth by their age: exact roundings, halves among them, and how long it lasts."""

from __future__ import annotations

from decimal import localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.half_life import HOUR_US, _decided, hours_of_worth, worth_by_hour


def rounds_to(points: int, halvings: Fraction, value: int) -> bool:
    """Whether |value| - 1/2 <= |points| / 2^halvings < |value| + 1/2, in whole numbers alone."""
    a, b = halvings.numerator, halvings.denominator
    worth = (2 * abs(points)) ** b
    return (max(2 * abs(value) - 1, 0)) ** b << a <= worth < (2 * abs(value) + 1) ** b << a


@pytest.mark.parametrize(
    ("points", "hours", "expected"),
    [
        (1, 1, (1, 1)),  # 1/2 is a half: away from zero
        (-1, 1, (-1, -1)),
        (3, 1, (3, 2, 1)),  # 3/2 and 3/4, and 3/8 is nothing
        (5, 1, (5, 3, 1, 1)),  # 5/2, 5/4, 5/8
        (-5, 1, (-5, -3, -1, -1)),
        (7, 2, (7, 5, 4, 2, 2, 1, 1, 1)),  # 7/2 is a half, at two hours
        (0, 5, ()),
    ],
)
def test_halves_go_away_from_zero(points: int, hours: int, expected: tuple[int, ...]) -> None:
    assert worth_by_hour(points, hours * HOUR_US) == expected


@given(
    points=st.one_of(st.integers(-200, 200), st.integers(-(10**9), 10**9)),
    half_life_us=st.one_of(
        st.integers(1, 60).map(lambda n: n * HOUR_US),
        st.integers(1, 400).map(lambda n: n * 15 * 60_000_000),
        st.integers(1, 3).map(lambda n: n * 1_000_000),
    ),
)
def test_worth_is_rounded_exactly(points: int, half_life_us: int) -> None:
    worth = worth_by_hour(points, half_life_us)
    for hour, value in enumerate([*worth[:400], *worth[400::97]]):
        at = hour if hour < 400 else 400 + (hour - 400) * 97
        assert value * points >= 0
        assert rounds_to(points, Fraction(at * HOUR_US, half_life_us), value)
    assert not worth or worth[-1] != 0
    last = Fraction(len(worth) * HOUR_US, half_life_us)
    assert rounds_to(points, last, 0) if last.denominator < 2_000 else True
    assert len(worth) <= hours_of_worth(points, half_life_us)


def test_what_is_near_a_half_is_decided_with_more_digits() -> None:
    # 10^60 / 2^(1/3) stands next to a half as seldom as anything; a wide number makes it near.
    for points, third in ((10**60, Fraction(1, 3)), (7, Fraction(0)), (7, Fraction(1))):
        assert rounds_to(points, third, _decided(points, third))
    with localcontext() as context:
        context.prec = 5  # what is set outside makes no difference
        assert worth_by_hour.__wrapped__(30_000, 30 * 24 * HOUR_US)[720] == 15_000
