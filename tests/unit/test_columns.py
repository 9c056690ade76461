"""Payloads of columns, field by field against struct, and what `verify` finds wrong in them."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from engine.bitmaps import containers
from engine.columns import (
    bools,
    check,
    codes,
    column,
    floats,
    givers,
    ints,
    sets,
    splitting,
    texts,
    uids,
    values,
)
from engine.columns.strings import Strings
from engine.columns.zone import Encoded, Zone

# strata_column, strata_text of layout.h, with the presence entry as its six fields.
COLUMN = "<BBHIIIqQQ IIIHBB II".replace(" ", "")
TEXT = "<IIIIII IIIHBB II".replace(" ", "")
DAY_US = 86_400_000_000


def only(encoded: Encoded) -> bytes:
    (part,) = encoded.parts
    return part


def bits(*present: int) -> np.ndarray:
    return np.array(present, np.bool_)


# ----------------------------------------------------------------------------------- ints


def test_ints_are_laid_out_as_documented() -> None:
    encoded = ints.encode_ints(np.array([1000, 77, 1003, 1255]), bits(1, 0, 1, 1))
    part = only(encoded)
    assert struct.unpack_from(COLUMN, part) == (
        *(1, 1, 0, 0, 4, 3, 1000, 1, 255),
        *(0, 3, 128, 3, containers.ARRAY, 0),
        *(64, 0),
    )
    assert part[64:128] == bytes([0, 0, 3, 255]) + bytes(60)
    assert part[128:] == struct.pack("<HHHxx", 0, 2, 3)
    assert encoded.zone == Zone(3, 1000, 1255)


@pytest.mark.parametrize(
    ("low", "high", "width"),
    [
        (5, 5, 0),
        (-1, 254, 1),
        (-1, 255, 2),
        (0, 65535, 2),
        (0, 65536, 4),
        (-(2**31), 2**31 - 1, 4),
        (0, 2**32, 8),
        (-(2**63), 2**63 - 1, 8),
    ],
)
def test_the_narrowest_width_is_taken(low: int, high: int, width: int) -> None:
    content = np.array([low, high, low + (high > low), high])  # neighbours: no step helps
    encoded = ints.encode_ints(content, np.ones(4, np.bool_))
    head = column.read_head(only(encoded))
    assert (head.width, head.base, head.step, head.max_stored) == (width, low, 1, high - low)
    assert ints.decode_ints(encoded.parts)[0].tolist() == content.tolist()


@pytest.mark.parametrize(
    ("content", "width", "step"),
    [
        ([0, DAY_US, 700 * DAY_US], 2, DAY_US),
        ([-5, -5 + 3_000_000, -5 + 7_000_000], 1, 1_000_000),
        ([0, 250], 1, 1),  # a step of 250 would save nothing
        ([-(2**63), 2**63 - 1], 1, 2**64 - 1),
        ([-(2**63), 0, 2**62], 1, 2**62),
        ([0, 600, 1000], 1, 200),
        ([0, 600, 1001], 2, 1),
        ([0, 2**32, 2**32 + 6], 4, 2),
    ],
)
def test_a_step_is_taken_where_it_narrows(content: list[int], width: int, step: int) -> None:
    encoded = ints.encode_ints(np.array(content), np.ones(len(content), np.bool_))
    head = column.read_head(only(encoded))
    assert (head.width, head.step) == (width, step)
    assert head.max_stored == (max(content) - min(content)) // step
    assert ints.decode_ints(encoded.parts)[0].tolist() == content
    assert [ints.read_row(encoded.parts, i) for i in range(len(content))] == content


def test_a_column_of_one_value_has_no_values_stored() -> None:
    encoded = ints.encode_ints(np.full(65536, -9), np.ones(65536, np.bool_))
    part = only(encoded)
    assert struct.unpack_from(COLUMN, part) == (
        *(1, 0, 0, 0, 65536, 65536, -9, 1, 0),
        *(0, 65536, 64, 3, containers.RUN, 0),
        *(64, 0),
    )
    assert part[64:] == struct.pack("<HHHxx", 1, 0, 65535)
    assert ints.read_row(encoded.parts, 65535) == -9


@pytest.mark.parametrize("count", [0, 3])
def test_a_column_without_values(count: int) -> None:
    encoded = ints.encode_ints(np.full(count, 5), np.zeros(count, np.bool_))
    assert struct.unpack_from(COLUMN, only(encoded)) == (
        *(1, 0, 0, 0, count, 0, 0, 1, 0),
        *(0, 0, 0, 0, containers.EMPTY, 0),
        *(64, 0),
    )
    assert len(only(encoded)) == 64
    assert encoded.zone == Zone(0, None, None)
    assert ints.decode_ints(encoded.parts)[0].tolist() == [0] * count
    assert ints.read_row(encoded.parts, 0) is None


@pytest.mark.parametrize(
    ("width", "rows"), [(0, 65536), (1, 65536), (2, 65536), (4, 32768), (8, 16384), (16, 8192)]
)
def test_parts_hold_a_power_of_two_of_rows(width: int, rows: int) -> None:
    assert column.rows_per_part(width) == rows


def test_parts_are_read_without_each_other() -> None:
    content = np.arange(40_000) * 3_000_000_017 + np.arange(40_000) % 2
    present = content % 5 != 0
    encoded = ints.encode_ints(content, present)
    heads = [column.read_head(part) for part in encoded.parts]
    assert [(head.first_row, head.row_count) for head in heads] == [
        (0, 16384),
        (16384, 16384),
        (32768, 7232),
    ]
    for part, head in zip(encoded.parts, heads, strict=True):
        rows = slice(head.first_row, head.first_row + head.row_count)
        assert head.present_count == present[rows].sum()
        assert head.max_stored * head.step + head.base == content[rows][present[rows]].max()
        assert np.array_equal(column.read_present(part, head), present[rows])
        assert len(part) <= 256 << 10
    assert ints.read_row(encoded.parts, 39_999) == content[39_999]
    assert ints.read_row(encoded.parts, 40_000) is None


# ----------------------------------------------------------------- floats, codes and uids


def test_floats_are_laid_out_as_documented() -> None:
    encoded = floats.encode_floats(np.array([1.5, np.nan, -0.0]), bits(1, 0, 1))
    part = only(encoded)
    end = 64 + 64 * 8
    assert struct.unpack_from(COLUMN, part) == (
        *(2, 8, 0, 0, 3, 2, 0, 1, 0),
        *(0, 2, end, 2, containers.ARRAY, 0),
        *(64, 0),
    )
    assert part[64:end] == struct.pack("<ddd", 1.5, 0.0, 0.0) + bytes(61 * 8)
    assert part[end:] == struct.pack("<HHxxxx", 0, 2)
    assert encoded.zone == Zone(2, 0.0, 1.5)
    assert floats.read_row(encoded.parts, 1) is None
    assert floats.read_row(encoded.parts, 0) == 1.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(AssertionError, match="refused at the door"):
        floats.encode_floats(np.array([bad]), bits(1))


def test_codes_are_laid_out_as_documented() -> None:
    encoded = codes.encode_codes(np.array([3, 0, 256], np.uint32))
    part = only(encoded)
    assert struct.unpack_from(COLUMN, part) == (
        *(3, 2, 0, 0, 3, 2, 0, 1, 256),
        *(0, 0, 0, 0, containers.EMPTY, 0),
        *(64, 0),
    )
    assert part[64:] == struct.pack("<HHH", 3, 0, 256) + bytes(61 * 2)
    assert encoded.zone == Zone(2, 3, 256)
    assert [codes.read_row(encoded.parts, row) for row in (0, 1, 2, 3, 65535)] == [3, 0, 256, 0, 0]


@pytest.mark.parametrize(
    ("greatest", "width"), [(0, 1), (255, 1), (256, 2), (65535, 2), (65536, 4), (2**32 - 1, 4)]
)
def test_codes_take_the_narrowest_width(greatest: int, width: int) -> None:
    encoded = codes.encode_codes(np.array([greatest], np.uint32))
    assert column.read_head(only(encoded)).width == width
    assert codes.decode_codes(encoded.parts).tolist() == [greatest]


def test_decoded_columns_are_views_where_nothing_has_to_change() -> None:
    wide = np.array([70_000, 1], np.uint32)
    part = only(codes.encode_codes(wide))
    assert np.shares_memory(codes.decode_codes([part]), np.frombuffer(part, np.uint8))
    part = only(floats.encode_floats(np.ones(3), np.ones(3, np.bool_)))
    assert np.shares_memory(floats.decode_floats([part])[0], np.frombuffer(part, np.uint8))
    part = only(uids.encode_uids(np.ones((3, 16), np.uint8)))
    assert np.shares_memory(uids.decode_uids([part]), np.frombuffer(part, np.uint8))


def test_uids_are_laid_out_as_documented() -> None:
    content = np.arange(48, dtype=np.uint8).reshape(3, 16)
    content[1] = 0
    encoded = uids.encode_uids(content)
    part = only(encoded)
    assert struct.unpack_from(COLUMN, part) == (
        *(4, 16, 0, 0, 3, 2, 0, 1, 0),
        *(0, 0, 0, 0, containers.EMPTY, 0),
        *(64, 0),
    )
    assert part[64:] == content.tobytes() + bytes(61 * 16)
    assert encoded.zone == Zone(2)
    assert uids.read_row(encoded.parts, 2) == bytes(range(32, 48))
    assert uids.read_row(encoded.parts, 3) is None


# --------------------------------------------------------------------------- sets and bools


def test_sets_keep_their_presence_under_code_0() -> None:
    pairs = [(9, 2), (1, 2), (9, 5), (9, 2), (70, 5)]
    encoded = sets.encode_set_pairs(
        np.array([row for row, _ in pairs], np.uint16), np.array([c for _, c in pairs], np.uint32)
    )
    part = only(encoded)
    assert struct.unpack_from("<IIII", part) == (3, 0, 5, 0)
    assert [struct.unpack_from("<IIIHBB", part, 16 + 16 * i) for i in range(3)] == [
        (0, 3, 64, 3, containers.ARRAY, 0),
        (2, 2, 72, 2, containers.ARRAY, 0),
        (5, 2, 80, 2, containers.ARRAY, 0),
    ]
    assert part[64:] == struct.pack("<HHHxxHHxxxxHHxxxx", 1, 9, 70, 1, 9, 9, 70)
    assert encoded.zone == Zone(3, 2, 5)
    members = {code: rows.tolist() for code, rows in sets.decode_set(encoded.parts).items()}
    assert members == {2: [1, 9], 5: [9, 70]}
    assert sets.decode_rows(encoded.parts).tolist() == [1, 9, 70]
    assert sets.rows_of_code(encoded.parts, 5).tolist() == [9, 70]
    assert sets.rows_of_code(encoded.parts, 3).tolist() == []
    assert sets.read_row(encoded.parts, 9).tolist() == [2, 5]
    by_member = {5: np.array([70, 9], np.uint16), 2: np.array([9, 1, 9], np.uint16)}
    assert sets.encode_set(by_member) == encoded


def test_an_empty_set_still_has_its_presence() -> None:
    encoded = sets.encode_set({})
    assert only(encoded) == struct.pack("<IIIIIIIHBB", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert encoded.zone == Zone(0)
    assert sets.decode_set(encoded.parts) == {}
    assert sets.decode_rows(encoded.parts).tolist() == []
    assert sets.read_row(encoded.parts, 0).tolist() == []


def test_presence_stands_in_the_first_part_only() -> None:
    count = 30_000
    rows = (np.arange(count) % 65536).astype(np.uint16)
    encoded = sets.encode_set_pairs(rows, np.arange(1, count + 1, dtype=np.uint32))
    assert len(encoded.parts) == 3
    firsts = [struct.unpack_from("<IIII", part)[1] for part in encoded.parts]
    assert firsts[0] == 0 and 0 < firsts[1] < firsts[2]
    assert max(map(len, encoded.parts)) <= 256 << 10
    found_rows, found_codes = sets.decode_set_pairs(encoded.parts)
    assert np.array_equal(found_rows, rows)
    assert np.array_equal(found_codes, np.arange(1, count + 1))
    assert sets.read_row(encoded.parts, 29_999).tolist() == [30_000]


def test_live_rows_are_code_0_alone() -> None:
    encoded = sets.encode_rows(np.arange(65536).astype(np.uint16))
    assert only(encoded) == struct.pack(
        "<IIII IIIHBB HHHxx", 1, 0, 0, 0, 0, 65536, 32, 3, containers.RUN, 0, 1, 0, 65535
    )
    assert encoded.zone == Zone(65536)


@pytest.mark.parametrize(
    ("content", "present", "entries", "zone"),
    [
        ([1, 0, 1], [1, 1, 0], [0, 1, 2], Zone(2, 1, 2)),
        ([0, 0, 1], [1, 1, 0], [0, 1], Zone(2, 1, 1)),
        ([1, 1, 1], [1, 0, 0], [0, 2], Zone(1, 2, 2)),
        ([1, 1, 1], [0, 0, 0], [0], Zone(0, None, None)),
    ],
)
def test_bools_are_a_set_of_two(content, present, entries, zone) -> None:
    encoded = bools.encode_bools(bits(*content), bits(*present))
    part = only(encoded)
    found = [struct.unpack_from("<I", part, 16 + 16 * i)[0] for i in range(len(entries))]
    assert struct.unpack_from("<I", part) == (len(entries),)
    assert found == entries
    assert encoded.zone == zone
    expected = [bool(v) if p else None for v, p in zip(content, present, strict=True)]
    assert [bools.read_row(encoded.parts, row) for row in range(3)] == expected
    held, known = bools.decode_bools(encoded.parts, 3)
    assert known.tolist() == bits(*present).tolist()
    assert held.tolist() == [value is True for value in expected]


# ------------------------------------------------------- texts, identifier values, givers


def test_texts_are_laid_out_as_documented() -> None:
    encoded = texts.encode_texts(Strings.from_list(["ab", None, "", "é"]))
    part = only(encoded)
    assert struct.unpack_from(TEXT, part) == (
        *(0, 4, 3, 56, 76, 0),
        *(0, 3, 48, 3, containers.ARRAY, 0),
        *(0, 0),
    )
    assert part[48:56] == struct.pack("<HHHxx", 0, 2, 3)
    assert part[56:] == struct.pack("<IIIII", 0, 2, 2, 2, 4) + "abé".encode()
    assert encoded.zone == Zone(3)
    assert [texts.read_row(encoded.parts, row) for row in range(5)] == ["ab", None, "", "é", None]


def test_long_texts_are_cut_into_parts_between_rows() -> None:
    longest = splitting.MAX_STRING_BYTES
    content = ["x" * longest, None, "y" * 200_000, "z" * 200_000, None, "w"]
    encoded = texts.encode_texts(Strings.from_list(content))
    assert [texts.read_head(part)[:3] for part in encoded.parts] == [
        (0, 2, 1),
        (2, 1, 1),
        (3, 3, 2),
    ]
    assert max(map(len, encoded.parts)) <= 256 << 10
    assert texts.decode_texts(encoded.parts).to_list() == content
    assert [texts.read_row(encoded.parts, row) for row in range(6)] == content
    with pytest.raises(AssertionError, match="MAX_STRING_BYTES"):
        texts.encode_texts(Strings.from_list(["x" * (longest + 65)]))


def test_values_are_laid_out_as_documented() -> None:
    rows = np.array([9, 2, 9, 9, 2], np.uint16)
    encoded = values.encode_values(rows, Strings.from_list(["b", "139", "a", "b", "138"]))
    part = only(encoded)
    assert struct.unpack_from("<IIII", part) == (4, 16, 24, 44)
    assert part[16:44] == struct.pack("<HHHHIIIII", 2, 2, 9, 9, 0, 3, 6, 7, 8)
    assert part[44:] == b"138139ab" + bytes(4)
    assert encoded.zone == Zone(2)
    assert values.read_row(encoded.parts, 2) == ["138", "139"]
    assert values.read_row(encoded.parts, 9) == ["a", "b"]
    assert values.read_row(encoded.parts, 3) == []


def test_values_of_one_row_may_lie_in_two_parts() -> None:
    content = [f"{i:06}" + "x" * 100 for i in range(5000)]
    encoded = values.encode_values(np.full(5000, 8, np.uint16), Strings.from_list(content[::-1]))
    assert len(encoded.parts) == 3
    assert max(map(len, encoded.parts)) <= 256 << 10
    assert values.read_row(encoded.parts, 8) == content
    found_rows, found = values.decode_values(encoded.parts)
    assert set(found_rows.tolist()) == {8} and found.to_list() == content


def test_givers_are_laid_out_as_documented() -> None:
    triples = [(9, 2, 7), (1, 5, 7), (9, 2, 6), (1, 3, 7), (9, 2, 7)]
    rows, held, by = (list(column) for column in zip(*triples, strict=True))
    encoded = givers.encode_givers(
        np.array(rows, np.uint16), np.array(held, np.uint32), np.array(by, np.uint32)
    )
    part = only(encoded)
    assert struct.unpack_from("<IIII", part) == (4, 16, 24, 40)
    assert part[16:24] == struct.pack("<HHHH", 1, 1, 9, 9)
    assert part[24:40] == struct.pack("<IIII", 3, 5, 2, 2)
    assert part[40:] == struct.pack("<IIII", 7, 7, 6, 7)
    assert encoded.zone == Zone(2, 2, 5)
    assert givers.read_row(encoded.parts, 9) == [(2, 6), (2, 7)]
    assert givers.read_row(encoded.parts, 2) == []


def test_givers_are_cut_where_a_part_is_full() -> None:
    rows = np.arange(60_000, dtype=np.uint16)
    ones = np.ones(60_000, np.uint32)
    encoded = givers.encode_givers(rows, ones, ones)
    assert [len(part) <= 256 << 10 for part in encoded.parts] == [True] * 3
    assert np.array_equal(givers.decode_givers(encoded.parts).rows, rows)
    assert givers.read_row(encoded.parts, 59_999) == [(1, 1)]


# -------------------------------------------------------------------------------- checking


def _columns() -> dict[str, tuple]:
    spread = np.array([1000, 77, 1003, 1255])
    text = Strings.from_list(["ab", None, "", "é"])
    pairs = np.array([1, 9, 9], np.uint16), np.array([4, 4, 5], np.uint32)
    some = bits(1, 0, 1, 1)
    return {
        "ints": (check.check_column, ints.encode_ints(spread, some)),
        "floats": (check.check_column, floats.encode_floats(spread * 0.5, some)),
        "codes": (check.check_column, codes.encode_codes(spread.astype(np.uint32))),
        "uids": (check.check_column, uids.encode_uids(np.ones((3, 16), np.uint8))),
        "set": (check.check_set, sets.encode_set_pairs(*pairs)),
        "rows": (check.check_set, sets.encode_rows(pairs[0][:2])),
        "texts": (check.check_texts, texts.encode_texts(text)),
        "values": (
            check.check_values,
            values.encode_values(pairs[0], Strings.from_list(["a", "b", "c"])),
        ),
        "givers": (check.check_givers, givers.encode_givers(*pairs, pairs[1])),
    }


@pytest.mark.parametrize("name", _columns())
def test_sound_payloads_pass(name: str) -> None:
    verify, encoded = _columns()[name]
    assert verify(encoded.parts) == ""
    assert verify([memoryview(part) for part in encoded.parts]) == ""


@pytest.mark.parametrize("name", _columns())
def test_cut_payloads_are_refused(name: str) -> None:
    verify, encoded = _columns()[name]
    part = only(encoded)
    assert verify([]) != ""
    for size in range(len(part) - 7):
        assert verify([part[:size]]) != "", size


@pytest.mark.parametrize(
    ("name", "at", "new", "fault"),
    [
        ("ints", 0, b"\x05", "width or a kind"),
        ("ints", 1, b"\x03", "width or a kind"),
        ("ints", 4, b"\x40", "do not follow"),
        ("ints", 8, b"\x03", "rows after its last one"),
        ("ints", 8, b"\x01\x00\x01", "do not follow"),
        ("ints", 12, b"\x02", "number of present rows"),
        ("ints", 23, b"\x7f" + b"\xff" * 8, "beyond 64 bits"),
        ("ints", 24, b"\x00", "greatest value"),
        ("ints", 32, b"\x01", "greatest value"),
        ("ints", 40, b"\x01", "presence that is not one"),
        ("ints", 44, b"\x02", "presence that has a size"),
        ("ints", 56, b"\x41", "values past its end"),
        ("ints", 56, b"\xc0", "values past its end"),
        ("ints", 64 + 1, b"\x01", "missing row"),
        ("ints", 64 + 4, b"\x01", "rows after its last one"),
        ("ints", 128 + 4, b"\x04", "outside of its rows"),
        ("floats", 16, b"\x01", "base"),
        ("floats", 32, b"\x01", "greatest value"),
        ("floats", 64 + 6, b"\xf0\x7f", "not a number"),
        ("codes", 64, b"\x01\x10", "greatest value"),
        ("codes", 64, b"\x00\x00", "number of present rows"),
        ("uids", 64, bytes(16), "number of present rows"),
        ("set", 16, b"\x01", "head"),
        ("set", 64, b"\x02", "presence that is not the union"),
        ("set", 72, b"\x02", "presence that is not the union"),
        ("set", 66, b"\x01", "order"),
        ("texts", 0, b"\x01", "do not follow"),
        ("texts", 8, b"\x02", "number of present rows"),
        ("texts", 48, b"\x01", "missing row"),
        ("texts", 56, b"\x01", "out of order"),
        ("texts", 64, b"\x01", "out of order"),
        ("texts", 72, b"\x05", "past its end"),
        ("texts", 78, b"\xff", "UTF-8"),
        ("values", 0, b"\x09", "past its end"),
        ("values", 16, b"\x0a", "order"),
        ("values", 41, b"c", "twice"),
        ("givers", 0, b"\x40", "past its end"),
        ("givers", 16, b"\x0a", "out of order"),
        ("givers", 28, b"\x06", "out of order"),
    ],
)
def test_every_fault_of_a_payload_is_named(name: str, at: int, new: bytes, fault: str) -> None:
    verify, encoded = _columns()[name]
    damaged = bytearray(only(encoded))
    damaged[at : at + len(new)] = new
    assert fault in verify([bytes(damaged)])


def test_parts_that_do_not_follow_each_other_are_refused() -> None:
    full = floats.encode_floats(np.arange(40_000.0), np.ones(40_000, np.bool_)).parts
    assert check.check_column(full) == ""
    for wrong in (full[1:], full[::2], full[::-1], (full[0], *full)):
        assert "do not follow" in check.check_column(wrong)
    text = texts.encode_texts(Strings.from_list(["x" * 200_000] * 3)).parts
    assert check.check_texts(text) == ""
    for wrong in (text[1:], text[::-1], (text[0], *text)):
        assert "do not follow" in check.check_texts(wrong)
    many = sets.encode_set_pairs(
        np.arange(30_000, dtype=np.uint16), np.arange(1, 30_001, dtype=np.uint32)
    ).parts
    assert check.check_set(many) == ""
    assert "no presence" in check.check_set(many[1:])
    assert "codes out of order" in check.check_set((*many, many[1]))
    assert "union" in check.check_set(many[:-1])
