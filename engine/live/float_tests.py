"""Comparisons in doubles of what events come to: as the evaluator computes them, bit by bit.

A number is rounded to the nearest double once, each multiplication and addition is one of IEEE
doubles, and summands are added from left to right. What is not a number passes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.rules import bound

__all__ = ["FloatTest", "Stored"]

# Values as they are stored, where they are there, and what they are divided by.
Stored = tuple[NDArray[Any], NDArray[np.bool_], int]


class FloatTest:
    """A comparison, or an `in`, in doubles."""

    def __init__(self, predicate: bound.BoundFloatCompare | bound.BoundFloatIn) -> None:
        self._predicate = predicate

    def holds(self, count: int, read: Callable[[bound.Source], Stored]) -> NDArray[np.bool_]:
        """Whether it holds in each of `count` cases; `read` gives the values of a source there."""
        match self._predicate:
            case bound.BoundFloatIn(value=value, values=values, negated=negated):
                side, there = _side(value, count, read)
                hit = np.isin(side, sorted(values))
                return there & ~np.isnan(side) & (~hit if negated else hit)
            case bound.BoundFloatCompare(left=left, op=op, right=right):
                (one, one_there), (other, other_there) = (
                    _side(side, count, read) for side in (left, right)
                )
                there = one_there & other_there & ~np.isnan(one) & ~np.isnan(other)
                return there & _compared(one, op, other)


def _compared(
    one: NDArray[np.float64], op: bound.Op, other: NDArray[np.float64]
) -> NDArray[np.bool_]:
    match op:
        case "=":
            return np.equal(one, other)
        case "!=":
            return np.not_equal(one, other)
        case "<":
            return np.less(one, other)
        case "<=":
            return np.less_equal(one, other)
        case ">":
            return np.greater(one, other)
        case ">=":
            return np.greater_equal(one, other)


def _side(
    value: bound.FloatValue, count: int, read: Callable[[bound.Source], Stored]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    there = np.ones(count, np.bool_)
    if value.exact is not None:
        totals = np.full(count, value.exact.constant, object)
        for exact in value.exact.terms:
            values, present, denominator = read(exact.source)
            totals = totals + exact.factor / denominator * values.astype(object)
            there = there & present
        return np.array([_nearest(total) for total in totals], np.float64), there
    side = np.zeros(count, np.float64)
    with np.errstate(all="ignore"):  # beyond the largest double is infinite
        for place, term in enumerate(value.terms):
            if isinstance(term.source, float):
                doubles = np.full(count, term.source)
            else:
                values, present, denominator = read(term.source)
                doubles = _doubles(values, denominator)
                there = there & present
            if term.factor is not None:
                doubles = term.factor * doubles
            doubles = term.sign * doubles
            side = side + doubles if place else doubles
    return side, there


def _doubles(values: NDArray[Any], denominator: int) -> NDArray[np.float64]:
    if values.dtype != object and denominator == 1:
        return values.astype(np.float64)
    exact = (Fraction(value) / denominator for value in values.tolist())
    return np.array([_nearest(value) for value in exact], np.float64)


def _nearest(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
