"""String columns in memory: all bytes in one array, and where each string begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.columns import packing
from engine.columns.string_index import StringIndex

__all__ = ["Strings", "concat", "factorize"]


@dataclass(frozen=True, slots=True, eq=False)
class Strings:
    """n strings: string i is data[offsets[i]:offsets[i+1]], UTF-8, where valid[i].

    offsets: int64[n+1], ascending, the first not necessarily 0; data: uint8; valid: bool[n].
    All three contiguous. The bytes of a missing string mean nothing. Not changed once made.
    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        assert self.offsets.dtype == np.int64 and self.data.dtype == np.uint8
        assert self.valid.dtype == np.bool_ and len(self.offsets) == len(self.valid) + 1
        assert int(self.offsets[-1]) <= len(self.data)

    @classmethod
    def from_list(cls, values: Iterable[str | None]) -> Strings:
        """One string per element; None is missing. Raises UnicodeEncodeError (surrogates)."""
        return cls(*packing.pack_list(list(values)))

    @classmethod
    def from_buffers(
        cls, offsets: NDArray[Any], data: NDArray[np.uint8], valid: NDArray[np.bool_] | None
    ) -> Strings:
        """Strings over buffers of valid UTF-8 that someone else made; `valid` None: all are.

        Data are shared, not copied; offsets of another width are widened.
        """
        wide = np.ascontiguousarray(offsets, np.int64)
        if valid is None:
            valid = np.ones(len(wide) - 1, np.bool_)
        return cls(wide, np.ascontiguousarray(data), np.ascontiguousarray(valid))

    @classmethod
    def missing(cls, count: int) -> Strings:
        """`count` missing strings."""
        empty = np.empty(0, np.uint8)
        return cls(np.zeros(count + 1, np.int64), empty, np.zeros(count, np.bool_))

    def __len__(self) -> int:
        return len(self.valid)

    def __getitem__(self, index: int) -> str | None:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if not self.valid[index]:
            return None
        return self.data[self.offsets[index] : self.offsets[index + 1]].tobytes().decode()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Strings):
            return NotImplemented
        return self.to_list() == other.to_list()

    __hash__ = None  # type: ignore[assignment]  # arrays inside, as in numpy

    def to_list(self) -> list[str | None]:
        """A Python list; None where missing."""
        return packing.unpack_list(self.offsets, self.data, self.valid)

    def lengths(self) -> NDArray[np.int64]:
        """Bytes of each string, int64[n], 0 where missing."""
        return np.diff(self.offsets) * self.valid

    def slice(self, start: int, stop: int) -> Strings:
        """Strings start..stop-1, over the same data."""
        assert 0 <= start <= stop <= len(self)
        return Strings(self.offsets[start : stop + 1], self.data, self.valid[start:stop])

    def take(self, indices: NDArray[np.integer[Any]]) -> Strings:
        """The strings at `indices`, copied; an index of -1 gives a missing one."""
        wide = np.ascontiguousarray(indices, np.int64)
        return Strings(*packing.gather(self.offsets, self.data, self.valid, wide))

    def compact(self) -> Strings:
        """The same strings with the first offset 0 and nothing kept for missing ones."""
        used = int(self.offsets[-1]) - int(self.offsets[0])
        if used == len(self.data) == int(self.lengths().sum()):
            return self
        return self.take(np.arange(len(self)))


def concat(pieces: Sequence[Strings]) -> Strings:
    """All strings of the pieces in order, copied."""
    packed = [piece.compact() for piece in pieces]
    sizes = np.cumsum([0, *(len(piece.data) for piece in packed)])
    offsets = [piece.offsets[:-1] + size for piece, size in zip(packed, sizes, strict=False)]
    return Strings(
        np.concatenate([*offsets, sizes[-1:]]).astype(np.int64, copy=False),
        np.concatenate([np.empty(0, np.uint8), *(piece.data for piece in packed)]),
        np.concatenate([np.empty(0, np.bool_), *(piece.valid for piece in packed)]),
    )


def factorize(strings: Strings) -> tuple[Strings, NDArray[np.int32]]:
    """(the distinct strings in the order they first came, int32[n] place of each; -1 missing)."""
    index = StringIndex()
    places = index.add(strings.offsets, strings.data, strings.valid)
    offsets, data = index.contents()
    return Strings(offsets, data, np.ones(len(index), np.bool_)), places
