"""Profiles in the order of a value, exactly: also by averages, and by numbers beyond 64 bits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from engine.core.values import ValueBlocks, double_keys
from engine.measuring.passes import Reading, gather
from engine.measuring.value import Value

__all__ = ["in_order"]

_BLOCK_BITS = 16
# Ratios whose divisors stay below this differ by more than 2^-64.
_SMALL_DIVISOR = 1 << 32


def in_order(
    reading: Reading, value: Value, rows: NDArray[np.uint32], *, descending: bool
) -> NDArray[np.uint32]:
    """The rows of the audience, ascending, in the order of their values: those without one last,
    equal ones in row order. Raises Cancelled and DeadlineExceeded."""
    gathered = gather(reading, lambda: _Keys(value))
    pieces = sorted((piece for one in gathered for piece in one.pieces), key=lambda one: one.first)
    if not pieces:
        return rows
    valued = np.concatenate([piece.rows for piece in pieces])
    whole, rest = _ranks(pieces)
    if descending:
        whole, rest = ~whole, ~rest
    ordered = valued[np.lexsort((rest, whole))]
    return np.concatenate([ordered, np.setdiff1d(rows, valued, assume_unique=True)])


class _Piece:
    """The rows of a block that have a value, and their keys: `whole` and what is beyond it in parts
    of 2^64, or exact numbers where that does not do."""

    def __init__(self, block: int, blocks: ValueBlocks) -> None:
        self.first = block << _BLOCK_BITS
        self.rows = blocks.value_rows().astype(np.uint32) + np.uint32(self.first)
        self.rest = np.zeros(len(self.rows), np.uint64)
        self.exact: list[Fraction] | None = None
        self._divisors: NDArray[np.int64] | None = None
        if blocks.is_float:
            self.whole = double_keys(blocks.double_values())
        elif blocks.is_wide:
            numbers = blocks.wide_ratios() if blocks.is_ratio else blocks.wide_values()
            self.exact = [Fraction(*one) if isinstance(one, tuple) else Fraction(one)
                          for one in numbers]  # fmt: skip
        elif blocks.is_ratio:
            self._divide(*blocks.ratios())
        else:
            self.whole = blocks.whole_values().copy()

    def _divide(self, values: NDArray[np.int64], divisors: NDArray[np.int64]) -> None:
        if len(divisors) and int(divisors.max()) >= _SMALL_DIVISOR:
            self.exact = list(map(Fraction, values.tolist(), divisors.tolist()))
            return
        self._values, self._divisors = values.copy(), divisors.copy()
        self.whole, left = np.divmod(values, divisors)
        by = divisors.astype(np.uint64)
        high, left_over = np.divmod(left.astype(np.uint64) << np.uint64(32), by)
        self.rest = high << np.uint64(32) | (left_over << np.uint64(32)) // by

    def fractions(self) -> list[Fraction]:
        """The numbers that the keys stand for; not of doubles."""
        if self.exact is not None:
            return self.exact
        if self._divisors is None:
            return [Fraction(number) for number in self.whole.tolist()]
        return list(map(Fraction, self._values.tolist(), self._divisors.tolist()))


class _Keys:
    """What one thread has met."""

    def __init__(self, value: Value) -> None:
        self.pieces: list[_Piece] = []
        self._value = value

    def add(self, blocks: ValueBlocks) -> None:
        if blocks.count:
            self.pieces.append(_Piece(blocks.block, blocks))


def _ranks(pieces: list[_Piece]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Two numbers for each value that have its order, the first before the second."""
    if all(piece.exact is None for piece in pieces):
        whole = np.concatenate([piece.whole for piece in pieces])
        return whole, np.concatenate([piece.rest for piece in pieces])
    numbers = [number for piece in pieces for number in piece.fractions()]
    rank = {number: place for place, number in enumerate(sorted(set(numbers)))}
    found = np.array([rank[number] for number in numbers], np.int64)
    return found, np.zeros(len(found), np.uint64)
