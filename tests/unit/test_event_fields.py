"""Events as fields of a store: written, read again, verified."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engine.columns.strings import Strings
from engine.columns.zone import Encoded, Zone
from engine.events.decode import decode_chunk
from engine.events.encode import encode_events
from engine.events.events import Codes, Events
from engine.events.field import encoded
from engine.live.schema import change_fields
from engine.model.load import load_model
from engine.store.catalog import FieldKind, event_field, property_field
from engine.store.store import Store
from tests.sample_stores import MAP_BYTES

MODEL = """
identifiers: {member: {}}
events:
  order: {properties: {channel: category, amount: {type: decimal, scale: 2}}}
  visit: {properties: {channel: category, amount: {type: decimal, scale: 3}}}
"""


def some_events(count: int) -> Events:
    """`count` events, one a second, of as many rows."""
    return Events(
        np.arange(count, dtype=np.uint16),
        np.arange(count, dtype=np.int64) * 1_000_000,
        properties={999: Codes(np.ones(count, np.uint32))},
    )


def make(path: Path, payload: Encoded) -> None:
    """A store with orders in its first block."""
    with Store.create(path, map_size=MAP_BYTES) as store, store.write() as writer:
        change_fields(writer, load_model({"model.yaml": MODEL})[0])
        writer.set_row_count(70_000)
        writer.put_field(writer.fields[event_field("order")].id, 0, payload)


def faults(path: Path) -> Sequence[str]:
    """What `verify` says of a store."""
    with Store.open(path, map_size=MAP_BYTES) as store:
        return store.verify().faults


def test_events_are_read_as_they_were_written(tmp_path: Path) -> None:
    parts = encode_events(some_events(40_000))
    make(tmp_path / "store", encoded(parts))
    with Store.open(tmp_path / "store", map_size=MAP_BYTES) as store:
        snapshot = store.snapshot()
        field = snapshot.fields[event_field("order")]
        assert snapshot.zone(field.id, 0) == Zone(40_000, 0, 39_999_000_000)
        assert [bytes(part) for part in snapshot.payloads(field.id, 0)] == list(parts)
        assert len(decode_chunk(snapshot.payloads(field.id, 0)[1])) == len(decode_chunk(parts[1]))
        assert not snapshot.payloads(field.id, 1)
        snapshot.close()
    assert not faults(tmp_path / "store")


def test_verify_says_where_events_are_wrong(tmp_path: Path) -> None:
    (part,) = encode_events(some_events(100))
    wrong = bytearray(part)
    wrong[-1] = 1
    make(tmp_path / "store", Encoded((bytes(wrong),), Zone(100, 0, 1)))
    (fault,) = faults(tmp_path / "store")
    assert "':event:order' in block 0" in fault


def test_types_that_declare_a_property_alike_share_its_field(tmp_path: Path) -> None:
    make(tmp_path / "store", encoded(encode_events(some_events(1))))
    with Store.open(tmp_path / "store", map_size=MAP_BYTES) as store:
        snapshot = store.snapshot()
        properties = {
            name: field
            for name, field in snapshot.fields.items()
            if field.kind == FieldKind.PROPERTY
        }
        snapshot.close()
    assert sorted(properties) == sorted(
        [
            property_field("channel", "category", 0),
            property_field("amount", "decimal", 2),
            property_field("amount", "decimal", 3),
        ]
    )


def test_codes_beyond_the_dictionary_are_faults(tmp_path: Path) -> None:
    with Store.create(tmp_path / "store", map_size=MAP_BYTES) as store, store.write() as writer:
        change_fields(writer, load_model({"model.yaml": MODEL})[0])
        channel = writer.fields[property_field("channel", "category", 0)].id
        amount = writer.fields[property_field("amount", "decimal", 2)].id
        writer.intern(channel, Strings.from_list(["web", "app"]))
        writer.set_row_count(2)
        rows, times = np.arange(2, dtype=np.uint16), np.zeros(2, np.int64)
        for name, codes in (("order", [2, 0]), ("visit", [2, 3])):
            values = {channel: Codes(np.array(codes, np.uint32)), 999: Codes(rows + np.uint32(7))}
            if name == "visit":
                values[amount] = Codes(np.ones(2, np.uint32))
                values[writer.fields[event_field("order")].id] = Codes(np.ones(2, np.uint32))
            parts = encode_events(Events(rows, times, properties=values))
            writer.put_field(writer.fields[event_field(name)].id, 0, encoded(parts))
    assert sorted(faults(tmp_path / "store")) == [
        "':event:visit' in block 0 has a property of the number of ':event:order', which is none",
        "':event:visit' in block 0 has values of ':property:decimal:2:amount' that are not of its "
        "type",
        "':event:visit' in block 0 has, as ':property:category:0:channel', the code 3 of a "
        "dictionary of 2",
    ]
