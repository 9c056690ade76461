"""Codes of strings during a load, before the store's dictionary has them.

New values get the codes that the dictionary will give them: the numbers after its last one,
in the order in which they came up. So blocks can be packed while the load runs, and a load
that is dropped leaves nothing in the dictionary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.columns.string_index import StringIndex
from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.limits import DICTIONARY_VALUES
from engine.store.catalog import GIVERS, FieldKind, property_name
from engine.store.store import Snapshot, Writer

__all__ = ["Interning", "LoadDictionaries"]


class Interning:
    """One dictionary of the store, with the values that a load has added so far.

    `owner` says in errors whose values they are.
    """

    def __init__(self, snapshot: Snapshot, dictionary_id: int, owner: str) -> None:
        self._dictionary_id = dictionary_id
        self._owner = owner
        self._index = StringIndex()
        known = Strings.from_list(snapshot.dictionary(dictionary_id).values)
        self._known_count = len(known)
        self._index.add(known.offsets, known.data, known.valid)

    def codes(self, values: Strings) -> NDArray[np.uint32]:
        """The codes of n strings, uint32 (n,), from 1, 0 where missing; new ones are added.

        Raises InputInvalid where the dictionary would grow beyond its limit.
        """
        places = self._index.add(values.offsets, values.data, values.valid)
        if len(self._index) > DICTIONARY_VALUES:
            raise InputInvalid(
                f"{self._owner} would have more than {DICTIONARY_VALUES:,} different values. "
                "Declare it as text, or as an identifier."
            )
        return (places + np.int32(1)).astype(np.uint32)

    def save(self, writer: Writer) -> None:
        """Writes the new values into the store's dictionary."""
        offsets, data = self._index.contents(self._known_count)
        count = len(offsets) - 1
        if not count:
            return
        given = writer.intern(self._dictionary_id, Strings(offsets, data, np.ones(count, np.bool_)))
        expected = self._known_count + 1 + np.arange(count)
        assert np.array_equal(given, expected), "the dictionary gave other codes than expected"


class LoadDictionaries:
    """All dictionaries of the store, with what a load has added; opened when first asked."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._opened: dict[int, Interning] = {}

    def codes(self, number: int, values: Strings) -> NDArray[np.uint32]:
        """Codes in the dictionary of a field, or of GIVERS; see Interning."""
        if number not in self._opened:
            self._opened[number] = Interning(self._snapshot, number, self._owner(number))
        return self._opened[number].codes(values)

    def _owner(self, number: int) -> str:
        if number == GIVERS:
            return "the givers of set values"
        field = self._snapshot.fields.by_id(number)
        assert field is not None, f"there is no field {number}"
        if field.kind == FieldKind.PROPERTY:
            return f"property {property_name(field)}"
        return f"attribute {field.name}"

    def save(self, writer: Writer) -> None:
        """Writes the new values of all of them."""
        for dictionary in self._opened.values():
            dictionary.save(writer)
