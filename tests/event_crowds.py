"""Small stores of profiles with events, made from plain dictionaries."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from engine.columns.bools import encode_bools
from engine.columns.codes import encode_codes
from engine.columns.floats import encode_floats
from engine.columns.ints import encode_ints
from engine.columns.sets import encode_rows
from engine.columns.strings import Strings
from engine.columns.zone import Encoded
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Property, Texts
from engine.events.field import encoded
from engine.live.schema import change_fields
from engine.live.text_field import lay_texts
from engine.model.definitions import Model
from engine.rules.reference_events import ReferenceEvent
from engine.store.catalog import LIVE, event_field, property_field
from engine.store.store import Store
from engine.store.writer import Writer
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES

__all__ = ["event_store"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def event_store(
    path: Path,
    model: Model,
    profiles: Mapping[int, Mapping[str, Any]],
    events: Mapping[int, Sequence[ReferenceEvent]],
    chance: random.Random,
    interned: Mapping[str, Sequence[str]] | None = None,
) -> Store:
    """A store of profiles by row, as the reference takes them, with their events.

    Events of rows without a profile are of profiles that are not alive. The events of each type
    and block are dealt out to several chunks that overlap in time, the last of them often a tail.
    Sets of profiles are left out. `interned` has, by the name of a field, strings that get its
    first codes.
    """
    store = Store.create(path, map_size=MAP_BYTES)
    with store.write() as writer:
        change_fields(writer, replace(model, segments={}))
        for name, strings in (interned or {}).items():
            writer.intern(writer.fields[name].id, Strings.from_list(list(strings)))
        writer.set_row_count(max([*profiles, *events]) + 1)
        for block in range(writer.row_count // BLOCK_ROWS + 1):
            rows = [row for row in sorted(profiles) if row // BLOCK_ROWS == block]
            if rows:
                live = np.array(rows, np.int64) % BLOCK_ROWS
                writer.put_field(LIVE.id, block, encode_rows(live.astype(np.uint16)))
                _put_attributes(writer, model, {row: profiles[row] for row in rows}, block)
            happened = [
                (row % BLOCK_ROWS, event)
                for row in sorted(events)
                if row // BLOCK_ROWS == block
                for event in events[row]
            ]
            for name in model.events:
                found = [(row, event) for row, event in happened if event.type == name]
                *sealed, tail = _dealt(found, chance)
                parts = [part for some in sealed for part in _parts(writer, model, some)]
                parts += _parts(writer, model, tail, is_tail=chance.random() < 0.7)
                if parts:
                    writer.put_field(writer.fields[event_field(name)].id, block, encoded(parts))
    return store


def _dealt(
    found: list[tuple[int, ReferenceEvent]], chance: random.Random
) -> list[list[tuple[int, ReferenceEvent]]]:
    """Events in one to three piles."""
    piles: list[list[tuple[int, ReferenceEvent]]] = [[] for _ in range(chance.randint(1, 3))]
    for one in found:
        chance.choice(piles).append(one)
    return piles


def _parts(
    writer: Writer,
    model: Model,
    found: list[tuple[int, ReferenceEvent]],
    *,
    is_tail: bool = False,
) -> Sequence[bytes]:
    if not found:
        return ()
    declared = model.events[found[0][1].type].properties
    properties: dict[int, Property] = {}
    for name, kind in declared.items():
        field = writer.fields[property_field(name, kind.type, kind.scale)]
        values = [event.properties.get(name) for _, event in found]
        properties[field.id] = _property(writer, field.id, kind.type, kind.scale, values)
    rows = np.array([row for row, _ in found], np.uint16)
    times = np.array([event.time_us for _, event in found], np.int64)
    return encode_events(Events(rows, times, properties=properties), is_tail=is_tail)


def _property(writer: Writer, field: int, type_: str, scale: int, values: list[Any]) -> Property:
    present = np.array([value is not None for value in values], np.bool_)
    if type_ == "text":
        return Texts(Strings.from_list(values))
    if type_ == "category":
        return Codes(_interned(writer, field, values))
    if type_ == "bool":
        return Codes(np.array([0 if v is None else 1 + v for v in values], np.uint32))
    if type_ == "float":
        return Floats(np.array([v or 0.0 for v in values], np.float64), present)
    return Ints(np.array([stored(type_, scale, v) for v in values], np.int64), present)


def _interned(writer: Writer, field: int, values: list[Any]) -> Any:
    codes = np.zeros(len(values), np.uint32)
    for at, value in enumerate(values):
        if value is not None:
            (codes[at],) = writer.intern(field, Strings.from_list([value]))
    return codes


def stored(type_: str, scale: int, value: Any) -> int:
    """The integer that a number, date or time is stored as; 0 for none."""
    if value is None:
        return 0
    if isinstance(value, datetime):
        return (value - EPOCH) // timedelta(microseconds=1)
    if isinstance(value, date):
        return value.toordinal() - date(1970, 1, 1).toordinal()
    number = Decimal(value).scaleb(scale)
    assert number == int(number), f"{value} has more than {scale} digits"
    return int(number)


def _put_attributes(
    writer: Writer, model: Model, profiles: Mapping[int, Mapping[str, Any]], block: int
) -> None:
    for name, attribute in model.attributes.items():
        there = {
            row % BLOCK_ROWS: profile[name]
            for row, profile in profiles.items()
            if profile.get(name) is not None
        }
        if there and attribute.type != "set":
            field = writer.fields[name]
            rows = np.array(sorted(there), np.uint16)
            found = [there[row] for row in sorted(there)]
            payload = _attribute(writer, field.id, attribute.type, attribute.scale, rows, found)
            writer.put_field(field.id, block, payload)


def _attribute(
    writer: Writer, field: int, type_: str, scale: int, rows: Any, values: list[Any]
) -> Encoded:
    count = int(rows[-1]) + 1
    present = np.zeros(count, np.bool_)
    present[rows] = True

    def spread(cells: Any, dtype: Any) -> Any:
        out = np.zeros(count, dtype)
        out[rows] = cells
        return out

    if type_ == "text":
        return lay_texts((), rows, Strings.from_list(values))
    if type_ == "category":
        return encode_codes(spread(_interned(writer, field, values), np.uint32))
    if type_ == "bool":
        return encode_bools(spread(values, np.bool_), present)
    if type_ == "float":
        return encode_floats(spread(values, np.float64), present)
    return encode_ints(spread([stored(type_, scale, v) for v in values], np.int64), present)
