"""Solving a comparison for the stored integer, against trying every integer."""

from __future__ import annotations

import operator
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from engine.core.solve import INT64_MAX, INT64_MIN, solve

OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
fractions = st.fractions(min_value=-20, max_value=20, max_denominator=12)


@given(
    fractions.filter(bool), fractions, st.sampled_from(sorted(OPERATORS)), st.sampled_from([1, 10])
)
def test_same_integers(factor: Fraction, constant: Fraction, op: str, unit: int) -> None:
    """Exactly the integers that satisfy the comparison are in the range."""
    found = solve(factor, constant, op, unit)
    for stored in range(-60, 61):
        inside = (found.low <= stored <= found.high) != found.negated
        assert inside == OPERATORS[op](factor * Fraction(stored, unit) + constant, 0)


def test_beyond_64_bits() -> None:
    """Edges outside the stored integers are nothing or everything, not a wrapped range."""
    far = Fraction(10) ** 30
    assert solve(Fraction(1), -far, ">").is_nothing
    assert solve(Fraction(1), -far, "<").is_everything
    assert solve(Fraction(1), -far, "=").is_nothing
    assert solve(Fraction(1), -far, "!=").is_everything
    assert solve(Fraction(-1), far, "<=").is_nothing
    top = solve(Fraction(1), Fraction(-INT64_MAX), ">=").clamped()
    assert (top.low, top.high) == (INT64_MAX, INT64_MAX)
    bottom = solve(Fraction(1), Fraction(-INT64_MIN), "<=").clamped()
    assert (bottom.low, bottom.high) == (INT64_MIN, INT64_MIN)
