"""String columns of few different values: each value once, and which one each string is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings

__all__ = ["CodedStrings"]


@dataclass(frozen=True, slots=True, eq=False)
class CodedStrings:
    """n strings: string i is values[codes[i]] (int32), missing where the code is -1.

    Read as Strings are where these stand in a batch. No value is missing; several may be the
    same, and some may be no string's. Not changed once made.
    """

    values: Strings
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, values: Strings, codes: NDArray[np.integer[Any]]) -> CodedStrings:
        """Strings by codes of values of which some may be missing.

        Raises ValueError for a code that is neither -1 nor a value's.
        """
        narrow = codes.astype(np.int32, copy=False)
        if len(narrow) and not (int(narrow.min()) >= -1 and int(narrow.max()) < len(values)):
            raise ValueError("a code beyond its dictionary")
        if values.valid.all():
            return cls(values, narrow)
        there = np.flatnonzero(values.valid)
        # With one more element for -1, which an index of -1 finds.
        places = np.full(len(values) + 1, -1, np.int32)
        places[there] = np.arange(len(there), dtype=np.int32)
        return cls(values.take(there), places[narrow])

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which strings are there, bool (n,)."""
        return self.codes >= 0

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, indices: NDArray[np.integer[Any]]) -> CodedStrings:
        """The strings at `indices`; an index of -1 gives a missing one."""
        if not len(indices) or int(indices.min()) >= 0:
            return CodedStrings(self.values, self.codes[indices])
        # An index of -1 finds the last element.
        return CodedStrings(self.values, np.append(self.codes, np.int32(-1))[indices])

    def plain(self) -> Strings:
        """The same, written out."""
        return self.values.take(self.codes)

    def to_list(self) -> list[str | None]:
        """A Python list; None where missing."""
        return self.plain().to_list()

    def interned(self, intern: Callable[[Strings], NDArray[np.uint32]]) -> NDArray[np.uint32]:
        """What `intern` gives for each string, 0 where missing; asked once for each value that a
        string has."""
        # With one more element for -1, which an index of -1 finds.
        used = np.zeros(len(self.values) + 1, np.bool_)
        used[self.codes] = True
        asked = np.flatnonzero(used[:-1])
        given = np.zeros(len(used), np.uint32)
        given[asked] = intern(self.values.take(asked))
        return given[self.codes]

    def rows_of(self, values: NDArray[np.intp]) -> NDArray[np.intp]:
        """Which strings are one of some values, given by their places."""
        return np.flatnonzero(np.isin(self.codes, values))
