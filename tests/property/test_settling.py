"""Cells and mentions brought down to what they come to, against one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.columns.bools import encode_bools
from engine.columns.codes import encode_codes
from engine.columns.floats import encode_floats
from engine.columns.giver_pieces import encode_giver_pieces
from engine.columns.givers import Givers, decode_givers, encode_givers
from engine.columns.ints import encode_ints
from engine.columns.strings import Strings
from engine.columns.values import encode_values
from engine.live import giver_changes
from engine.live.block_cells import read_cells, whole_block
from engine.live.event_times import are_taken, change_times, lasting
from engine.live.identity_fields import count_values, count_values_of
from engine.live.mentions import Mentions, join_mentions, settle
from engine.live.update import ADD, NO_TIME, REMOVE, REPLACE
from engine.store.catalog import FieldKind

_ROWS = st.sampled_from([0, 1, 65_535])
_STORE_ROWS = st.sampled_from([0, 1, 65_535, 65_536, 65_537, 196_608])
_TIMES = st.sampled_from([None, -5, 0, 1, 2])

# ------------------------------------------------------------------------- event times


@given(
    st.dictionaries(_ROWS, st.sampled_from([-5, 0, 1, 2])),
    st.lists(st.tuples(_ROWS, _TIMES), max_size=12),
)
@example({1: 0}, [(0, 0)])
def test_cells_with_times_equal_one_after_the_other(
    stored: dict[int, int], cells: list[tuple[int, int | None]]
) -> None:
    times: dict[int, int | None] = dict(stored)
    taken: dict[int, int] = {}
    for place, (row, time) in enumerate(cells):
        standing = times.get(row)
        if time is None or standing is None or time >= standing:
            times[row], taken[row] = time, place
    rows = np.array([row for row, _ in cells], np.uint32)
    brought = np.array([NO_TIME if time is None else time for _, time in cells], np.int64)
    present = np.zeros(65_536, np.bool_)
    present[list(stored)] = True
    values = np.zeros(65_536, np.int64)
    values[list(stored)] = list(stored.values())
    parts = encode_ints(values, present).parts if stored else ()

    last = lasting(rows, brought)
    in_block = rows[last.at].astype(np.uint16)
    kept = are_taken(parts, in_block, brought[last.at], last.always)
    assert last.at[kept].tolist() == [taken[row] for row in sorted(taken)]
    changed = change_times(parts, in_block[kept], brought[last.at[kept]])
    expected = {row: time for row, time in times.items() if time is not None}
    assert (changed is None) == (expected == stored)
    if changed is not None:
        values, present = whole_block(FieldKind.INTS, changed.parts)
        at = np.flatnonzero(present).tolist()
        assert dict(zip(at, values[at].tolist(), strict=True)) == expected


@given(st.lists(_ROWS, max_size=9))
def test_without_times_the_last_cell_of_a_row_stays(cells: list[int]) -> None:
    last = lasting(np.array(cells, np.uint32), None)
    assert last.at.tolist() == [
        max(place for place, row in enumerate(cells) if row == each) for each in sorted({*cells})
    ]
    assert last.always.all()


# ---------------------------------------------------------------------------- mentions

_MENTION = st.tuples(
    _STORE_ROWS,
    st.integers(1, 2),
    st.sampled_from([REPLACE, ADD, REMOVE]),
    st.lists(st.sampled_from([1, 2, 2**32 - 1]), max_size=3),
)
_TRIPLES = st.sets(st.tuples(_STORE_ROWS, st.sampled_from([1, 2, 2**32 - 1]), st.integers(1, 2)))


def _mentions(cells: list[tuple[int, int, int, list[int]]]) -> Mentions:
    return Mentions(
        np.array([row for row, *_ in cells], np.uint32),
        np.array([giver for _, giver, *_ in cells], np.uint32),
        np.append(np.int64(0), np.cumsum([len(c[3]) for c in cells], dtype=np.int64)),
        np.array([value for c in cells for value in c[3]], np.uint32),
        np.array([mode for _, _, mode, _ in cells], np.uint8),
    )


def _givers(triples: Any, block: int) -> Givers:
    inside = sorted((row & 65_535, *rest) for row, *rest in triples if row >> 16 == block)
    rows, values, givers = zip(*inside, strict=True) if inside else ((), (), ())
    return Givers(
        np.array(rows, np.uint16), np.array(values, np.uint32), np.array(givers, np.uint32)
    )


@pytest.mark.parametrize("few_rows", [0, 2_000])
def test_mentions_equal_one_after_the_other(monkeypatch: pytest.MonkeyPatch, few_rows: int) -> None:
    monkeypatch.setattr(giver_changes, "_FEW_ROWS", few_rows)

    @given(_TRIPLES, st.lists(_MENTION, max_size=9), st.lists(_MENTION, max_size=3))
    def check(
        stored: set[tuple[int, int, int]],
        cells: list[tuple[int, int, int, list[int]]],
        more: list[tuple[int, int, int, list[int]]],
    ) -> None:
        triples = set(stored)
        for row, giver, mode, values in (*cells, *more):
            if mode == REPLACE:
                triples = {t for t in triples if (t[0], t[2]) != (row, giver)}
            named = {(row, value, giver) for value in values}
            triples = triples - named if mode == REMOVE else triples | named
        seen = set()
        for block, settled in settle(
            join_mentions([_mentions(cells), _mentions(more)])
        ).each_block():
            seen.add(block)
            before = _givers(stored, block)
            parts = encode_givers(*before).parts if len(before.rows) else ()
            change = giver_changes.change_givers(parts, settled)
            after = _givers(triples, block)
            if change is None:
                assert [c.tolist() for c in before] == [c.tolist() for c in after]
                continue
            assert change.encoded == encode_givers(*after)
            pairs = [
                set(zip(g.rows.tolist(), g.values.tolist(), strict=True)) for g in (before, after)
            ]
            columns = (change.rows, change.codes, change.held)
            found = zip(*(column.tolist() for column in columns), strict=True)
            assert set(found) == {(*pair, pair in pairs[1]) for pair in pairs[0] ^ pairs[1]}
            assert len(change.rows) == len(pairs[0] ^ pairs[1])
        assert {row >> 16 for row, *_ in stored ^ triples} <= seen
        assert seen <= {row >> 16 for row, *_ in (*cells, *more)}

    check()


@pytest.mark.parametrize("count", [0, 1, 26_207, 26_208, 26_209, 52_416, 60_001])
def test_givers_from_pieces_are_those_that_are_sorted_as_a_whole(count: int) -> None:
    random = np.random.default_rng(count)
    keys = np.sort(random.choice(65_536 * 8, count, replace=False))
    whole = Givers(
        (keys >> 3).astype(np.uint16),
        (keys >> 1 & 3).astype(np.uint32) + 1,
        (keys & 1).astype(np.uint32) + 1,
    )
    cuts = np.sort(random.integers(0, count + 1, 40))
    pieces = [
        Givers(*(column[start:end] for column in whole))
        for start, end in zip([0, *cuts], [*cuts, count], strict=True)
    ]
    expected = encode_givers(*whole)
    assert encode_giver_pieces(pieces) == encode_giver_pieces([whole]) == expected
    assert [len(column) for column in decode_givers(expected.parts)] == [count] * 3


# ------------------------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        (kind, count)
        for kind in (FieldKind.INTS, FieldKind.FLOATS, FieldKind.CODES, FieldKind.BOOL)
        for count in (0, 1, 63, 65, 32_768, 40_000, 65_536)
    ],
    ids=lambda value: value.name.lower() if isinstance(value, FieldKind) else str(value),
)
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_cells_of_some_rows_are_those_of_the_whole_block(
    kind: FieldKind, count: int, share: float
) -> None:
    random = np.random.default_rng(count)
    present = random.random(count) < share
    if kind == FieldKind.INTS:
        # Eight bytes a row make several parts; the extremes wrap.
        values = random.integers(-(2**63), 2**63, count)
        if share == 0.4:
            # Stored in steps.
            values = random.integers(0, 2**30, count) * 10**9
        parts = encode_ints(values, present).parts
    elif kind == FieldKind.FLOATS:
        parts = encode_floats(random.random(count), present).parts
    elif kind == FieldKind.CODES:
        codes = random.integers(1, 70_000, count).astype(np.uint32)
        parts = encode_codes(np.where(present, codes, np.uint32(0))).parts
    else:
        parts = encode_bools(random.random(count) < 0.5, present).parts
    rows = np.unique(random.integers(0, 65_536, 3_000)).astype(np.uint16)
    for asked in (rows, rows[:0], np.array([0, 65_535], np.uint16)):
        all_values, all_present = whole_block(kind, parts)
        read, known = read_cells(kind, parts, asked)
        assert read.dtype == all_values.dtype
        assert np.array_equal(known, all_present[asked])
        assert np.array_equal(read[known], all_values[asked][known])
    read, known = read_cells(kind, (), rows)
    assert len(read) == len(rows) and not known.any()


@given(st.lists(st.tuples(_ROWS, st.text(max_size=3)), max_size=9), st.lists(_ROWS))
def test_identifiers_of_some_rows_are_counted(
    pairs: list[tuple[int, str]], rows: list[int]
) -> None:
    owners = np.array([row for row, _ in pairs], np.uint16)
    parts = encode_values(owners, Strings.from_list([text for _, text in pairs])).parts
    expected = [sum(row == owner for owner, _ in {*pairs}) for row in rows]
    asked = np.array(rows, np.uint16)
    assert count_values_of(parts, asked).tolist() == expected
    assert count_values(parts)[asked].tolist() == expected
    assert count_values_of((), asked).tolist() == [0] * len(rows)
