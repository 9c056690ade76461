"""Random records for a store with a field of each kind, and what it should hold after them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.columns.strings import Strings
from engine.events.events import Codes, Ints, Property, Texts
from engine.live.update import (
    ADD,
    NO_TIME,
    REMOVE,
    REPLACE,
    EventCells,
    LinkedIdentifiers,
    ProfileUpdate,
    SetCells,
    TextCells,
    VectorCells,
)
from engine.store.catalog import (
    LIVE,
    UIDS,
    FieldKind,
    event_field,
    giver_field,
    identifier_field,
    property_field,
    segment_field,
    time_field,
)

__all__ = [
    "BIG",
    "BIG_SIZE",
    "CELLS",
    "DTYPES",
    "FIELDS",
    "GIVEN",
    "KINDS",
    "ORDER",
    "PROPERTIES",
    "VALUES",
    "Content",
    "RandomRecord",
]

MEMBER, SEEN = identifier_field("member"), time_field("size")
ORDER = event_field("order")
# The first fields of the store, with their numbers.
PROPERTIES = {
    property_field("amount", "int", 0): 3,
    property_field("sku", "category", 0): 4,
    property_field("note", "text", 0): 5,
}
BIG, GIVEN = segment_field("big"), giver_field("likes")
FIELDS = {
    "city": FieldKind.CODES,
    "size": FieldKind.INTS,
    SEEN: FieldKind.INTS,
    "rate": FieldKind.FLOATS,
    "listed": FieldKind.BOOL,
    "remark": FieldKind.TEXTS,
    ORDER: FieldKind.EVENTS,
    "likes": FieldKind.SET,
    GIVEN: FieldKind.GIVERS,
    MEMBER: FieldKind.VALUES,
    BIG: FieldKind.MEMBERSHIP,
}
CELLS = ("city", "size", "rate", "listed")
KINDS = {LIVE.name: LIVE.kind, UIDS.name: UIDS.kind, **FIELDS}

BIG_SIZE = 50
# Some values fit the width and the bounds of those before, others make a block refuse.
VALUES: dict[str, Sequence[Any]] = {
    "city": (1, 2, 3, 250, 255, 256, 300),
    "size": (0, 1, 49, 50, 51, 255, 256, 70_000, -1, 2**63 - 1, -(2**63)),
    "rate": (0.0, 1.5, -0.0, -2.25, 1e300),
    "listed": (False, True),
    "remark": ("", "a", "ü", "longer than that"),
}
DTYPES = {"city": np.uint32, "size": np.int64, "rate": np.float64, "listed": np.bool_}

# name -> key -> value. The key is a row, or a tuple that begins with one where a row has several.
Content = dict[str, dict[Any, Any]]


class RandomRecord:
    """A random record: what it says to the store, and to the dictionaries."""

    def __init__(self, chance: random.Random, content: Content, row_count: int) -> None:
        self.content = content
        new = chance.choice([0, 0, 0, 1, 2, 40, 300])
        self.created = list(range(row_count, row_count + new))
        uids = np.frombuffer(chance.randbytes(16 * new), np.uint8).reshape(new, 16)
        digests = np.zeros((new, 2), np.uint64)
        content[LIVE.name].update(dict.fromkeys(self.created, True))
        for row, uid in zip(self.created, uids, strict=True):
            content[UIDS.name][row] = uid.tobytes()
        self._alive = sorted(content[LIVE.name])
        self._chance = chance
        self._before = dict(content["size"])
        self._fields: dict[str, int] = {}
        self.first_new, self.uids, self.digests = row_count, uids, digests

    def update(self, fields: Any) -> ProfileUpdate:
        """The record; the dictionaries have it then."""
        some = [name for name in CELLS if self._chance.random() < 0.6]
        vectors = tuple(self._cells(name, fields) for name in some)
        texts = (self._texts(fields),) if self._chance.random() < 0.3 else ()
        sets = (self._mentions(fields),) if self._chance.random() < 0.6 else ()
        events = (self._events(fields),) if self._chance.random() < 0.7 else ()
        members = (self._members(fields),) if self.created else ()
        sizes = self.content["size"].items() ^ self._before.items()
        for row in {row for row, _ in sizes}:
            if self.content["size"].get(row, BIG_SIZE - 1) >= BIG_SIZE:
                self.content[BIG][row] = True
            else:
                self.content[BIG].pop(row, None)
        return ProfileUpdate(
            self.first_new, self.uids, self.digests, members, vectors, texts, sets, events
        )

    def _rows(self) -> list[int]:
        """Some rows, with repeats, or everybody."""
        if not self._alive:
            return []
        if self._chance.random() < 0.1:
            return self._alive
        # Neighbours of the borders of blocks more often than others.
        near = [self._alive[0], self._alive[-1], *self._alive[:3], *self._alive[-3:]]
        return self._chance.choices([*near, *self._chance.choices(self._alive, k=8)], k=9)

    def _cells(self, name: str, fields: Any) -> VectorCells:
        rows = self._rows()
        values = self._chance.choices(VALUES[name], k=len(rows))
        present = [self._chance.random() < 0.8 for _ in rows]
        times = None
        if name == "size" and self._chance.random() < 0.7:
            times = self._chance.choices([NO_TIME, 10, 20, 30], k=len(rows))
        given = times or [NO_TIME] * len(rows)
        for row, value, is_there, time in zip(rows, values, present, given, strict=True):
            self._write(name, row, value if is_there else None, time)
        return VectorCells(
            fields[name].id,
            np.array(rows, np.uint32),
            np.array(values, DTYPES[name]),
            np.array(present, np.bool_),
            None if times is None else np.array(times, np.int64),
        )

    def _write(self, name: str, row: int, value: Any, time: int) -> None:
        content = self.content
        if name == "size":
            if time != NO_TIME and time < content[SEEN].get(row, NO_TIME):
                return
            content[SEEN].pop(row, None)
            if time != NO_TIME:
                content[SEEN][row] = time
        content[name].pop(row, None)
        if value is not None:
            content[name][row] = value

    def _texts(self, fields: Any) -> TextCells:
        rows = self._rows()[:40]
        values = [self._chance.choice([None, *VALUES["remark"]]) for _ in rows]
        for row, value in zip(rows, values, strict=True):
            self._write("remark", row, value, NO_TIME)
        return TextCells(fields["remark"].id, np.array(rows, np.uint32), Strings.from_list(values))

    def _mentions(self, fields: Any) -> SetCells:
        content, chance = self.content, self._chance
        rows = self._rows()
        givers = chance.choices([1, 2, 3], k=len(rows))
        modes = chance.choices([REPLACE, ADD, ADD, REMOVE], k=len(rows))
        named = [chance.choices([1, 2, 7, 40, 299], k=chance.randint(0, 3)) for _ in rows]
        held: dict[tuple[int, int], set[int]] = {}
        for row, value, giver in content[GIVEN]:
            held.setdefault((row, giver), set()).add(value)
        for row, giver, mode, values in zip(rows, givers, modes, named, strict=True):
            mine = held.setdefault((row, giver), set())
            if mode == REPLACE:
                mine.clear()
            if mode == REMOVE:
                mine.difference_update(values)
            else:
                mine.update(values)
        triples = [(row, v, giver) for (row, giver), mine in held.items() for v in mine]
        content[GIVEN] = dict.fromkeys(triples, True)
        content["likes"] = {(row, value): True for row, value, _ in triples}
        return SetCells(
            fields["likes"].id,
            fields[GIVEN].id,
            np.array(rows, np.uint32),
            np.array(givers, np.uint32),
            np.append(0, np.cumsum([len(values) for values in named])).astype(np.int64),
            np.array([value for values in named for value in values], np.uint32),
            np.array(modes, np.uint8),
        )

    def _events(self, fields: Any) -> EventCells:
        """Events with few ids, times and values, so that many are sent again or corrected."""
        chance = self._chance
        rows = self._rows()
        some = chance.random() < 0.8
        ids = [chance.choice([0, 1, 2, 3, 4, 5]) if some else 0 for _ in rows]
        times = chance.choices([0, 5, 5_000_000, 1_700_000_000_000_000, -7], k=len(rows))
        gone = [id_ != 0 and chance.random() < 0.2 for id_ in ids]
        columns: list[list[Any]] = [
            chance.choices([None, 0, -5, 2**40], k=len(rows)),
            chance.choices([None, 1, 299], k=len(rows)),
            chance.choices([None, "", "ü"], k=len(rows)),
        ]
        given = {
            number: column
            for number, column in zip(PROPERTIES.values(), columns, strict=True)
            if chance.random() < 0.7
        }
        for i, (row, time, id_, away) in enumerate(zip(rows, times, ids, gone, strict=True)):
            values = ((n, column[i]) for n, column in given.items() if column[i] is not None)
            self._bring((row, time, id_, *values), away)
        amounts, skus, notes = (given.get(number) for number in PROPERTIES.values())
        properties: dict[int, Property] = {}
        if amounts is not None:
            held = np.array([amount is not None for amount in amounts], np.bool_)
            properties[3] = Ints(np.array([amount or 0 for amount in amounts], np.int64), held)
        if skus is not None:
            properties[4] = Codes(np.array([sku or 0 for sku in skus], np.uint32))
        if notes is not None:
            properties[5] = Texts(Strings.from_list(notes))
        return EventCells(
            fields[ORDER].id,
            np.array(rows, np.uint32),
            np.array(times, np.int64),
            np.array(ids, np.uint64) if some else None,
            properties,
            np.array(gone, np.bool_) if some else None,
        )

    def _bring(self, event: tuple[Any, ...], is_gone: bool) -> None:
        orders = self.content[ORDER]
        row, _, id_, *_ = event
        if id_:
            for old in [key for key in orders if key[0] == row and key[2] == id_]:
                del orders[old]
        if not is_gone:
            orders[event] = orders.get(event, 0) + 1

    def _members(self, fields: Any) -> LinkedIdentifiers:
        names = [f"m{row}" for row in self.created]
        keys = zip(self.created, names, strict=True)
        self.content[MEMBER].update(dict.fromkeys(keys, True))
        digests = np.zeros((len(names), 2), np.uint64)
        rows = np.array(self.created, np.uint32)
        return LinkedIdentifiers(fields[MEMBER].id, rows, Strings.from_list(names), digests)
