"""Every codec gives back what it was given, as a whole and row by row, for any data.

Sizes lean on the borders: words of 64 rows, parts, blocks. Contents lean on the extremes.
Each payload must pass the check of `verify`, and no part may be longer than its bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from engine.bitmaps import containers, directory
from engine.bitmaps.portable import blocks_of_portable, portable
from engine.columns import bools, check, codes, floats, givers, ints, sets, texts, uids, values
from engine.columns.strings import Strings, concat, factorize
from engine.columns.zone import Encoded, Zone

BLOCK = 65536
NEAR = (-2, -1, 0, 1, 2)
BORDERS = sorted(
    {0, 1, BLOCK}
    | {base + d for base in (64, 128, 4096, 8192, 16384, 32768) for d in NEAR}
    | {BLOCK + d for d in (-64, -2, -1)}
)
SIZES = st.one_of(st.sampled_from(BORDERS), st.integers(0, 300), st.integers(0, BLOCK))
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.001, 0.03, 0.5, 0.97, 0.9999, 1.0])
INT64 = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([-(2**63), -(2**63) + 1, -1, 0, 1, 2**31, 2**32, 2**63 - 2, 2**63 - 1]),
)


@st.composite
def presences(draw: st.DrawFn) -> tuple[np.ndarray, np.random.Generator]:
    """(which rows are present, a source of chance for what they hold)."""
    count, chance = draw(SIZES), np.random.default_rng(draw(SEEDS))
    present = chance.random(count) < draw(SHARES)
    if draw(st.booleans()):  # in runs, as rows loaded together are
        present = np.repeat(present[: -(-count // 100)], 100)[:count]
    return present, chance


def sound(encoded: Encoded, verify: Callable[[Sequence[bytes]], str]) -> list[memoryview]:
    """The parts as the store hands them out, checked."""
    assert encoded.parts and max(map(len, encoded.parts)) <= directory.PART_BYTES
    assert verify(encoded.parts) == ""
    return [memoryview(part) for part in encoded.parts]


def sample(count: int, chance: np.random.Generator) -> list[int]:
    """Some rows below `count`, both ends and the borders among them."""
    near = [row for row in BORDERS if row < count]
    return near + chance.integers(0, count, 10).tolist() if count else []


def rows_of(bits: np.ndarray) -> np.ndarray:
    return np.flatnonzero(bits).astype(np.uint16)


@given(presences())
def test_containers(drawn: tuple) -> None:
    present, chance = drawn
    rows = rows_of(present)
    kind, body, cardinality = containers.encode(rows)
    mask = containers.mask_of_rows(rows)
    assert (kind, body, cardinality) == containers.encode_mask(mask)
    assert containers.check(kind, body, cardinality) == ""
    run_count = int(np.count_nonzero(np.diff(present, prepend=False) & present))
    forms = [8192, 2 * len(rows) if len(rows) <= 4096 else 8192, 2 + 4 * run_count]
    assert len(body) == (min(forms) if len(rows) else 0)
    assert np.array_equal(containers.decode(kind, body, cardinality), rows)
    assert np.array_equal(containers.rows_of_mask(mask), rows)
    for row in sample(len(present), chance):
        assert containers.contains(kind, body, cardinality, row) == present[row]


@given(st.lists(st.tuples(st.integers(0, 65535), presences()), max_size=6))
def test_portable_bitmaps(drawn: list) -> None:
    blocks = {block: containers.mask_of_rows(rows_of(bits)) for block, (bits, _) in drawn}
    expected = BitMap()
    for block, mask in blocks.items():
        expected |= BitMap(containers.rows_of_mask(mask).astype(np.uint32) + (block << 16))
    ours = portable(sorted(blocks.items()))
    assert BitMap.deserialize(ours) == expected
    kept = {block: mask for block, mask in sorted(blocks.items()) if mask.any()}
    for data in (ours, expected.serialize()):
        found = list(blocks_of_portable(data))
        assert [block for block, _ in found] == list(kept)
        assert all(np.array_equal(mask, kept[block]) for block, mask in found)


@given(presences(), INT64, INT64, st.sampled_from([1, 1, 2, 60, 1_000_000, 86_400_000_000]))
def test_ints(drawn: tuple, one: int, other: int, step: int) -> None:
    present, chance = drawn
    low, high = min(one, other), max(one, other)
    span = (high - low) // step
    steps = chance.integers(0, span, len(present), np.uint64, endpoint=True)
    content = (steps * np.uint64(step) + np.uint64(low % 2**64)).view(np.int64)
    encoded = ints.encode_ints(content, present)
    parts = sound(encoded, check.check_column)
    decoded, known = ints.decode_ints(parts)
    assert np.array_equal(known, present)
    assert np.array_equal(decoded, np.where(present, content, 0))
    held = content[present]
    limits = (int(held.min()), int(held.max())) if len(held) else (None, None)
    assert encoded.zone == Zone(len(held), *limits)
    for row in sample(len(present), chance):
        assert ints.read_row(parts, row) == (int(content[row]) if present[row] else None)


@given(presences(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
def test_floats(drawn: tuple, extreme: float, wide: bool) -> None:
    present, chance = drawn
    content = chance.normal(size=len(present))
    if wide:
        content = np.ldexp(content, chance.integers(-1070, 1020, len(present)))
    content[chance.random(len(present)) < 0.1] = extreme
    content[chance.random(len(present)) < 0.1] = -0.0
    encoded = floats.encode_floats(np.where(present, content, np.nan), present)
    parts = sound(encoded, check.check_column)
    decoded, known = floats.decode_floats(parts)
    assert np.array_equal(known, present)
    assert np.array_equal(decoded, np.where(present, content, 0.0))
    assert not np.signbit(decoded[decoded == 0]).any()
    held = content[present]
    limits = (held.min(), held.max()) if len(held) else (None, None)
    assert encoded.zone == Zone(len(held), *limits)
    for row in sample(len(present), chance):
        assert floats.read_row(parts, row) == (content[row] if present[row] else None)


@given(presences(), st.sampled_from([1, 2, 255, 256, 65535, 65536, 2**32 - 1]))
def test_codes(drawn: tuple, greatest: int) -> None:
    present, chance = drawn
    content = chance.integers(1, greatest, len(present), np.uint32, endpoint=True) * present
    encoded = codes.encode_codes(content)
    parts = sound(encoded, check.check_column)
    assert np.array_equal(codes.decode_codes(parts), content)
    assert encoded.zone.present_count == present.sum()
    for row in sample(len(present), chance):
        assert codes.read_row(parts, row) == content[row]


@given(presences())
def test_uids(drawn: tuple) -> None:
    present, chance = drawn
    content = chance.integers(0, 256, (len(present), 16), np.uint8)
    content[~present] = 0
    encoded = uids.encode_uids(content)
    parts = sound(encoded, check.check_column)
    assert np.array_equal(uids.decode_uids(parts), content)
    for row in sample(len(present), chance):
        assert uids.read_row(parts, row) == content[row].tobytes()


@given(presences(), SHARES)
def test_bools(drawn: tuple, share: float) -> None:
    present, chance = drawn
    content = chance.random(len(present)) < share
    encoded = bools.encode_bools(content, present)
    parts = sound(encoded, check.check_set)
    decoded, known = bools.decode_bools(parts, len(present))
    assert np.array_equal(known, present)
    assert np.array_equal(decoded, content & present)
    for row in sample(len(present), chance):
        assert bools.read_row(parts, row) == (bool(content[row]) if present[row] else None)


@given(presences(), st.integers(0, 3), st.sampled_from([1, 2, 30, 5_000, 2**32 - 1]))
def test_sets(drawn: tuple, each: int, greatest: int) -> None:
    present, chance = drawn
    rows = np.repeat(rows_of(present), each)
    members = chance.integers(1, greatest, len(rows), np.uint32, endpoint=True)
    order = chance.permutation(len(rows))
    encoded = sets.encode_set_pairs(rows[order], members[order])
    parts = sound(encoded, check.check_set)
    expected = sorted(set(zip(members.tolist(), rows.tolist(), strict=True)))
    found_rows, found_codes = sets.decode_set_pairs(parts)
    assert list(zip(found_codes.tolist(), found_rows.tolist(), strict=True)) == expected
    assert sets.decode_rows(parts).tolist() == sorted(set(rows.tolist()))
    by_code = sets.decode_set(parts)
    assert sets.encode_set(by_code) == encoded
    for code in list(by_code)[:5]:
        assert np.array_equal(sets.rows_of_code(parts, code), by_code[code])
    for row in sample(len(present), chance)[:20]:
        assert sets.read_row(parts, row).tolist() == sorted(set(members[rows == row].tolist()))


@given(presences())
def test_live_rows(drawn: tuple) -> None:
    rows = rows_of(drawn[0])
    encoded = sets.encode_rows(rows)
    assert np.array_equal(sets.decode_rows(sound(encoded, check.check_set)), rows)
    assert encoded.zone == Zone(len(rows))


WORDS = st.lists(st.text(max_size=12), min_size=1, max_size=20)


@given(presences(), WORDS, st.sampled_from([1, 1, 1, 40, 2_000]))
def test_texts(drawn: tuple, words: list[str], repeats: int) -> None:
    present, chance = drawn
    present = present[: 2**16 // repeats]
    picked = chance.integers(0, len(words), len(present))
    content = [words[i] * repeats if p else None for i, p in zip(picked, present, strict=True)]
    encoded = texts.encode_texts(Strings.from_list(content))
    parts = sound(encoded, check.check_texts)
    assert texts.decode_texts(parts).to_list() == content
    assert encoded.zone == Zone(int(present.sum()))
    for row in sample(len(present), chance):
        assert texts.read_row(parts, row) == content[row]


@given(presences(), WORDS, st.integers(1, 3))
def test_values(drawn: tuple, words: list[str], each: int) -> None:
    present, chance = drawn
    rows = chance.permutation(np.repeat(rows_of(present[:20_000]), each))
    content = [words[i] for i in chance.integers(0, len(words), len(rows))]
    parts = sound(values.encode_values(rows, Strings.from_list(content)), check.check_values)
    found_rows, found = values.decode_values(parts)
    expected = sorted(set(zip(rows.tolist(), (word.encode() for word in content), strict=True)))
    pairs = zip(found_rows.tolist(), found.to_list(), strict=True)
    assert [(row, (word or "").encode()) for row, word in pairs] == expected
    for row in sample(len(present), chance)[:10]:
        own = [word.decode() for held, word in expected if held == row]
        assert values.read_row(parts, row) == own


@given(presences(), st.integers(1, 3), st.integers(1, 2**32 - 1))
def test_givers(drawn: tuple, each: int, greatest: int) -> None:
    present, chance = drawn
    rows = chance.permutation(np.repeat(rows_of(present), each))
    held, by = (chance.integers(0, top, len(rows), np.uint32) for top in (greatest, 3))
    parts = sound(givers.encode_givers(rows, held, by), check.check_givers)
    found = givers.decode_givers(parts)
    expected = sorted(set(zip(rows.tolist(), held.tolist(), by.tolist(), strict=True)))
    assert list(zip(*(column.tolist() for column in found), strict=True)) == expected
    for row in sample(len(present), chance)[:10]:
        assert givers.read_row(parts, row) == [pair[1:] for pair in expected if pair[0] == row]


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=200), SEEDS)
def test_strings(content: list[str | None], seed: int) -> None:
    strings = Strings.from_list(content)
    assert strings.to_list() == content
    chance = np.random.default_rng(seed)
    places = chance.integers(-1, len(content), 50) if content else np.full(50, -1)
    expected = [None if i < 0 else content[i] for i in places.tolist()]
    assert strings.take(places).to_list() == expected
    cut = int(chance.integers(0, len(content) + 1))
    pieces = [strings.slice(cut, len(content)), strings.slice(0, cut)]
    assert concat(pieces).to_list() == content[cut:] + content[:cut]
    unique, inverse = factorize(pieces[0])
    assert unique.to_list() == list(dict.fromkeys(v for v in content[cut:] if v is not None))
    assert unique.take(inverse).to_list() == content[cut:]


def _payloads() -> list[tuple[Callable[[Sequence[bytes]], str], bytes]]:
    """One payload of each layout, with all three forms of container among them."""
    chance = np.random.default_rng(1)
    present = chance.random(300) < 0.8
    rows = np.concatenate([np.arange(0, 12_000, 2), np.arange(99), np.arange(7)]).astype(np.uint16)
    members = np.repeat(np.array([1, 2, 3], np.uint32), [6_000, 99, 7])
    words = Strings.from_list(["制造业", "a", "", "wörd"] * 25)
    return [
        (check.check_set, sets.encode_set_pairs(rows, members).parts[0]),
        (check.check_column, ints.encode_ints(chance.integers(-999, 999, 300), present).parts[0]),
        (check.check_column, floats.encode_floats(chance.random(300), present).parts[0]),
        (check.check_column, codes.encode_codes(np.arange(300, dtype=np.uint32)).parts[0]),
        (check.check_texts, texts.encode_texts(words).parts[0]),
        (check.check_values, values.encode_values(rows[:100], words).parts[0]),
        (check.check_givers, givers.encode_givers(rows, members, members).parts[0]),
    ]


PAYLOADS = _payloads()


@given(st.sampled_from(range(len(PAYLOADS))), st.data())
def test_the_check_reads_any_bytes(which: int, data: st.DataObject) -> None:
    verify, part = PAYLOADS[which]
    damaged = bytearray(part)
    heads = st.integers(0, min(len(part), 160) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.one_of(heads, st.integers(0, len(part) - 1)))
        new = data.draw(st.one_of(st.binary(min_size=1, max_size=4), st.just(b"\xff" * 4)))
        damaged[at : at + len(new)] = new
    cut = data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))
    assert isinstance(verify([bytes(damaged[:cut])]), str)
