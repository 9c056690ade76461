"""A sum of the keys of values, with how many there are, the least and the greatest."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Sum"]


@dataclass(slots=True)
class Sum:
    """Keys of one group: of floats the sum is in units of a double, of ratios all are fractions."""

    count: int = 0
    total: Fraction | int = 0
    least: Fraction | int | None = None
    greatest: Fraction | int | None = None
    infinite: int = 0

    def add(self, other: Sum) -> None:
        """Adds what another thread, or another way of reading, has of the group."""
        self.count += other.count
        self.total += other.total
        self.infinite += other.infinite
        ends = [one for one in (self.least, other.least) if one is not None]
        self.least = min(ends, default=None)
        ends = [one for one in (self.greatest, other.greatest) if one is not None]
        self.greatest = max(ends, default=None)
