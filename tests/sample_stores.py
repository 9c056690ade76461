"""Small stores for the tests of the store: random payloads, and everything that one holds."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from engine.columns.codes import encode_codes
from engine.columns.ints import encode_ints
from engine.columns.sets import encode_rows
from engine.columns.strings import Strings
from engine.columns.zone import Encoded, Zone
from engine.events import head
from engine.events.decode import decode_chunk, decode_columns
from engine.store.catalog import LIVE, FieldKind
from engine.store.store import Snapshot, Store
from tests.made_events import as_tuples

__all__ = ["BLOCK_ROWS", "MAP_BYTES", "contents", "opaque", "sample_store"]

BLOCK_ROWS = 65_536

# Enough for every store of a test, and quick to map.
MAP_BYTES = 1 << 28


def opaque(seed: int, *sizes: int) -> Encoded:
    """An encoded field of parts that mean nothing, the same for the same arguments."""
    random = np.random.default_rng([seed, *sizes])
    return Encoded(tuple(random.bytes(size) for size in sizes), Zone(seed, -seed, seed))


def sample_store(path: Path, block_count: int = 4, rows: int = 3_000, seed: int = 0) -> None:
    """A sound store of a few fields, small and large records, written in three commits."""
    random = np.random.default_rng(seed)
    with Store.create(path, map_size=MAP_BYTES) as store:
        with store.write() as writer:
            writer.set_model({"model.yaml": "attributes: {}\n" * 10})
            writer.set_row_count(block_count * BLOCK_ROWS)
            writer.add_field("city", FieldKind.CODES, "category")
            for name in ("age", "size", "rank"):
                writer.add_field(name, FieldKind.INTS, "int")
            names = Strings.from_list([f"city {i} {'x' * (i % 50)}" for i in range(300)])
            codes = writer.intern(writer.fields["city"].id, names)
            for block in range(block_count):
                live = np.arange(rows, dtype=np.uint16)
                writer.put_field(LIVE.id, block, encode_rows(live))
                chosen = random.choice(codes, rows)
                writer.put_field(writer.fields["city"].id, block, encode_codes(chosen))
                for name, top in (("age", 100), ("size", 60_000), ("rank", 2)):
                    values = random.integers(0, top, rows)
                    encoded = encode_ints(values, random.random(rows) < 0.9)
                    writer.put_field(writer.fields[name].id, block, encoded)
            writer.put_meta("long", random.bytes(20_000))
            writer.put_meta("short", b"little")
        for commit in range(2):
            with store.write() as writer:
                for block in range(commit, block_count, 2):
                    values = np.full(rows, commit)
                    encoded = encode_ints(values, random.random(rows) < 0.5)
                    writer.put_field(writer.fields["rank"].id, block, encoded)
                writer.put_meta(f"commit {commit}", bytes(commit * 3_000))
                writer.intern(writer.fields["city"].id, Strings.from_list([f"later {commit}"]))


def events_at(address: int, length: int) -> list[Any]:
    """The events of a chunk in memory, as kernels see it: its data may be elsewhere than its head,
    of which there are `length` bytes."""
    packed = ctypes.string_at(address, length)
    found = head.read_head(packed)
    columns = head.read_columns(packed, found)
    if found.data_offset == 0:
        return as_tuples(decode_chunk(packed))
    assert address % 64 == 0 and length == found.size
    ends = [
        end
        for column in columns
        for end in (
            column.values_offset + column.width * found.capacity,
            column.presence_offset + found.capacity // 8,
            column.bytes_offset + column.byte_count,
        )
    ]
    data = ctypes.string_at((address + found.data_offset) % (1 << 64), max(ends))
    return as_tuples(decode_columns(data, found, columns))


def contents(snapshot: Snapshot) -> list[Any]:
    """Everything that a snapshot can be asked for, read in every way there is."""
    found: list[Any] = [
        snapshot.data_version,
        snapshot.row_count,
        snapshot.live_count,
        dict(snapshot.model_files),
        [field.name for field in snapshot.fields.values()],
        [(name, snapshot.meta(name)) for name in snapshot.meta_names()],
    ]
    for field in snapshot.fields.values():
        table = snapshot.addresses(field.id)
        places = zip(table.address.tolist(), table.length.tolist(), strict=True)
        is_events = field.kind == FieldKind.EVENTS
        read = events_at if is_events else ctypes.string_at
        at_addresses = [read(address, length) for address, length in places]
        payloads = [
            bytes(part)
            for block in range(snapshot.block_count)
            for part in snapshot.payloads(field.id, block)
        ]
        if is_events:
            in_parts = [event for part in payloads for event in as_tuples(decode_chunk(part))]
            in_place = [event for events in at_addresses for event in events]
            assert sorted(in_parts, key=repr) == sorted(in_place, key=repr)
        else:
            assert payloads == at_addresses
        zones = [snapshot.zone(field.id, block) for block in range(snapshot.block_count)]
        found.append((table.first_part.tolist(), payloads, zones))
        found.append(list(snapshot.dictionary(field.id).values))
    return found
