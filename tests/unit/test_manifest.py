"""Entries of a manifest are what their columns say, and are found by their field."""

from __future__ import annotations

import numpy as np
import pytest

from engine.columns.zone import Zone
from engine.store.catalog import FieldKind
from engine.store.manifest import ENTRY, Manifest, entries_of, zone_of
from engine.store.reading import name_of_entry
from engine.store.records import Expected, PayloadKind, RecordName, RecordType

RECORDS = [(7, 0xFFFF_FFFF, 1), (1 << 18, 3, 1 << 63), (2, 5, 9)]


@pytest.mark.parametrize("kind", [FieldKind.INTS, FieldKind.EVENTS])
@pytest.mark.parametrize(
    "zone",
    [
        Zone(0),
        Zone(65_536, -(1 << 63), (1 << 63) - 1),
        Zone(1, np.int64(-5), np.int64(7)),
        Zone(3, -0.5, 1e300),
        Zone(3, np.float64(-1.5), 2),
    ],
)
def test_entries_say_each_part_and_the_zone_once(kind: FieldKind, zone: Zone) -> None:
    payload = PayloadKind.FIELD_DATA + kind
    entries = entries_of(70_000, payload, iter(RECORDS), zone)
    assert entries.dtype == ENTRY and len(entries) == len(RECORDS)
    parts = 0 if kind == FieldKind.EVENTS else len(RECORDS)
    for part, entry in enumerate(entries):
        assert name_of_entry(11, entry) == (
            RecordName(RecordType.DATA, 70_000, 11, part),
            payload,
            parts,
            Expected(*RECORDS[part]),
        )
        assert zone_of(entry) == (Zone(0) if part else zone)
        assert not entry["reserved"]
    entries["sequence"][1] = 4  # of a part that is stored already
    assert entries["sequence"].tolist() == [1, 4, 9]


def test_entries_of_a_field_are_found_wherever_they_stand() -> None:
    fields = [(3, 1), (4, 2), (9, 3)]
    entries = [entries_of(field, 17, RECORDS[:count], Zone(0)) for field, count in fields]
    manifest = Manifest(0).replace({n: made for (n, _), made in zip(fields, entries, strict=True)})
    for field, count in fields:
        found = manifest.field(field)
        assert found["field"].tolist() == [field] * count
        assert found["part"].tolist() == [*range(count)]
    assert [len(manifest.field(field)) for field in (0, 2, 5, 8, 10, 1 << 31)] == [0] * 6
    assert not len(Manifest(0).field(3))
    assert not len(manifest.replace({4: None}).field(4)) and len(manifest.field(4)) == 2
