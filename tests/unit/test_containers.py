"""Containers and directories: bytes by hand, every fault of the check, and the public format."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pyroaring import BitMap

from engine.bitmaps import containers, directory
from engine.bitmaps.portable import blocks_of_portable, portable
from engine.errors import InputInvalid

ROWS = containers.BLOCK_ROWS


def rows(*values: int) -> np.ndarray:
    return np.array(values, np.uint16)


def every(step: int, count: int) -> np.ndarray:
    return np.arange(0, step * count, step).astype(np.uint16)


# --------------------------------------------------------------------------- one container


@pytest.mark.parametrize(
    ("members", "kind", "body"),
    [
        (rows(), containers.EMPTY, b""),
        (rows(7), containers.ARRAY, struct.pack("<H", 7)),
        (rows(1, 65535), containers.ARRAY, struct.pack("<HH", 1, 65535)),
        (rows(4, 5, 6), containers.ARRAY, struct.pack("<HHH", 4, 5, 6)),
        (rows(4, 5, 6, 7), containers.RUN, struct.pack("<HHH", 1, 4, 3)),
        (every(1, ROWS), containers.RUN, struct.pack("<HHH", 1, 0, 65535)),
        (every(2, 4096), containers.ARRAY, every(2, 4096).tobytes()),
        (every(2, 4097), containers.BITSET, b"\x55" * 1024 + b"\x01" + b"\0" * 7167),
    ],
)
def test_the_smallest_form_is_kept(members: np.ndarray, kind: int, body: bytes) -> None:
    assert containers.encode(members) == (kind, body, len(members))
    assert containers.encode_mask(containers.mask_of_rows(members)) == (kind, body, len(members))


@pytest.mark.parametrize(("run_count", "kind"), [(2047, containers.RUN), (2048, containers.BITSET)])
def test_runs_stop_where_a_bitset_is_as_small(run_count: int, kind: int) -> None:
    starts = np.arange(run_count) * 32
    members = (starts[:, None] + np.arange(20)).reshape(-1).astype(np.uint16)
    found, body, _ = containers.encode(members)
    assert found == kind
    assert len(body) == (2 + 4 * run_count if kind == containers.RUN else 8192)


SHAPES = {
    "empty": rows(),
    "first": rows(0),
    "last": rows(65535),
    "full": every(1, ROWS),
    "words": np.array([63, 64, 127, 128, 65471, 65472], np.uint16),
    "runs": np.r_[0:64, 100:165, 4096:8192, 65530:65536].astype(np.uint16),
    "bitset": np.delete(np.arange(ROWS), np.arange(0, ROWS, 3)).astype(np.uint16),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_gives_back_the_rows(shape: str) -> None:
    members = SHAPES[shape]
    kind, body, cardinality = containers.encode(members)
    assert containers.check(kind, body, cardinality) == ""
    assert containers.decode(kind, memoryview(body), cardinality).tolist() == members.tolist()
    mask = containers.mask_of_rows(rows(3, 70))
    containers.decode_into_mask(kind, body, cardinality, mask)
    assert containers.rows_of_mask(mask).tolist() == sorted({*members.tolist(), 3, 70})
    assert containers.cardinality_of_mask(mask) == len({*members.tolist(), 3, 70})
    held = set(members.tolist())
    near = {0, 1, 65534, 65535} | {row + d for row in members[:99].tolist() for d in (-1, 0, 1)}
    for row in near & set(range(ROWS)):
        assert containers.contains(kind, body, cardinality, row) == (row in held)


def test_bytes_are_read_at_any_alignment() -> None:
    for members in SHAPES.values():
        kind, body, cardinality = containers.encode(members)
        odd = memoryview(b"\xff" + body)[1:]
        assert containers.decode(kind, odd, cardinality).tolist() == members.tolist()


@pytest.mark.parametrize(
    ("kind", "body", "cardinality", "fault"),
    [
        (4, b"", 1, "kind"),
        (containers.EMPTY, b"\0\0", 0, "size"),
        (containers.EMPTY, b"", 1, "number of rows"),
        (containers.ARRAY, struct.pack("<HH", 1, 2), 1, "size"),
        (containers.ARRAY, struct.pack("<HH", 2, 1), 2, "order"),
        (containers.ARRAY, struct.pack("<HH", 2, 2), 2, "order"),
        (containers.ARRAY, b"", 0, "number of rows"),
        (containers.ARRAY, b"", 65537, "number of rows"),
        (containers.ARRAY, every(2, 4097).tobytes(), 4097, "size"),
        (containers.BITSET, b"\1" * 8191, 8191, "size"),
        (containers.BITSET, b"\1" * 8192, 8191, "number of rows"),
        (containers.RUN, b"\1", 1, "size"),
        (containers.RUN, struct.pack("<HHH", 2, 5, 0), 1, "size"),
        (containers.RUN, struct.pack("<HHH", 1, 5, 1), 1, "number of rows"),
        (containers.RUN, struct.pack("<HHH", 1, 65535, 1), 2, "past the end"),
        (containers.RUN, struct.pack("<HHHHH", 2, 5, 1, 7, 0), 3, "order"),
        (containers.RUN, struct.pack("<HHHHH", 2, 9, 0, 5, 0), 2, "order"),
    ],
)
def test_every_fault_of_a_container_is_named(
    kind: int, body: bytes, cardinality: int, fault: str
) -> None:
    assert fault in containers.check(kind, body, cardinality)
    with pytest.raises(AssertionError):
        containers.decode(kind, body, cardinality)


# ---------------------------------------------------------------------------- a directory


def test_a_directory_is_laid_out_as_documented() -> None:
    bitset = every(2, 5000)
    everyone = every(1, 10000)
    members = [everyone, rows(3, 9), bitset, rows()]
    codes = np.array([0, 2, 7, 9], np.uint32)
    starts = np.cumsum([0, *map(len, members)])
    (part,) = directory.pack(codes, starts, np.concatenate(members))
    assert struct.unpack_from("<IIII", part, 0) == (4, 0, 9, 0)
    entries = [struct.unpack_from("<IIIHBB", part, 16 + 16 * i) for i in range(4)]
    body = 128  # 16 + 4 * 16 = 80, then up to the next multiple of 64
    assert entries == [
        (0, 10000, body + 8192, 3, containers.RUN, 0),
        (2, 2, body + 8192 + 8, 2, containers.ARRAY, 0),
        (7, 5000, body, 4096, containers.BITSET, 0),
        (9, 0, 0, 0, containers.EMPTY, 0),
    ]
    assert part[80:128] == bytes(48)
    assert part[body : body + 8192] == b"\x55" * 1250 + bytes(8192 - 1250)
    assert part[body + 8192 :] == struct.pack("<HHHxxHHxxxx", 1, 0, 9999, 3, 9)
    assert directory.check(part) == ""


def test_a_directory_without_bitsets_has_no_gap() -> None:
    (part,) = directory.pack(np.zeros(1, np.uint32), np.array([0, 1]), rows(5))
    assert part == struct.pack("<IIII IIIHBB Hxxxxxx", 1, 0, 0, 0, 0, 1, 32, 1, 1, 0, 5)


def test_parts_stay_below_their_bound_and_can_be_read_alone() -> None:
    count = 40
    members = every(2, 5000)
    starts = np.arange(count + 1) * 5000
    parts = directory.pack(np.arange(count, dtype=np.uint32), starts, np.tile(members, count))
    assert [len(part) <= directory.PART_BYTES for part in parts] == [True, True]
    assert len(parts[0]) > directory.PART_BYTES - 8192 - 64
    seen = []
    for part in parts:
        assert directory.check(part) == ""
        codes, ends, found = directory.unpack(memoryview(part))
        assert struct.unpack_from("<III", part) == (len(codes), codes[0], codes[-1])
        assert np.array_equal(found, np.tile(members, len(codes)))
        assert np.array_equal(ends, np.arange(len(codes) + 1) * 5000)
        seen += codes.tolist()
    assert seen == list(range(count))


def test_one_code_and_one_row_are_found() -> None:
    codes = np.array([0, 3, 5, 4_000_000_000], np.uint32)
    (part,) = directory.pack(codes, np.array([0, 3, 5, 6, 8]), rows(1, 2, 9, 1, 9, 2, 1, 2))
    assert [
        None if (found := directory.rows_of_code(part, code)) is None else found.tolist()
        for code in (0, 1, 3, 5, 4_000_000_000, 4_000_000_001)
    ] == [[1, 2, 9], None, [1, 9], [2], [1, 2], None]
    assert directory.codes_of_row(part, 1).tolist() == [3, 4_000_000_000]
    assert directory.codes_of_row(part, 2).tolist() == [5, 4_000_000_000]
    assert directory.codes_of_row(part, 3).tolist() == []


@pytest.mark.parametrize(
    ("at", "new", "fault"),
    [
        (0, b"\xff\xff\xff\xff", "head"),
        (4, b"\x01", "head"),
        (8, b"\x01", "head"),
        (12, b"\x01", "head"),
        (32, b"\x00", "codes"),
        (32 + 8, b"\x41", "points"),  # offset not a multiple of 8
        (32 + 8, b"\x08", "points"),  # inside of the entries
        (32 + 8, b"\xf8\xff\xff\xff", "points"),
        (32 + 12, b"\xff\x0f", "points"),
        (32 + 4, b"\x05", "size"),
        (32 + 14, b"\x09", "kind"),
        (32 + 15, b"\x01", "kind"),
    ],
)
def test_every_fault_of_a_directory_is_named(at: int, new: bytes, fault: str) -> None:
    codes = np.array([0, 8, 9], np.uint32)
    (part,) = directory.pack(codes, np.array([0, 2, 4, 5]), rows(1, 9, 1, 9, 1))
    assert directory.check(part) == ""
    damaged = bytearray(part)
    damaged[at : at + len(new)] = new
    assert fault in directory.check(bytes(damaged))


def test_a_cut_directory_is_refused_and_not_read_past_its_end() -> None:
    members = np.concatenate([every(3, 9000), every(2, 5000), rows(4, 5, 6, 7), rows(1, 60000)])
    starts = np.array([0, 9000, 14000, 14004, 14006])
    (part,) = directory.pack(np.arange(4, dtype=np.uint32), starts, members)
    for size in [*range(0, 200), *range(len(part) - 40, len(part) - 4)]:
        assert directory.check(part[:size]) != "", size


# ----------------------------------------------------------------------- the public format


def masks(bitmap: BitMap) -> list[tuple[int, np.ndarray]]:
    values = np.array(bitmap, np.uint32)
    return [
        (block, containers.mask_of_rows(values[values >> 16 == block].astype(np.uint16)))
        for block in np.unique(values >> 16).tolist()
    ]


BITMAPS = {
    "empty": BitMap(),
    "one": BitMap([4_294_967_295]),
    "three runs": BitMap([*range(10, 99), *range(65536, 65600), *range(200000, 200100)]),
    "four runs": BitMap(
        [*range(10, 99), *range(65536, 65600), *range(200000, 200100), *range(300000, 300100)]
    ),
    "nine mixed": BitMap(
        [b * 65536 + r * (1 + b % 3) for b in range(9) for r in range(1 + b * 2000)]
    ),
    "full block": BitMap(range(65536, 131072)),
}


@pytest.mark.parametrize("name", BITMAPS)
def test_portable_bitmaps_go_both_ways(name: str) -> None:
    bitmap = BITMAPS[name].copy()
    ours = portable(masks(bitmap))
    assert BitMap.deserialize(ours) == bitmap
    bitmap.run_optimize()
    assert ours == bitmap.serialize()
    for theirs in (bitmap.serialize(), BITMAPS[name].serialize()):
        found = list(blocks_of_portable(theirs))
        assert [block for block, _ in found] == [block for block, _ in masks(bitmap)]
        for (_, ours_mask), (_, mask) in zip(found, masks(bitmap), strict=True):
            assert np.array_equal(ours_mask, mask)


def test_blocks_without_rows_are_left_out() -> None:
    empty = np.zeros(1024, np.uint64)
    assert portable([(0, empty), (5, containers.mask_of_rows(rows(2))), (6, empty)]) == (
        BitMap([5 * 65536 + 2]).serialize()
    )


def test_touching_runs_of_others_are_read() -> None:
    data = struct.pack("<HHBHHHHHHH", 12347, 0, 1, 3, 4, 2, 10, 1, 12, 2)
    ((block, mask),) = blocks_of_portable(data)
    assert block == 3
    assert containers.rows_of_mask(mask).tolist() == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 8,
        struct.pack("<II", 12346, 65537),
        struct.pack("<IIHHIH", 12346, 1, 0, 1, 16, 5),  # says two rows, holds one
        struct.pack("<IIHHIHH", 12346, 1, 0, 1, 16, 5, 4),  # out of order
        struct.pack("<IIHHIHB", 12346, 1, 0, 0, 16, 5, 0),  # a byte too many
        struct.pack("<IIHHHHIIHH", 12346, 2, 1, 0, 1, 0, 24, 26, 5, 5),  # a block twice
        struct.pack("<HHBHHHHH", 12347, 0, 1, 3, 1, 1, 65535, 1),  # past the block
        struct.pack("<HHBHHHHHHH", 12347, 0, 1, 3, 3, 2, 10, 1, 11, 1),  # overlapping
        struct.pack("<HHBHHHHH", 12347, 0, 1, 3, 1, 1, 10, 2),  # miscounted
        BITMAPS["nine mixed"].serialize()[:-1],
    ],
)
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InputInvalid, match="portable roaring"):
        list(blocks_of_portable(data))
