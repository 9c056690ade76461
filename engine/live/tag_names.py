"""The tags that a rule with places in its name gives, by numbers of their own.

A tag comes as the codes of the properties that name it, or, where somebody gave it, as a code of
the attribute. Each differing tag has a number, which means nothing to anybody else: two ways to one
tag have one number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.model.hidden_events import tag_places, tag_values
from engine.model.sections.tag_rules import PLACE
from engine.store.snapshot import Snapshot

__all__ = ["NO_TAG", "TagNames"]

# The number of what is no tag: a place is empty, or a name is not one of the rule's.
NO_TAG = -1


class TagNames:
    """The tags of one rule, as far as they were met; for one thread at a time."""

    def __init__(self, tag: str) -> None:
        self.names: list[str] = []
        self._tag = tag
        self._places = tag_places(tag)
        pieces = PLACE.split(tag)
        self._first, self._last = pieces[0], pieces[-1]
        self._number_of: dict[str, int] = {}
        self._of_places: dict[tuple[int, ...], int] = {}
        # Of the attribute's dictionary: how far it was looked through, and what was found.
        self._seen = 0
        self._given: dict[int, int] = {}

    def of_places(
        self, snapshot: Snapshot, fields: Sequence[int], codes: NDArray[np.uint32]
    ) -> NDArray[np.int64]:
        """Numbers of tags by the codes uint32 (n, places) of properties, whose numbers are
        `fields`; NO_TAG where a value is empty."""
        each, of_each = np.unique(codes, axis=0, return_inverse=True)
        numbers = np.zeros(len(each), np.int64)
        for at, some in enumerate(map(tuple, each.tolist())):
            known = self._of_places.get(some)
            if known is None:
                tables = [snapshot.dictionary_table(field) for field in fields]
                values = [table.value(code) for table, code in zip(tables, some, strict=True)]
                known = self._number(self._named(values)) if all(values) else NO_TAG
                self._of_places[some] = known
            numbers[at] = known
        found: NDArray[np.int64] = numbers[of_each.reshape(-1)]
        return found

    def given(self, snapshot: Snapshot, field: int) -> dict[int, int]:
        """The numbers of tags by their codes in a set, of all those that the rule may give."""
        dictionary = snapshot.dictionary(field)
        for code in range(self._seen + 1, len(dictionary) + 1):
            value = dictionary.value(code)
            # Nearly all others are left out by their ends.
            may_be = value.startswith(self._first) and value.endswith(self._last)
            if may_be and next(tag_values(self._tag, value), None) is not None:
                self._given[code] = self._number(value)
        self._seen = max(self._seen, len(dictionary))
        return self._given

    def of_codes(
        self, snapshot: Snapshot, field: int, codes: NDArray[np.uint32]
    ) -> NDArray[np.int64]:
        """Numbers of tags by their codes in a set."""
        known = self.given(snapshot, field)
        return np.array([known.get(code, NO_TAG) for code in codes.tolist()], np.int64)

    def _named(self, values: Sequence[str]) -> str:
        of_place = dict(zip(self._places, values, strict=True))
        return PLACE.sub(lambda found: of_place[found[1]], self._tag)

    def _number(self, name: str) -> int:
        if name not in self._number_of:
            self._number_of[name] = len(self.names)
            self.names.append(name)
        return self._number_of[name]
