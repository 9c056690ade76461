"""Stored bytes: headers, keys, manifests and the directory, against the written layout."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.zone import Zone
from engine.store.catalog import LIVE, UIDS, Catalog, FieldKind
from engine.store.checksum import crc32c
from engine.store.directory import (
    DictionaryListing,
    MetaListing,
    Root,
    pack_dictionaries,
    pack_metas,
    pack_model,
    unpack_dictionaries,
    unpack_metas,
    unpack_model,
)
from engine.store.manifest import Manifest, entries_of, zone_of
from engine.store.records import (
    HEADER_BYTES,
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    fault_in_header,
    key_of,
    name_of_key,
    pack_header,
)

u32 = st.integers(0, 2**32 - 1)
u16 = st.integers(0, 2**16 - 1)
u64 = st.integers(0, 2**64 - 1)
expected = st.builds(Expected, u32, u32, u64)

_ZERO = st.just(0)
NAMES = st.one_of(
    st.tuples(st.just(RecordType.ROOT), _ZERO, _ZERO, _ZERO),
    st.tuples(st.just(RecordType.SECTION), u32, _ZERO, _ZERO),
    st.tuples(st.just(RecordType.MANIFEST), _ZERO, u32, _ZERO),
    st.tuples(st.just(RecordType.DATA), u32, u32, u16),
    st.tuples(st.just(RecordType.META), u32, _ZERO, u16),
    st.tuples(st.just(RecordType.DICTIONARY), u32, u32, _ZERO),
).map(RecordName._make)


def test_header_as_the_readme_says() -> None:
    name = RecordName(RecordType.DATA, 7, 300, 2)
    header = pack_header(name, PayloadKind.FIELD_DATA + 5, 3, Expected(1000, 0xABCDEF01, 12345))
    assert len(header) == HEADER_BYTES == 48
    assert header[:4] == b"STRB"
    assert struct.unpack("<HBBIIHHI", header[4:24]) == (3, 21, 0, 7, 300, 2, 3, 0)
    assert struct.unpack("<QIII", header[24:44]) == (12345, 1000, 0xABCDEF01, 0)
    assert struct.unpack("<I", header[44:]) == (crc32c(header[:44]),)


def test_keys_as_the_readme_says() -> None:
    assert key_of(RecordName(RecordType.ROOT)) == b"\x01"
    assert key_of(RecordName(RecordType.SECTION, 17)) == b"\x02\0\0\0\x11"
    assert key_of(RecordName(RecordType.MANIFEST, 0, 258)) == b"\x03\0\0\x01\x02"
    assert key_of(RecordName(RecordType.DATA, 5, 258, 1)) == b"\x04\0\0\x01\x02\0\0\0\x05\0\x01"
    assert key_of(RecordName(RecordType.META, 9, 0, 1)) == b"\x05\0\0\0\x09\0\x01"
    assert key_of(RecordName(RecordType.DICTIONARY, 3, 4)) == b"\x06\0\0\0\x03\0\0\0\x04"


@given(NAMES)
def test_keys_name_their_record(name: RecordName) -> None:
    assert name_of_key(key_of(name)) == name


@given(st.binary(max_size=14))
def test_foreign_keys_are_not_misread(key: bytes) -> None:
    name = name_of_key(key)
    assert name is None or key_of(name) == key


def test_keys_of_a_block_are_neighbours() -> None:
    keys = [
        key_of(RecordName(RecordType.DATA, field, block, part))
        for block in (0, 1, 255, 256, 70_000)
        for field in (1, 2, 300)
        for part in (0, 1)
    ]
    assert keys == sorted(keys)


@given(NAMES, st.integers(0, 255), u16, expected, st.integers(0, 8 * HEADER_BYTES - 1))
def test_any_flipped_bit_of_a_header_is_a_fault(
    name: RecordName, kind: int, parts: int, wanted: Expected, bit: int
) -> None:
    wanted = wanted._replace(length=3)
    value = bytearray(pack_header(name, kind, parts, wanted) + b"abc")
    assert fault_in_header(memoryview(value), name, kind, parts, wanted) == ""
    assert fault_in_header(memoryview(value), name, kind, parts, None) == ""
    value[bit // 8] ^= 1 << bit % 8
    assert fault_in_header(memoryview(value), name, kind, parts, wanted)
    assert fault_in_header(memoryview(value), name, kind, parts, None)


def test_a_record_elsewhere_or_of_another_commit_is_a_fault() -> None:
    name, wanted = RecordName(RecordType.DATA, 1, 2, 0), Expected(3, 9, 4)
    value = memoryview(pack_header(name, 17, 1, wanted) + b"abc")
    assert fault_in_header(value, name, 17, 1, wanted) == ""
    assert fault_in_header(value, name._replace(block=3), 17, 1, wanted)
    assert fault_in_header(value, name._replace(number=3), 17, 1, wanted)
    assert fault_in_header(value, name._replace(part=1), 17, 1, wanted)
    assert fault_in_header(value, name, 18, 1, wanted)
    assert fault_in_header(value, name, 17, 2, wanted)
    for other in (Expected(2, 9, 4), Expected(3, 8, 4), Expected(3, 9, 3)):
        assert fault_in_header(value, name, 17, 1, other)
    assert "another length" in fault_in_header(value[:-1], name, 17, 1, wanted)
    assert "too short" in fault_in_header(value[:47], name, 17, 1, wanted)


zones = st.one_of(
    st.builds(Zone, u32),
    st.builds(Zone, u32, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1)),
    st.builds(Zone, u32, st.floats(allow_nan=False), st.floats(allow_nan=False)),
)
parts_of_field = st.lists(st.tuples(u32, u32, u64), min_size=1, max_size=3)


@given(st.dictionaries(u32, st.tuples(parts_of_field, zones), max_size=5), u32)
def test_manifests_come_back(
    fields: dict[int, tuple[list[tuple[int, int, int]], Zone]], block: int
) -> None:
    manifest = Manifest(block).replace(
        {field: entries_of(field, 20, parts, zone) for field, (parts, zone) in fields.items()}
    )
    again = Manifest.unpack(block, memoryview(manifest.pack()))
    assert again is not None
    for field, (parts, zone) in fields.items():
        entries = again.field(field)
        assert [tuple(e) for e in entries[["length", "crc", "sequence"]].tolist()] == parts
        assert entries["part"].tolist() == list(range(len(parts)))
        assert entries["parts"].tolist() == [len(parts)] * len(parts)
        assert zone_of(entries[0]) == zone
        assert str(zone_of(entries[0])) == str(zone), "an int must not become a float"
    for missing in {0, 2**32 - 1} - set(fields):
        assert len(again.field(missing)) == 0


def test_manifests_replace_and_remove_fields() -> None:
    first = Manifest(3).replace({n: entries_of(n, 20, [(n, 0, 1)], Zone(n)) for n in (5, 1, 9)})
    second = first.replace({1: None, 9: entries_of(9, 20, [(7, 0, 2), (8, 0, 2)], Zone(2))})
    assert first.entries["field"].tolist() == [1, 5, 9]
    assert second.entries["field"].tolist() == [5, 9, 9]
    assert second.entries["length"].tolist() == [5, 7, 8]


@pytest.mark.parametrize("cut", [1, 48, 15])
def test_a_manifest_of_another_length_or_block_is_none(cut: int) -> None:
    payload = Manifest(3).replace({1: entries_of(1, 20, [(1, 2, 3)], Zone(0))}).pack()
    assert Manifest.unpack(3, memoryview(payload)) is not None
    assert Manifest.unpack(4, memoryview(payload)) is None
    assert Manifest.unpack(3, memoryview(payload[:-cut])) is None
    assert Manifest.unpack(3, memoryview(payload + bytes(cut))) is None


@given(
    st.binary(min_size=16, max_size=16),
    st.tuples(u64, u32, u64, u32, u32, u64, u64, u64, u64, u64),
    st.lists(st.tuples(u32, expected), max_size=4),
)
def test_roots_come_back(
    uid: bytes, numbers: tuple[int, ...], sections: list[tuple[int, Expected]]
) -> None:
    root = Root(uid, *numbers, sections=tuple(sections))
    assert Root.unpack(memoryview(root.pack())) == root
    with pytest.raises(ValueError):
        Root.unpack(memoryview(root.pack() + b"\0"))


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
        st.builds(MetaListing, u32, st.lists(expected, max_size=3).map(tuple)),
        max_size=4,
    ),
    st.dictionaries(
        u32,
        st.builds(DictionaryListing, u32, st.lists(expected, max_size=3).map(tuple)),
        max_size=4,
    ),
)
def test_listings_come_back(
    metas: dict[str, MetaListing], dictionaries: dict[int, DictionaryListing]
) -> None:
    assert unpack_metas(memoryview(pack_metas(metas))) == metas
    assert unpack_dictionaries(memoryview(pack_dictionaries(dictionaries))) == dictionaries


def test_model_files_keep_their_order() -> None:
    files = {"z.yaml": "行业: 1\n", "a.yaml": ""}
    assert list(unpack_model(pack_model(files)).items()) == list(files.items())


def test_catalogs_come_back_and_never_reuse_a_number() -> None:
    catalog = Catalog.new().with_field("行业", FieldKind.CODES, "category", 0)
    catalog = catalog.with_field("revenue", FieldKind.INTS, "decimal", 2)
    again = Catalog.unpack(catalog.pack())
    assert list(again.items()) == list(catalog.items())
    assert again[":live"] == LIVE and again[":uid"] == UIDS
    assert again["revenue"].scale == 2 and isinstance(again["revenue"].kind, FieldKind)
    fewer = again.without(again["revenue"].id)
    assert "revenue" not in fewer
    more = Catalog.unpack(fewer.pack()).with_field("revenue", FieldKind.FLOATS, "float", 0)
    assert more["revenue"].id == again["revenue"].id + 1


def test_entries_are_as_the_readme_says() -> None:
    entries = entries_of(9, 21, [(100, 200, 300), (1, 2, 3)], Zone(50, -1.5, 2.5))
    assert entries.tobytes() == struct.pack(
        "<IHHIIQIBBHdd", 9, 0, 2, 100, 200, 300, 50, 2, 21, 0, -1.5, 2.5
    ) + struct.pack("<IHHIIQIBBHqq", 9, 1, 2, 1, 2, 3, 0, 0, 21, 0, 0, 0)
    assert isinstance(entries, np.ndarray)
