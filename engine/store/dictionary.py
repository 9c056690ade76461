"""Dictionaries: the strings of a category or set, by code.

A value's code never changes and is never given to another, so codes of an older state stay
right in a newer one: all states of an open store share one table per dictionary, and each
sees it up to its own count. Codes count from 1; 0 stands for no value.
"""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from engine.columns.string_index import StringIndex
from engine.columns.strings import Strings, concat
from engine.errors import InputInvalid
from engine.limits import DICTIONARY_PAGE_BYTES, DICTIONARY_VALUES, STRING_BYTES

__all__ = ["Dictionary", "DictionaryGrowth", "DictionaryTable", "pack_pages", "unpack_page"]

_HEAD = struct.Struct("<II")
_LENGTH_BYTES = 4
# Codes kept by string, and strings by code: at most 2 MiB each for a dictionary.
_ASKED_VALUES = 4096
_ASKED_LENGTH = 256


def pack_pages(first_code: int, values: Strings) -> list[bytes]:
    """Payloads of pages that hold all values from a code on, each filled up to its limit.

    A page is the first code, the count, the lengths (u32) and then the strings.
    """
    values = values.compact()
    ends = values.offsets[1:] + _LENGTH_BYTES * np.arange(1, len(values) + 1)
    pages: list[bytes] = []
    start = 0
    while start < len(values):
        room = DICTIONARY_PAGE_BYTES - _HEAD.size + (int(ends[start - 1]) if start else 0)
        stop = max(int(np.searchsorted(ends, room, side="right")), start + 1)
        page = values.slice(start, stop)
        pages.append(
            _HEAD.pack(first_code + start, len(page))
            + page.lengths().astype("<u4").tobytes()
            + page.data[page.offsets[0] : page.offsets[-1]].tobytes()
        )
        start = stop
    return pages


def unpack_page(payload: memoryview, first_code: int) -> Strings:
    """Read one page; ValueError or struct.error for anything but the page from that code."""
    first, count = _HEAD.unpack_from(payload)
    if first != first_code:
        raise ValueError(f"a page from code {first} where {first_code} comes next")
    lengths = np.frombuffer(payload, "<u4", count, _HEAD.size)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    data = np.frombuffer(payload, np.uint8, offset=_HEAD.size + lengths.nbytes)
    if offsets[-1] != len(data):
        raise ValueError("a page of another length")
    return Strings.from_buffers(offsets, data, None)


_numbers = itertools.count()


class DictionaryTable:
    """All values of a dictionary and their codes; only grows. Safe to use from any thread."""

    __slots__ = ("_asked", "_guard", "_index", "_shown", "_strings", "number", "page_counts")

    def __init__(self) -> None:
        # Of no other table of this process, also of none that was read from a copy of the store.
        self.number = next(_numbers)
        self._index = StringIndex()
        self._guard = threading.Lock()
        self._strings = Strings.missing(0)
        # Values that rules asked for, with their codes, which stay.
        self._asked: dict[str, int] = {}
        # The other way round: those that profiles were shown with.
        self._shown: dict[int, str] = {}
        # How many of the values stand in each stored page.
        self.page_counts: list[int] = []

    def __len__(self) -> int:
        return len(self._index)

    def add(self, values: Strings) -> None:
        """Give the next codes to values that have none; ValueError where one has."""
        with self._guard:
            count = len(self._index) + len(values)
            self._index.add(values.offsets, values.data, values.valid)
            if len(self._index) != count:
                raise ValueError("a value that has a code already")

    def find(self, strings: Strings) -> NDArray[np.uint32]:
        """The code of each string, uint32; 0 where unknown or missing."""
        with self._guard:
            places = self._index.find(strings.offsets, strings.data, strings.valid)
        return (places + 1).view(np.uint32)

    def code(self, value: str) -> int:
        """The code of one string; 0 where unknown. Those found once are found at once."""
        code = self._asked.get(value)
        if code is None:
            code = int(self.find(Strings.from_list([value]))[0])
            if code and len(self._asked) < _ASKED_VALUES and len(value) <= _ASKED_LENGTH:
                self._asked[value] = code
        return code

    def value(self, code: int) -> str:
        """The string of a code that was given out. Those asked for once are found at once."""
        value = self._shown.get(code)
        if value is None:
            value = self.strings()[code - 1]
            assert value is not None
            if len(self._shown) < _ASKED_VALUES and len(value) <= _ASKED_LENGTH:
                self._shown[code] = value
        return value

    def strings(self) -> Strings:
        """All values at this moment, by code - 1."""
        with self._guard:
            if len(self._strings) < len(self._index):
                self._strings = Strings.from_buffers(*self._index.contents(), None)
            return self._strings


