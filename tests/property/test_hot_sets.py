"""Hot sets and their givers, against the functions that make a new payload of every change.

Each example makes some blocks hot and lays changes over them. After every one the contents, the
bytes to be saved, the zone and the payload as kernels read it are those of the plain way; a block
that is refused has not changed by a byte, and goes the plain way before it is made hot again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.bitmaps import containers, directory
from engine.columns import sets
from engine.columns.giver_pieces import encode_giver_pieces
from engine.columns.givers import Givers, decode_givers, encode_givers
from engine.columns.hot_block import HotBlock, HotField
from engine.columns.hot_sets import HotGivers, HotSet
from engine.columns.patch_set import patch_codes_set
from engine.columns.zone import Encoded, Zone
from engine.live.giver_changes import change_givers
from engine.live.mentions import Mentions, Settled, settle
from engine.live.update import ADD, REMOVE, REPLACE

BLOCK = 65_536
# Blocks of a field: hot ones in between others, the last one beyond what the field knows.
HOT, PINNED, COLD = (0, 3, 4), 6, (1, 9)
SEEDS = st.integers(0, 2**32 - 1)
GREATEST = 2**32 - 1


def bytes_of(block: HotBlock) -> list[bytes]:
    return [bytes(part) for part in block.parts]


def check_zone(found: Zone, exact: Zone) -> None:
    """Exact in its count, and its bounds hold every value."""
    assert found.present_count == exact.present_count
    if exact.minimum is None or exact.maximum is None:
        assert found == exact
    else:
        assert found.minimum is not None and found.maximum is not None
        assert found.minimum <= exact.minimum and exact.maximum <= found.maximum


def check_place(block: HotBlock) -> None:
    """Parts lie where their addresses say, one after the other, and cannot be written."""
    for part, address in zip(block.parts, block.addresses, strict=True):
        assert part.readonly and address % 64 == 0
        assert np.frombuffer(part, np.uint8).ctypes.data == address


# ------------------------------------------------------------------------------------ sets

# A block of a set: how many pairs, of how many codes, up to which row, in which order.
SHAPES = {
    "no parts": (0, 0, 0),
    "nobody": (0, 1, 1),
    "one": (1, 1, BLOCK),
    "few": (300, 20, BLOCK),
    "arrays about to be bitsets": (8_190, 3, BLOCK),
    "bitsets": (40_000, 7, BLOCK),
    "runs": (9_000, 1, 9_000),
    "full": (BLOCK, 1, BLOCK),
    "many codes": (9_000, 4_000, BLOCK),
    "several parts": (150_000, 42, BLOCK),
    "narrow": (60, 9, 64),
}


# Pairs as code << 16 | row, sorted, each once.
Pairs = NDArray[np.uint64]


def pairs_of(codes: Any, rows: Any) -> Pairs:
    shifted = np.asarray(codes, np.uint64) << np.uint64(16)
    return np.unique(shifted | np.asarray(rows, np.uint64))


def draw_pairs(shape: str, chance: np.random.Generator) -> Pairs:
    count, codes, rows = SHAPES[shape]
    names = np.unique(chance.integers(2, 3 * codes + 2, codes))
    if codes == 1:
        return pairs_of(names, chance.choice(rows, count, replace=False))
    return pairs_of(chance.choice(names, count), chance.integers(0, rows, count))


def encode_pairs(pairs: Pairs) -> Encoded:
    codes = (pairs >> np.uint64(16)).astype(np.uint32)
    return sets.encode_set_pairs(pairs.astype(np.uint16), codes)


def toggled(
    pairs: Pairs, chance: np.random.Generator, count: int, share: float, rows: int
) -> Pairs:
    """Some `count` pairs to be changed, a share of them known ones, the rest of any code."""
    old = chance.choice(pairs, int(count * share)) if len(pairs) else pairs
    known = np.unique(pairs >> np.uint64(16))[:50]
    codes = [*known.tolist(), 1, 2, 40_000, GREATEST - 1, *chance.integers(1, 60, 3).tolist()]
    fresh = count - len(old)
    new = pairs_of(chance.choice(codes, fresh), chance.integers(0, rows, fresh))
    return np.union1d(old, new)


def write_toggled(
    field: HotSet, toggles: dict[int, Pairs], contents: dict[int, Pairs], open_: int, at: int
) -> list[int]:
    """Writes the pairs of some blocks as changes of what these hold."""
    rows, codes, held = [], [], []
    for block, pairs in toggles.items():
        rows.append(pairs & np.uint64(0xFFFF) | np.uint64(block << 16))
        codes.append(pairs >> np.uint64(16))
        held.append(~np.isin(pairs, contents[block]))
    row, code = np.concatenate(rows), np.concatenate(codes)
    order = np.lexsort((code, row))
    return field.write(
        row[order].astype(np.uint32),
        code[order].astype(np.uint32),
        np.concatenate(held)[order],
        open_,
        at,
    )


def check_set(block: HotBlock, pairs: Pairs) -> None:
    expected = encode_pairs(pairs)
    assert block.encode() == expected
    check_zone(block.zone, expected.zone)
    check_place(block)
    (part,) = block.parts
    assert directory.check(part) == ""
    assert np.array_equal(sets.decode_rows([part]), sets.decode_rows(expected.parts))
    for found, wanted in zip(
        sets.decode_set_pairs([part]), sets.decode_set_pairs(expected.parts), strict=True
    ):
        assert np.array_equal(found, wanted)
    for row in np.unique(pairs.astype(np.uint16))[:: max(1, len(pairs) // 5)].tolist():
        assert np.array_equal(sets.read_row([part], row), sets.read_row(expected.parts, row))


@given(
    st.lists(st.sampled_from(sorted(SHAPES)), min_size=4, max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, 9, 40, 3_000]),
            st.sampled_from([0.0, 0.5, 1.0]),
            st.sampled_from([1, 64, BLOCK]),
        ),
        min_size=1,
        max_size=4,
    ),
    SEEDS,
)
def test_sets_become_what_patching_makes_of_them(
    shapes: list[str], steps: list[tuple[int, float, int]], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    field = HotSet()
    contents = {block: pairs_of([], []) for block in COLD}
    for block, shape in zip((*HOT, PINNED), shapes, strict=True):
        contents[block] = draw_pairs(shape, chance)
        parts = () if shape == "no parts" else encode_pairs(contents[block]).parts
        made = field.heat(block, parts, 5 if block == PINNED else 10, 3)
        assert made is field.get(block) and made.sequence == 3
        check_set(made, contents[block])
    for sequence, (count, share, rows) in enumerate(steps, 11):
        toggles = {
            block: toggled(pairs, chance, count, share, rows) for block, pairs in contents.items()
        }
        before = {block: bytes_of(made) for block in (*HOT, PINNED) if (made := field.get(block))}
        refused = write_toggled(field, toggles, contents, 5, sequence)
        assert refused == sorted(refused) and len(set(refused)) == len(refused)
        assert not count or {PINNED, *COLD} <= {*refused}
        for block in (*HOT, PINNED):
            made = field.get(block)
            assert made is not None
            if block in refused:
                assert bytes_of(made) == before[block] and made.sequence != sequence
                parts = patch(made, toggles[block], contents[block])
                made = field.heat(block, parts, 5 if block == PINNED else 10, sequence)
            assert made.sequence == sequence or not len(toggles[block])
            contents[block] = np.setxor1d(contents[block], toggles[block])
            check_set(made, contents[block])
    assert field.blocks() == sorted((*HOT, PINNED))


def patch(block: HotBlock, toggles: Pairs, pairs: Pairs) -> tuple[bytes, ...]:
    """The parts that the plain way makes of a hot block."""
    codes = (toggles >> np.uint64(16)).astype(np.uint32)
    held = ~np.isin(toggles, pairs)
    return patch_codes_set(block.parts, toggles.astype(np.uint16), codes, held).parts


def test_a_new_set_takes_its_first_values_in_place() -> None:
    field = HotSet()
    block = field.heat(0, (), 1, 0)
    contents = pairs_of([], [])
    for code in range(1, 13):
        toggles = pairs_of(code, np.arange(100) * code)
        assert write_toggled(field, {0: toggles}, {0: contents}, 0, code) == []
        contents = np.setxor1d(contents, toggles)
        check_set(block, contents)
    assert field.get(0) is block


def test_a_set_without_room_is_refused_and_has_room_when_hot_again() -> None:
    field = HotSet()
    made = field.heat(0, (), 1, 0)
    contents = pairs_of([], [])
    refusals = 0
    for code in range(1, 201):
        toggles = pairs_of(code, np.arange(code, 40 * code, 7))
        if write_toggled(field, {0: toggles}, {0: contents}, 0, code):
            refusals += 1
            made = field.heat(0, patch(made, toggles, contents), code, code)
        contents = np.setxor1d(contents, toggles)
        check_set(made, contents)
    assert 1 <= refusals <= 25
    # All go, and come back into the room that they had.
    toggles = contents
    for _ in range(2):
        assert write_toggled(field, {0: toggles}, {0: contents}, 200, 201) == [0]
        assert write_toggled(field, {0: toggles}, {0: contents}, 0, 201) == []
        contents = np.setxor1d(contents, toggles)
        check_set(made, contents)


def test_rows_that_lose_values_are_present_while_another_code_has_them() -> None:
    many = np.random.default_rng(7).choice(BLOCK, 20_000, replace=False)
    codes = np.arange(3, 400)
    first, half, small = pairs_of(1, many), pairs_of(2, many[::2]), pairs_of(codes, many[codes])
    contents = np.concatenate((first, half, small))
    field = HotSet()
    made = field.heat(2, encode_pairs(contents).parts, 1, 0)
    for toggles in (first, small[::2], half, small[1::2]):
        assert write_toggled(field, {2: toggles}, {2: contents}, 0, 1) == []
        contents = np.setxor1d(contents, toggles)
        check_set(made, contents)
    assert not len(contents) and made.zone == Zone(0) and made is field.get(2)


def test_a_hot_set_can_be_made_hot_again_from_itself() -> None:
    contents = draw_pairs("bitsets", np.random.default_rng(1))
    field = HotSet()
    old = field.heat(0, encode_pairs(contents).parts, 1, 0)
    gone = contents[contents >> np.uint64(16) == contents[-1] >> np.uint64(16)]
    assert write_toggled(field, {0: gone}, {0: contents}, 0, 1) == []
    contents = np.setxor1d(contents, gone)
    new = field.heat(0, old.parts, 2, 2)
    more = pairs_of(1, 0)
    assert write_toggled(field, {0: more}, {0: contents}, 1, 2) == []
    check_set(old, contents)
    check_set(new, np.union1d(contents, more))
    field.forget(0)
    assert write_toggled(field, {0: more}, {0: contents}, 1, 2) == [0]
    check_set(new, np.union1d(contents, more))


@pytest.mark.parametrize(
    ("rows", "codes"),
    [([1, 0], [1, 1]), ([1, 1], [2, 1]), ([1, 1], [1, 1]), ([1], [0]), ([1], [1, 2])],
)
def test_pairs_out_of_order_are_not_taken(rows: list[int], codes: list[int]) -> None:
    with pytest.raises(AssertionError):
        HotSet().write(
            np.array(rows, np.uint32), np.array(codes, np.uint32), np.ones(len(rows), bool), 0, 1
        )


# ---------------------------------------------------------------------------------- givers

TRIPLES = {
    # how many triples, up to which row, values, givers
    "no parts": (0, 1, 1, 1),
    "few": (40, 10, 3, 2),
    "one part": (4_000, BLOCK, 50, 3),
    "parts": (30_000, BLOCK, 9, 3),
    "parts of an unfinished block": (30_000, 20_000, 9, 3),
    "rows longer than a part": (40_000, 5, 4_000, 3),
    "one row": (9_000, 1, 9_000, 1),
}


def draw_triples(shape: str, chance: np.random.Generator) -> Givers:
    count, *ends = TRIPLES[shape]
    rows, values, givers = (chance.integers(0, end, count) for end in ends)
    drawn = encode_givers(
        rows.astype(np.uint16), values.astype(np.uint32) + 1, givers.astype(np.uint32) + 1
    )
    return decode_givers(drawn.parts)


MENTIONS = st.tuples(
    st.sampled_from([0, 1, 7, 60, 2_500]),
    st.sampled_from([(REPLACE,), (ADD,), (REMOVE,), (REPLACE, ADD, REMOVE)]),
    st.sampled_from([1, 20, BLOCK]),
)


def draw_mentions(
    chance: np.random.Generator, known: dict[int, Givers], count: int, modes: Any, reach: int
) -> Settled:
    """Mentions of rows, values and givers that stand there, and of others."""
    rows, values, givers, sizes = [], [], [], []
    for block, triples in known.items():
        for _ in range(count):
            size = int(chance.integers(0, 4))
            at = chance.integers(0, max(len(triples.rows), 1), size + 1)
            is_known = len(triples.rows) and chance.random() < 0.5
            row = triples.rows[at[0]] if is_known else chance.integers(0, reach)
            rows.append(block << 16 | int(row))
            givers.append(int(triples.givers[at[0]]) if is_known else int(chance.integers(1, 5)))
            fresh = chance.choice(np.array([1, 2, 3, 8, 300, GREATEST]), size)
            values += (triples.values[at[1:]] if is_known else fresh).tolist()
            sizes.append(size)
    return settle(
        Mentions(
            np.array(rows, np.uint32),
            np.array(givers, np.uint32),
            np.append(np.int64(0), np.cumsum(sizes, dtype=np.int64)),
            np.array(values, np.uint32),
            chance.choice(np.array(modes, np.uint8), len(rows)),
        )
    )


def check_givers(block: HotBlock, expected: Givers) -> None:
    encoded = encode_giver_pieces([expected])
    assert block.encode() == encoded
    check_zone(block.zone, encoded.zone)
    check_place(block)
    for found, wanted in zip(decode_givers(block.parts), expected, strict=True):
        assert np.array_equal(found, wanted)


def check_settled(
    field: HotGivers, settled: Settled, known: dict[int, Givers], born: dict[int, int], at: int
) -> list[int]:
    """Settles hot givers and compares with change_givers, block by block; blocks born at 5 or
    before are pinned. Returns the blocks without room."""
    before = {block: bytes_of(made) for block in born if (made := field.get(block))}
    *pairs, refused = field.settle(*settled, 5, at)
    assert [column.dtype for column in pairs] == [np.uint32, np.uint32, np.bool_]
    expected: list[tuple[int, int, bool]] = []
    no_room = []
    for block, inside in settled.each_block():
        if block in COLD:
            assert block in refused
            continue
        made = field.get(block)
        assert made is not None
        old = encode_giver_pieces([known[block]]).parts
        change = change_givers(old, inside)
        if change is None:
            assert bytes_of(made) == before[block] and block not in refused
            continue
        known[block] = decode_givers(change.encoded.parts)
        if block in refused:
            assert bytes_of(made) == before[block] and made.sequence != at
            if born[block] > 5:
                no_room.append(block)
            made = field.heat(block, change.encoded.parts, born[block], at)
        else:
            assert made.sequence == at and born[block] > 5
            rows = (change.rows.astype(np.uint32) | block << 16).tolist()
            expected += zip(rows, change.codes.tolist(), change.held.tolist(), strict=True)
        check_givers(made, known[block])
    assert [*zip(*(column.tolist() for column in pairs), strict=True)] == expected
    assert refused == sorted(refused) and len(set(refused)) == len(refused)
    return no_room


@given(
    st.lists(st.sampled_from(sorted(TRIPLES)), min_size=4, max_size=4),
    st.lists(MENTIONS, min_size=1, max_size=5),
    SEEDS,
)
def test_givers_become_what_change_givers_makes_of_them(
    shapes: list[str], steps: list[tuple[int, Any, int]], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    field = HotGivers()
    born = dict.fromkeys(HOT, 10) | {PINNED: 5}
    known = {}
    for block, shape in zip(born, shapes, strict=True):
        known[block] = draw_triples(shape, chance)
        parts = encode_giver_pieces([known[block]]).parts if shape != "no parts" else ()
        check_givers(field.heat(block, parts, born[block], 3), known[block])
    nothing = draw_triples("no parts", chance)
    for sequence, (count, modes, reach) in enumerate(steps, 11):
        asked = known | dict.fromkeys(COLD, nothing)
        settled = draw_mentions(chance, asked, count, modes, reach)
        check_settled(field, settled, known, born, sequence)


@given(st.lists(MENTIONS, min_size=1, max_size=4), st.booleans(), SEEDS)
def test_givers_tell_a_set_who_has_a_value_left(
    steps: list[tuple[int, Any, int]], is_told: bool, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    givers, field = HotGivers(), HotSet()
    known = {0: draw_triples("parts", chance), 1: draw_triples("few", chance)}
    for block, triples in known.items():
        givers.heat(block, encode_giver_pieces([triples]).parts, 6, 0)
        field.heat(block, sets.encode_set_pairs(*triples[:2]).parts, 6, 0)
    told = HotGivers()
    told.heat(0, givers.get(0).parts, 6, 0)  # block 1 is not hot there
    for count, modes, reach in steps:
        settled = draw_mentions(chance, known, count, modes, reach)
        for each in (givers, told):
            rows, codes, held, _ = each.settle(*settled, 5, 7)
            if each is givers:
                changed = rows, codes, held
        refused = field.write(*changed, 5, 7, told if is_told else None)
        for block in known:
            triples = known[block] = decode_givers(givers.get(block).parts)
            if block in refused:
                field.heat(block, sets.encode_set_pairs(*triples[:2]).parts, 6, 7)
            check_set(field.get(block), pairs_of(triples.values, triples.rows))


@pytest.mark.parametrize("start", ["no parts", "parts"])
def test_givers_without_room_are_refused(start: str) -> None:
    chance = np.random.default_rng(11)
    field = HotGivers()
    known = {0: draw_triples(start, chance)}
    field.heat(0, encode_giver_pieces([known[0]]).parts, 6, 0)
    refusals = 0
    for sequence in range(40):
        rows = np.sort(chance.choice(1_000, 500, replace=False)).astype(np.uint32)
        settled = Settled(
            np.zeros(0, np.uint64),
            rows,
            np.ones(500, np.uint32),
            np.full(500, sequence + 20, np.uint32),
            np.ones(500, np.bool_),
        )
        refusals += len(check_settled(field, settled, known, {0: 6}, sequence + 1))
    assert 1 <= refusals <= 20


def test_rows_that_follow_are_put_behind_the_last_ones() -> None:
    field = HotGivers()
    known = {0: Givers(np.zeros(0, np.uint16), *[np.zeros(0, np.uint32)] * 2)}
    field.heat(0, (), 6, 0)
    refusals = 0
    for sequence in range(64):
        rows = np.arange(1_024 * sequence, 1_024 * (sequence + 1), dtype=np.uint32)
        settled = Settled(
            rows.astype(np.uint64) << np.uint64(32) | np.uint64(1),
            np.repeat(rows, 2),
            np.ones(2_048, np.uint32),
            np.tile(np.array([1, 2 + sequence % 5], np.uint32), 1_024),
            np.ones(2_048, np.bool_),
        )
        refusals += len(check_settled(field, settled, known, {0: 6}, sequence + 1))
    assert 1 <= refusals <= 14


def test_a_block_in_which_nothing_differs_is_not_refused() -> None:
    field = HotGivers()
    one = np.ones(1, np.uint32)
    made = field.heat(0, encode_givers(np.ones(1, np.uint16), one, one).parts, 1, 7)
    pair = np.array([1 << 32 | 1], np.uint64)
    for replaced in (pair[:0], pair):
        *pairs, refused = field.settle(replaced, one, one, one, np.ones(1, np.bool_), 9, 10)
        assert not refused and made.sequence == 7 and not any(map(len, pairs))
    *_, refused = field.settle(pair, one[:0], one[:0], one[:0], np.ones(0, np.bool_), 9, 10)
    assert refused == [0] and made.sequence == 7 and made.zone == Zone(1, 1, 1)


@pytest.mark.parametrize(
    "settled",
    [
        ([5, 5], [], [], []),
        ([], [1, 0], [1, 1], [1, 1]),
        ([], [1, 1], [2, 1], [1, 1]),
        ([], [1, 1], [1, 1], [1, 1]),
        ([], [GREATEST], [1], [1]),
        ([GREATEST << 32], [], [], []),
        ([], [1], [1, 2], [1]),
    ],
)
def test_what_is_not_settled_is_not_taken(settled: tuple[list[int], ...]) -> None:
    replaced, *triples = settled
    columns = [np.array(column, np.uint32) for column in triples]
    held = np.ones(len(columns[0]), np.bool_)
    with pytest.raises(AssertionError):
        HotGivers().settle(np.array(replaced, np.uint64), *columns, held, 0, 1)


@pytest.mark.parametrize("make", [HotSet, HotGivers])
def test_containers_of_every_kind_are_read(make: Callable[[], HotField]) -> None:
    """A payload that is heated, encoded and heated again is the same."""
    chance = np.random.default_rng(3)
    field = make()
    for number, shape in enumerate(SHAPES if make is HotSet else TRIPLES):
        if make is HotSet:
            encoded = encode_pairs(draw_pairs(shape, chance))
        else:
            encoded = encode_giver_pieces([draw_triples(shape, chance)])
        made = field.heat(number, encoded.parts, 1, 0)
        assert made.encode() == encoded and field.heat(number, made.parts, 1, 0).encode() == encoded
    assert field.blocks() == [*range(len(SHAPES if make is HotSet else TRIPLES))]


def test_the_shapes_have_every_kind_of_container() -> None:
    chance = np.random.default_rng(3)
    kinds = set()
    for shape in SHAPES:
        for part in encode_pairs(draw_pairs(shape, chance)).parts:
            entries = np.frombuffer(part, np.uint8)[
                16 : 16 + 16 * int.from_bytes(part[:4], "little")
            ]
            kinds |= {*entries[14::16].tolist()}
    assert kinds == {containers.EMPTY, containers.ARRAY, containers.BITSET, containers.RUN}
