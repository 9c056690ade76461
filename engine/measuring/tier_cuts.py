"""Cuts of a tier, worked out exactly from the values of its whole population.

The population of cells are the profiles whose recency is present, with all three metrics over all
of them: a frequency or an amount that is missing is 0. That of shares are those who have the value.

- mean: exact, a fraction;
- median: the value in the middle, or the mean of the two in the middle;
- quintile: with q = 1 + floor(5 x number with a strictly smaller value / population) high is
  q >= 4, so the cut is the least value above three fifths of the population or more. Where equal
  values leave none there is no cut, and nobody is high;
- shares: the value of the last profile that makes the share full, a part of a profile counted
  whole, so that a share is never less than it says; who has the same value is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Literal

from engine.measuring.distribution import counts_between, keys_at
from engine.measuring.passes import Reading
from engine.measuring.totals import Total, totals
from engine.measuring.value import Value
from engine.model.plain import Tier

__all__ = ["tier_cuts"]


def tier_cuts(tier: Tier, values: Sequence[tuple[Value, Reading]]) -> tuple[Fraction | None, ...]:
    """The cut of each metric, or of each share; None where nobody reaches it.

    `values` are those of `engine.rules.derived_tiers.metric_values`, each with what reads it of
    the population, for shares of everybody.
    """
    if "top" in tier:
        ((value, reading),) = values
        found = _Population(value, reading, zeros=False)
        places = [
            -(-found.count * Fraction(share) // 100)
            for share in accumulate(tier["top"]["shares"].values())
        ]
        return tuple(found.from_top(int(place)) for place in places)
    metrics = tier.get("rfm") or tier["rfe"]
    method = metrics["cut"]
    assert isinstance(method, str), "a fixed cut is written in the model"
    return tuple(
        _cut(method, _Population(value, reading, zeros=bool(at)))
        for at, (value, reading) in enumerate(values)
    )


def _cut(method: Literal["mean", "median", "quintile"], population: _Population) -> Fraction | None:
    count = population.count
    if not count:
        return None
    match method:
        case "mean":
            return population.mean()
        case "median":
            middle = {(count - 1) // 2, count // 2}
            found = population.at(sorted(middle))
            return sum(found, Fraction(0)) / len(found)
        case "quintile":
            # So many are strictly smaller than a value that is high.
            smaller = -(-3 * count // 5)
            return population.above(population.at([smaller - 1])[0])


class _Population:
    """The values of a population in ascending order, those that are missing as 0 with `zeros`."""

    def __init__(self, value: Value, reading: Reading, *, zeros: bool) -> None:
        self._value = value
        self._reading = reading
        self._total: Total = totals(reading, value, 1)[0]
        present = self._total.present
        self._zeros = self._total.count - present if zeros else 0
        self.count = present + self._zeros
        # Values below what is put in for those that are missing.
        self._negative = self._below(Fraction(0)) if self._zeros else 0

    def mean(self) -> Fraction:
        """The exact mean of at least one value."""
        if self._value.kind in ("date", "time"):
            assert not self._zeros, "an instant that is missing is none"
            return Fraction(self._total.mean or 0)
        return Fraction(self._total.sum or 0) / self.count

    def from_top(self, place: int) -> Fraction | None:
        """The value at a place, 1 the greatest; None where there is no such place."""
        return self.at([self.count - place])[0] if 0 < place <= self.count else None

    def at(self, ranks: Sequence[int]) -> list[Fraction]:
        """The values at some ranks, from 0."""
        found: dict[int, Fraction] = {}
        asked: dict[int, int] = {}
        for rank in ranks:
            if rank < self._negative:
                asked[rank] = rank
            elif rank < self._negative + self._zeros:
                found[rank] = Fraction(0)
            else:
                asked[rank] = rank - self._zeros
        if asked:
            value, total = self._value, self._total
            assert total.least is not None and total.greatest is not None, "somebody has a value"
            ends = value.key_from(total.least), value.key_from(total.greatest)
            inside = sorted(set(asked.values()))
            keys = dict(zip(inside, keys_at(self._reading, value, inside, *ends), strict=True))
            found |= {rank: Fraction(value.measure(keys[place])) for rank, place in asked.items()}
        return [found[rank] for rank in ranks]

    def above(self, value: Fraction) -> Fraction | None:
        """The least value that is greater than one; None where there is none."""
        through = self._below(value, or_equal=True)
        through += self._zeros if value >= 0 else 0
        return self.at([through])[0] if through < self.count else None

    def _below(self, border: Fraction, *, or_equal: bool = False) -> int:
        """How many that have a value have one below a border."""
        value = self._value
        measure = float(border) if value.is_float else border
        key = value.key_above(measure) if or_equal else value.key_from(measure)
        return counts_between(self._reading, value, [key], above=or_equal).counts[0]
