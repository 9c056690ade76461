"""How a value is distributed over an audience: a histogram, or the counts above thresholds.

Bins are half open, [low, high). Asked for are
- given borders: a bin between each two neighbours, and what lies below and above all of them;
- so many bins of equal width: from the least value on, as wide as a whole number of the steps in
  which the value can grow, so that the last reaches the greatest value or beyond. There may be
  fewer of them. Of doubles the last border is the least double above the greatest value. What has
  averages in it grows in no steps: those are as small a power of ten as there must be so many of;
- quantiles: n bins that begin at the values at ranks ceil(i * count / n), equal ones taken
  together. So a bin has as near to 1/n of the values as equal values let it;
- thresholds: for each, how many values are at least (or at most) that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Literal

from engine.errors import InputInvalid
from engine.measuring.counts import Between, between, values_at
from engine.measuring.passes import Reading
from engine.measuring.ratios import ratios_at, ratios_between
from engine.measuring.totals import totals
from engine.measuring.value import Key, Measure, Value

__all__ = [
    "AtThreshold",
    "Bin",
    "Histogram",
    "counts_between",
    "cut",
    "equal_bins",
    "keys_at",
    "quantile_bins",
    "thresholds",
]


@dataclass(frozen=True, slots=True)
class Bin:
    """Values from `low` on that are below `high`."""

    low: Measure
    high: Measure
    count: int


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """How many values are at least, or at most, `at`."""

    at: Measure
    count: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Of `matched` profiles `present` have the value: `below` the first bin, above the last, or
    in one of the bins."""

    matched: int
    present: int
    bins: tuple[Bin, ...] = ()
    below: int = 0
    above: int = 0


def cut(reading: Reading, value: Value, borders: Sequence[Measure]) -> Histogram:
    """The histogram between given borders, at least two and ascending."""
    keys = [value.key_from(border) for border in borders]
    return _histogram(counts_between(reading, value, keys), borders)


def equal_bins(reading: Reading, value: Value, count: int) -> Histogram:
    """At most so many bins of equal width from the least value to the greatest."""
    found = _ends(reading, value)
    if isinstance(found, Histogram):
        return found
    least, greatest = found
    if value.is_float:
        return cut(reading, value, _equal_doubles(value, least, greatest, count))
    # A time is said in whole microseconds, whatever parts of one it is computed in.
    unit: Key = value.scale if value.kind == "time" else 1
    if value.is_ratio and value.kind != "time":
        while least < greatest and greatest // unit - least // unit + 1 < count:
            unit = Fraction(unit, 10)
    first, last = int(least // unit), int(greatest // unit)
    step = -(-(last - first + 1) // count)
    keys = [unit * key for key in range(first, last + step + 1, step)]
    return _histogram(counts_between(reading, value, keys), [value.measure(key) for key in keys])


def _equal_doubles(value: Value, least: Key, greatest: Key, count: int) -> list[Measure]:
    low, high = value.measure(least), value.measure(greatest)
    assert isinstance(low, float) and isinstance(high, float), "doubles are asked for"
    width = high / count - low / count
    inner = (low + place * width for place in range(1, count))
    borders = [low, *sorted({border for border in inner if low < border <= high})]
    return [*borders, math.nextafter(high, math.inf)]


def quantile_bins(reading: Reading, value: Value, count: int) -> Histogram:
    """At most so many bins, each with as near to the same number of values as can be."""
    found = _ends(reading, value)
    if isinstance(found, Histogram):
        return found
    least, greatest = found
    present = counts_between(reading, value, ()).present
    ranks = sorted({-(-place * present // count) for place in range(1, count)} - {present})
    starts = keys_at(reading, value, ranks, least, greatest)
    keys = [*sorted({least, *starts}), greatest + 1]
    return _histogram(counts_between(reading, value, keys), [value.measure(key) for key in keys])


def keys_at(
    reading: Reading, value: Value, ranks: Sequence[int], least: Key, greatest: Key
) -> Sequence[Key]:
    """The values at some ranks (from 0, ascending), as keys; the ends are those of all values."""
    if value.is_ratio:
        return ratios_at(reading, ranks, Fraction(least), Fraction(greatest))
    return values_at(ranks, int(least), int(greatest), lambda keys: between(reading, keys))


def thresholds(
    reading: Reading, value: Value, at: Sequence[Measure], op: Literal[">=", "<="]
) -> tuple[Histogram, tuple[AtThreshold, ...]]:
    """How many values pass each of some thresholds, in the order given, in one pass."""
    key_of = value.key_from if op == ">=" else value.key_above
    keys = sorted({key_of(threshold) for threshold in at})
    counted = counts_between(reading, value, keys, above=op == "<=")
    below = dict(zip(keys, accumulate(counted.counts), strict=False))
    passed = {key: under if op == "<=" else counted.present - under for key, under in below.items()}
    curve = tuple(AtThreshold(threshold, passed[key_of(threshold)]) for threshold in at)
    return Histogram(counted.matched, counted.present), curve


def counts_between(
    reading: Reading, value: Value, keys: Sequence[Key], *, above: bool = False
) -> Between:
    """The values between keys; `above` where those are of `Value.key_above`."""
    if value.is_ratio:
        return ratios_between(reading, keys, above=above)
    return between(reading, [int(key) for key in keys])


def _ends(reading: Reading, value: Value) -> tuple[Key, Key] | Histogram:
    """Keys of the least and the greatest value; a histogram without bins where nobody has it."""
    found, _ = totals(reading, value, 1)
    if found.least is None or found.greatest is None:
        return Histogram(found.count, 0)
    if math.inf in (abs(found.least), abs(found.greatest)):
        raise InputInvalid(
            f"Some values of {value.text} are too large for a float, so they have no bins of their "
            "own; give the edges of bins."
        )
    return value.key_from(found.least), value.key_from(found.greatest)


def _histogram(counted: Between, borders: Sequence[Measure]) -> Histogram:
    below, *inside, above = counted.counts
    bins = [
        Bin(low, high, count) for (low, high), count in zip(pairwise(borders), inside, strict=True)
    ]
    return Histogram(counted.matched, counted.present, tuple(bins), below, above)