class Dictionary:
    """The values of one field as one state of the store has them."""

    __slots__ = ("_count", "_table")

    def __init__(self, table: DictionaryTable, count: int) -> None:
        self._table = table
        self._count = count

    def __len__(self) -> int:
        return self._count

    @property
    def table_number(self) -> int:
        """Which table of this process the values are of. As tables only grow, so many values of one
        are always the same."""
        return self._table.number

    def code(self, value: str) -> int:
        """The code of a string, from 1; 0 where no profile ever had it."""
        code = self._table.code(value)
        return code if code <= self._count else 0

    def codes_of(self, values: Iterable[str]) -> set[int]:
        """The codes of some strings, without those that no profile ever had."""
        find, count = self._table.code, self._count
        return {code for code in map(find, values) if 0 < code <= count}

    def codes(self, strings: Strings) -> NDArray[np.uint32]:
        """Codes of many strings, uint32; 0 for unknown ones and missing entries."""
        codes = self._table.find(strings)
        codes[codes > self._count] = 0
        return codes

    def value(self, code: int) -> str:
        """The string with that code; IndexError where there is none."""
        if not 1 <= code <= self._count:
            raise IndexError(f"no value has the code {code}")
        return self._table.value(code)

    @property
    def strings(self) -> Strings:
        """All values, by code - 1; shared, and made without copying."""
        return self._table.strings().slice(0, self._count)

    @property
    def values(self) -> Sequence[str]:
        """All values, by code - 1, each decoded as it is read."""
        return _Values(self.strings)


class _Values(Sequence[str]):
    """Strings without missing ones as a sequence."""

    __slots__ = ("_strings",)

    def __init__(self, strings: Strings) -> None:
        self._strings = strings

    def __len__(self) -> int:
        return len(self._strings)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        chosen = range(len(self._strings))[index]
        if isinstance(chosen, range):
            return [str(self._strings[i]) for i in chosen]
        return str(self._strings[chosen])


class DictionaryGrowth:
    """A dictionary with the values that a write adds; nobody else sees them until it commits."""

    def __init__(self, table: DictionaryTable) -> None:
        self._table = table
        self._stored_count = len(table)
        self._added = StringIndex()

    @property
    def added_count(self) -> int:
        """How many values the write adds."""
        return len(self._added)

    def intern(self, strings: Strings) -> NDArray[np.uint32]:
        """Codes of all strings, uint32, 0 where missing; unknown ones get the next codes.

        Raises InputInvalid for a string or a dictionary beyond its limit, before adding any.
        """
        codes = self._table.find(strings)
        unknown = np.flatnonzero((codes == 0) & strings.valid)
        if len(unknown):
            rest = strings.take(unknown)
            found = self._added.find(rest.offsets, rest.data, rest.valid)
            if (new := np.flatnonzero(found < 0)).size:
                self._check(rest.take(new))
                found = self._added.add(rest.offsets, rest.data, rest.valid)
            codes[unknown] = found + (self._stored_count + 1)
        return codes

    def _check(self, strings: Strings) -> None:
        longest = int(strings.lengths().max())
        if longest > STRING_BYTES:
            raise InputInvalid(
                f"A value of {longest:,} bytes is longer than the {STRING_BYTES:,} that a "
                "category or a set takes. Declare it as text, or shorten the value."
            )
        room = DICTIONARY_VALUES - self._stored_count - len(self._added)
        if len(strings) > room:
            distinct = StringIndex()
            distinct.add(strings.offsets, strings.data, strings.valid)
            if len(distinct) > room:
                raise InputInvalid(
                    f"A category or a set takes {DICTIONARY_VALUES:,} different values, and "
                    "this would be more. Declare it as text, or as an identifier."
                )

    def pages(self) -> tuple[int, list[bytes]]:
        """Number of the first stored page that changes, and payloads from it on.

        The last stored page is filled up first.
        """
        counts = self._table.page_counts
        first_page = max(len(counts) - 1, 0)
        start = sum(counts[:first_page])
        last = self._table.strings().slice(start, self._stored_count)
        return first_page, pack_pages(start + 1, concat([last, self._new()]))

    def _new(self) -> Strings:
        return Strings.from_buffers(*self._added.contents(), None)

    def settle(self) -> None:
        """Let the shared table grow, once the pages are stored."""
        first_page, pages = self.pages()
        self._table.page_counts[first_page:] = [_HEAD.unpack_from(page)[1] for page in pages]
        self._table.add(self._new())
