"""What measures of values are to say, worked out from the values one by one."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from engine.measures import Edges, EqualBins, Measures, Quantiles, Thresholds
from engine.measuring.totals import Total

__all__ = ["judge_bins", "nearest", "total_of"]


def total_of(values: Sequence[Any], kind: str) -> Total:
    """What a summary has of some values, None those who have none."""
    there = [value for value in values if value is not None]
    nothing: Any = None if kind in ("date", "time") else 0.0 if kind == "float" else Fraction(0)
    if not there:
        return Total(len(values), 0, nothing, None, None, None)
    total: Any = None
    mean: Any = None
    if not any(isinstance(value, float) and math.isinf(value) for value in there):
        total = sum(map(Fraction, there), Fraction(0))
        mean = total / len(there)
    if kind == "float" and total is not None:
        total, mean = nearest(total), nearest(mean)
    if kind in ("date", "time"):
        total = None
    if kind == "date":
        mean = None
    return Total(len(values), len(there), total, mean, min(there), max(there))


def nearest(exact: Fraction) -> float | None:
    """The nearest double; None where it is too large for one."""
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return None


def judge_bins(
    measures: Measures,
    as_of_us: int,
    text: str,
    expression: str,
    values: Sequence[Any],
    picks: random.Random,
    told: str,
) -> None:
    """Asserts that bins partition the values, and have the widths, shares and borders promised."""
    there = sorted(value for value in values if value is not None)
    if there and isinstance(there[0], float) and math.isinf(max(map(abs, there))):
        return
    count = picks.choice((1, 2, 3, 10, 100))
    equal = measures.distribution(text, expression, EqualBins(count), as_of_us=as_of_us).histogram
    shares = measures.distribution(text, expression, Quantiles(count), as_of_us=as_of_us).histogram
    assert equal is not None and shares is not None
    for found in (equal, shares):
        assert (found.matched, found.present) == (len(values), len(there)), told
        assert (found.below, found.above) == (0, 0), told
        assert len(found.bins) <= count, told
        if not there:
            assert found.bins == (), told
            continue
        lows = [one.low for one in found.bins]
        assert [one.high for one in found.bins[:-1]] == lows[1:], told
        assert lows == sorted(set(lows)) and found.bins[-1].high > there[-1] >= lows[-1], told
        places = [bisect_right(lows, value) - 1 for value in there]
        assert [one.count for one in found.bins] == [
            places.count(place) for place in range(len(lows))
        ], told
    if not there:
        return
    assert shares.bins[0].low == there[0], told
    ranks = (-(-place * len(there) // count) for place in range(count))
    starts = {there[rank] for rank in ranks if rank < len(there)}
    assert [one.low for one in shares.bins] == sorted(starts), told
    if not isinstance(there[0], float):
        widths = {one.high - one.low for one in equal.bins}
        assert len(widths) == 1, told
    judge_thresholds(measures, as_of_us, text, expression, values, there, picks, told)


def judge_thresholds(
    measures: Measures,
    as_of_us: int,
    text: str,
    expression: str,
    values: Sequence[Any],
    there: Sequence[Any],
    picks: random.Random,
    told: str,
) -> None:
    """Asserts counts at thresholds that are values, beside values and far from all."""
    kind = measures.summarize(text, expression, as_of_us=as_of_us).value.kind
    if kind not in ("number", "duration"):
        return
    unit = 1 if kind == "number" else 1_000_000
    chosen = [picks.choice(there) for _ in range(8)]
    near = [one // unit + picks.choice((-1, 0, 1)) for one in chosen[:5]]
    near = [border for border in near if abs(border) < 10**37]
    borders: list[Fraction | int] = sorted(
        {*map(int, near), 0, 10**30 if kind == "number" else 10**9}
    )
    if kind == "number":
        borders = sorted({*borders, *(one for one in chosen[5:] if is_written(one))})
    words = [
        as_written(border) if kind == "number" else f"{border} * 1 second" if border >= 0
        else f"0 * 1 second - {-border} * 1 second"
        for border in borders
    ]  # fmt: skip
    shuffled = [*range(len(borders))]
    picks.shuffle(shuffled)
    for op in (">=", "<="):
        found = measures.distribution(
            text,
            expression,
            Thresholds([words[place] for place in shuffled], op),  # type: ignore[arg-type]
            as_of_us=as_of_us,
        )
        assert [one.count for one in found.thresholds] == [
            sum(
                value >= borders[place] * unit if op == ">=" else value <= borders[place] * unit
                for value in there
            )
            for place in shuffled
        ], (op, borders, told)
    cut = measures.distribution(text, expression, Edges(words), as_of_us=as_of_us).histogram
    assert cut is not None
    places = [bisect_right([border * unit for border in borders], value) for value in there]
    counts = [places.count(place) for place in range(len(borders) + 1)]
    assert [cut.below, *(one.count for one in cut.bins), cut.above] == counts, told
    assert (cut.matched, cut.present) == (len(values), len(there)), told


def is_written(number: Fraction) -> bool:
    """Whether a number has so few digits that a literal has them all."""
    return 10**12 % number.denominator == 0 and abs(number) < 10**25


def as_written(number: Fraction | int) -> str:
    """A number in digits."""
    whole = int(number * 10**12)
    assert Fraction(whole, 10**12) == number or number.denominator == 1
    if number.denominator == 1:
        return str(int(number))
    digits = f"{abs(whole):013d}"
    return f"{'-' if whole < 0 else ''}{digits[:-12]}.{digits[-12:]}"
