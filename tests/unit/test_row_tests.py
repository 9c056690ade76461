"""Stretches of rows across many blocks: every kind of leaf, of container and of gap, held against
numpy over the same cells; changes of memberships; rows brought together."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.codes import encode_codes
from engine.columns.floats import encode_floats
from engine.columns.ints import encode_ints
from engine.columns.sets import encode_rows, encode_set_pairs
from engine.columns.strings import Strings
from engine.columns.texts import encode_texts
from engine.columns.zone import Encoded
from engine.core import operations as ops
from engine.core.program import Program
from engine.core.row_memberships import RowMemberships
from engine.core.row_tests import changed_rows
from engine.core.row_tests import test_many as rows_tested
from engine.core.row_unions import unite
from engine.store.catalog import LIVE, UIDS

BLOCKS = 14
ROWS = 65_536
CODE, OTHER, NARROW, WIDE, REAL, TEXT, SET, MEMBERS = range(10, 18)
LENGTHS = [ROWS, 300, 1, 64, 65, 5_000, 40_000]  # rows that the columns of a block have


class Blocks:
    """Cells of random profiles in many blocks, and a snapshot of them without a store."""

    block_count = BLOCKS

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n = BLOCKS * ROWS
        place, self.block = np.arange(n) % ROWS, np.arange(n) // ROWS
        there = place < np.array(LENGTHS)[self.block % len(LENGTHS)]
        there &= self.block != 3  # a block without any column
        self.live = (rng.random(n) < 0.9) & (self.block != 5)

        def present() -> NDArray[np.bool_]:
            share = np.array([1.0, 0.5, 0.01, 0.95, 1.0])[self.block % 5]
            return there & (rng.random(n) < share)

        self.code = (rng.integers(1, 200, n) * present()).astype(np.uint32)
        self.other = (rng.integers(1, 4, n) * present()).astype(np.uint32)
        self.is_narrow, self.is_wide, self.is_real, self.is_text = (present() for _ in range(4))
        self.narrow = rng.integers(-50, 50, n)
        self.wide = rng.integers(-(2**63), 2**63, n, endpoint=False)
        self.real = rng.choice([-1.5, 0.0, 0.1, 2.0, 1e300], n)
        self.text = rng.integers(0, 3, n)
        self.in_set = {code: present() & (rng.random(n) < 0.3) for code in (1, 2, 900)}
        # Memberships by block: a bitset, an array, a run, none at all.
        shares = np.array([0.4, 0.01, 0.0, 0.0])[self.block % 4]
        self.stored = rng.random(n) < shares
        self.stored |= (self.block % 4 == 2) & (place >= 100) & (place < 30_000)
        self._tables = {
            field: self._table(self._parts_of(field))
            for field in (CODE, OTHER, NARROW, WIDE, REAL, TEXT, SET, MEMBERS, LIVE.id, UIDS.id)
        }

    @property
    def as_snapshot(self) -> Any:
        """Itself, with as much of a snapshot as a program reads."""
        return self

    def addresses(self, field_id: int) -> Any:
        """Where the parts of a field are."""
        return self._tables[field_id]

    def _parts_of(self, field: int) -> list[Encoded | None]:
        return [self._encoded(field, block) for block in range(BLOCKS)]

    def _encoded(self, field: int, block: int) -> Encoded | None:
        count = LENGTHS[block % len(LENGTHS)]
        cut = slice(block * ROWS, block * ROWS + count)
        whole = slice(block * ROWS, (block + 1) * ROWS)
        if field in (LIVE.id, MEMBERS):
            held = (self.live if field == LIVE.id else self.stored)[whole]
            return encode_rows(np.flatnonzero(held).astype(np.uint16)) if held.any() else None
        if block == 3 or field == UIDS.id:
            return None
        if field == CODE:
            return encode_codes(self.code[cut])
        if field == OTHER:
            return encode_codes(self.other[cut])
        if field == NARROW:
            return encode_ints(self.narrow[cut], self.is_narrow[cut])
        if field == WIDE:
            return encode_ints(self.wide[cut], self.is_wide[cut])
        if field == REAL:
            return encode_floats(self.real[cut], self.is_real[cut])
        if field == TEXT:
            known = zip(self.text[cut].tolist(), self.is_text[cut].tolist(), strict=True)
            return encode_texts(
                Strings.from_list([f"t{i}" if is_in else None for i, is_in in known])
            )
        pairs = [(code, np.flatnonzero(held[cut])) for code, held in self.in_set.items()]
        return encode_set_pairs(
            np.concatenate([rows for _, rows in pairs]).astype(np.uint16),
            np.concatenate([np.full(len(rows), code) for code, rows in pairs]).astype(np.uint32),
        )

    @staticmethod
    def _table(blocks: list[Encoded | None]) -> Any:
        first_part, address, kept = [0], [], []
        for encoded in blocks:
            for part in encoded.parts if encoded is not None else ():
                memory = np.zeros(len(part) + 64, np.uint8)
                start = -memory.ctypes.data % 64
                memory[start : start + len(part)] = np.frombuffer(part, np.uint8)
                kept.append(memory)
                address.append(memory.ctypes.data + start)
            first_part.append(len(address))
        return SimpleNamespace(
            first_part=np.array(first_part, np.uint32),
            address=np.array(address, np.uint64),
            kept=kept,
        )


def _codes(*codes: int) -> ops.CodesLeaf:
    members = np.zeros(256, np.bool_)
    members[list(codes)] = True
    bits = np.packbits(members, bitorder="little").tobytes()
    is_stretch = codes[-1] - codes[0] + 1 == len(codes)
    return ops.CodesLeaf(CODE, bits, codes[0], codes[-1], is_stretch)


def _sum() -> ops.LinearLeaf:
    summands = (
        ops.LinearSummand(ops.ColumnNumber(NARROW), 3),
        ops.LinearSummand(ops.ColumnNumber(WIDE), 1),
    )
    return ops.LinearLeaf(summands, 7, ">")


LISTED = np.arange(5, BLOCKS * ROWS, 7, dtype=np.uint32)
SAME = np.arange(256, dtype=np.uint32) % 4


def leaves(of: Blocks) -> list[tuple[ops.Leaf, NDArray[np.bool_]]]:
    """Every kind of leaf, and where it holds."""
    near = (of.narrow >= -3) & (of.narrow <= 20)
    among = np.isin(of.narrow, [-7, 0, 31])
    small = (of.real >= 0.0) & (of.real <= 0.1)
    pair = (of.code > 0) & (of.other > 0)
    same = SAME[of.code] == of.other
    over = of.narrow * 3 + of.wide.astype(object) + 7 > 0
    largest = 2**63 - 1
    return [
        (_codes(5, 6, 7), np.isin(of.code, [5, 6, 7])),
        (_codes(1, 64, 130), np.isin(of.code, [1, 64, 130])),
        (ops.CodePairLeaf(CODE, OTHER, SAME.tobytes(), False), pair & same),
        (ops.CodePairLeaf(CODE, OTHER, SAME.tobytes(), True), pair & ~same),
        (ops.PresentLeaf(REAL), of.is_real),
        (ops.PresentLeaf(TEXT, True), of.is_text),
        (ops.IntRangeLeaf(NARROW, -3, 20), of.is_narrow & near),
        (ops.IntRangeLeaf(NARROW, -3, 20, True), of.is_narrow & ~near),
        (ops.IntRangeLeaf(NARROW, 20, -3), np.zeros_like(near)),
        (ops.IntRangeLeaf(NARROW, 20, -3, True), of.is_narrow),
        (ops.IntRangeLeaf(WIDE, 0, largest), of.is_wide & (of.wide >= 0)),
        (ops.IntRangeLeaf(WIDE, -largest - 1, largest), of.is_wide),
        (ops.IntInLeaf(NARROW, (-7, 0, 31)), of.is_narrow & among),
        (ops.IntInLeaf(NARROW, (-7, 0, 31), True), of.is_narrow & ~among),
        (ops.FloatRangeLeaf(REAL, 0.0, 0.1), of.is_real & small),
        (ops.FloatRangeLeaf(REAL, 0.0, 0.1, True), of.is_real & ~small),
        (_sum(), of.is_narrow & of.is_wide & over.astype(bool)),
        (ops.TextLeaf(TEXT, "ends with", b"2"), of.is_text & (of.text == 2)),
        (ops.TextLeaf(TEXT, "ends with", b"2", True), of.is_text & (of.text != 2)),
        (ops.SetLeaf(SET, (2,)), of.in_set[2]),
        (ops.SetLeaf(SET, (1, 33, 900)), of.in_set[1] | of.in_set[900]),
        (ops.SetLeaf(MEMBERS, (0,)), of.stored),
        (ops.RowsLeaf(LISTED), np.isin(np.arange(BLOCKS * ROWS), LISTED)),
    ]


class Roots:
    """A program of every leaf and of logic over any of them, with the truth of each node."""

    def __init__(self, of: Blocks, seed: int) -> None:
        rng = np.random.default_rng(seed)
        found = leaves(of)
        nodes = [ops.Node("leaf", leaf=leaf) for leaf, _ in found]
        self.truth = [truth for _, truth in found]
        nodes += [ops.Node("true"), ops.Node("false")]
        self.truth += [np.ones_like(self.truth[0]), np.zeros_like(self.truth[0])]
        for kind in ("not", "and", "or") * 15:
            some = rng.integers(0, len(nodes), 1 if kind == "not" else int(rng.integers(2, 5)))
            chosen = [self.truth[i] for i in some]
            nodes.append(ops.Node(kind, tuple(dict.fromkeys(some.tolist()))))
            self.truth.append(
                ~chosen[0]
                if kind == "not"
                else np.all(chosen, axis=0)
                if kind == "and"
                else np.any(chosen, axis=0)
            )
        self.nodes = list(range(len(nodes)))
        self.program = Program(ops.Plan(nodes), of.as_snapshot, self.nodes, None, [MEMBERS])


@pytest.fixture(scope="module")
def blocks() -> Blocks:
    return Blocks(11)


@pytest.fixture(scope="module")
def roots(blocks: Blocks) -> Roots:
    return Roots(blocks, 12)


def some_rows(rng: np.random.Generator, count: int) -> NDArray[np.uint32]:
    """Rows of all blocks, low ones (where cells are) as often as any, and of a block beyond."""
    low = rng.integers(0, BLOCKS + 1, 4 * count) * ROWS + rng.integers(0, 80, 4 * count)
    rows = np.append(low, rng.integers(0, (BLOCKS + 1) * ROWS, 4 * count))
    return np.sort(rng.choice(np.unique(rows), count, replace=False)).astype(np.uint32)


def expected_of(of: Blocks, truth: NDArray[np.bool_], rows: NDArray[np.uint32]) -> Any:
    """Truth of rows that are alive."""
    beyond = np.zeros(ROWS, np.bool_)
    return np.append(truth & of.live, beyond)[rows]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 127, 4_095, 4_096, 4_097, 9_000])
def test_every_leaf_across_blocks(blocks: Blocks, roots: Roots, count: int) -> None:
    rows = some_rows(np.random.default_rng(count), count)
    for by_block_from in (count + 1, 700):
        found = rows_tested(roots.program, roots.nodes, rows, by_block_from=by_block_from)
        for node, truth in enumerate(roots.truth):
            assert (found[node] == expected_of(blocks, truth, rows)).all(), (node, by_block_from)


def test_rows_in_any_order(blocks: Blocks, roots: Roots) -> None:
    rng = np.random.default_rng(3)
    rows = rng.permutation(some_rows(rng, 500))
    rows = np.append(rows, rows[:70])
    found = rows_tested(roots.program, roots.nodes, rows)
    for node, truth in enumerate(roots.truth):
        assert (found[node] == expected_of(blocks, truth, rows)).all(), node


@pytest.mark.parametrize("count", [1, 63, 64, 65, 4_096, 4_097, 9_000])
@pytest.mark.parametrize("by_block_from", [3, 700, 10_000])
def test_changes_of_memberships(
    blocks: Blocks, roots: Roots, count: int, by_block_from: int
) -> None:
    """Against containers of every kind and none; of the rows that each root wants, dead ones
    among them; root after root, rows ascending."""
    rng = np.random.default_rng([count, by_block_from])
    rows = some_rows(rng, count)
    asked = roots.nodes
    wanted = rng.random((4, count)) < np.array([1.0, 0.5, 0.02, 0.0])[:, None]
    kinds = rng.integers(0, 4, len(asked)).tolist()
    changed = changed_rows(
        roots.program, asked, [MEMBERS] * len(asked), rows, kinds, wanted,
        by_block_from=by_block_from,
    )  # fmt: skip
    there = rows < BLOCKS * ROWS
    held = np.append(blocks.stored, np.zeros(ROWS, np.bool_))[rows]
    assert len(changed.starts) == len(changed.entered_starts) == len(asked) + 1
    assert changed.starts[-1] == len(changed.rows) == len(changed.entered)
    for i, node in enumerate(asked):
        truth = expected_of(blocks, roots.truth[node], rows)
        differ = (truth != held) & wanted[kinds[i]] & there
        first, last = changed.starts[i : i + 2]
        assert changed.rows[first:last].tolist() == rows[differ].tolist(), node
        assert changed.entered[first:last].tolist() == truth[differ].tolist()
        came, stop = changed.entered_starts[i : i + 2]
        assert changed.entered_rows[came:stop].tolist() == rows[differ & truth].tolist()
        left = changed.left_rows[first - came : last - stop]
        assert left.tolist() == rows[differ & ~truth].tolist()


@pytest.mark.parametrize("count", [1, 63, 65, 4_097, 9_000])
def test_memberships_side_by_side_follow_what_is_found(
    blocks: Blocks, roots: Roots, count: int
) -> None:
    """Each call is held against what the calls before it left, the first of them through masks;
    then against the containers."""
    rng = np.random.default_rng(count)
    asked = roots.nodes
    assert 64 < len(asked) < 128  # two words a row, and memberships that there are not
    side_by_side = RowMemberships(len(asked))
    held = np.tile(np.append(blocks.stored, np.zeros(ROWS, np.bool_)), (len(asked), 1))
    for by_block_from in (3, 10_000, 10_000):
        rows = np.unique(np.append(some_rows(rng, count), some_rows(rng, 60)))
        wanted = rng.random((2, len(rows))) < np.array([1.0, 0.3])[:, None]
        kinds = rng.integers(0, 2, len(asked)).tolist()
        changed = changed_rows(
            roots.program, asked, [MEMBERS] * len(asked), rows, kinds, wanted,
            side_by_side=side_by_side, by_block_from=by_block_from,
        )  # fmt: skip
        for i, node in enumerate(asked):
            truth = expected_of(blocks, roots.truth[node], rows)
            differ = (truth != held[i, rows]) & wanted[kinds[i]] & (rows < BLOCKS * ROWS)
            first, last = changed.starts[i : i + 2]
            assert changed.rows[first:last].tolist() == rows[differ].tolist(), node
            held[i, rows[differ]] = truth[differ]
    side_by_side.clear()
    every = np.ones((1, 50), np.bool_)
    rows = some_rows(rng, 50)
    again = changed_rows(
        roots.program, asked, [MEMBERS] * len(asked), rows, [0] * len(asked), every,
        side_by_side=side_by_side,
    )  # fmt: skip
    plain = changed_rows(
        roots.program, asked, [MEMBERS] * len(asked), rows, [0] * len(asked), every
    )
    assert again.starts == plain.starts and again.rows.tolist() == plain.rows.tolist()


def test_memberships_side_by_side_take_a_bit_for_each_row() -> None:
    assert RowMemberships.size_of(64, 3) == 3 * ROWS * 8
    assert RowMemberships.size_of(65, 1) == ROWS * 16


def test_nothing_is_asked(blocks: Blocks, roots: Roots) -> None:
    rows = some_rows(np.random.default_rng(1), 10)
    nobody = np.zeros((1, 0), np.bool_)
    for changed in (
        changed_rows(roots.program, [0], [MEMBERS], rows[:0], [0], nobody),
        changed_rows(roots.program, [], [], rows, [], np.ones((1, 10), np.bool_)),
    ):
        assert len(changed.rows) == len(changed.left_rows) == 0 and not any(changed.starts)


def test_a_program_moves_between_states(blocks: Blocks, roots: Roots) -> None:
    """Tables are read anew where they are others, also after it was bound to nothing."""
    later = Blocks(21)
    rows = some_rows(np.random.default_rng(8), 300)
    for of in (later, blocks, blocks, later, blocks):
        roots.program.rebind(of.as_snapshot)
        expected = expected_of(of, of.stored, rows)
        (node,) = [
            i for i, (leaf, _) in enumerate(leaves(of)) if leaf == ops.SetLeaf(MEMBERS, (0,))
        ]
        assert (rows_tested(roots.program, [node], rows)[0] == expected).all()
        roots.program.unbind()
        assert not rows_tested(roots.program, [node], rows).any()
    roots.program.rebind(blocks.as_snapshot)


@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_rows_are_united(count: int) -> None:
    rng = np.random.default_rng(count)
    top = 2**32 - 1
    for most in (0, 1, 60):
        sizes = rng.integers(0, most + 1, count)
        pieces = [np.unique(rng.integers(0, 90, size)).astype(np.uint32) for size in sizes]
        pieces[0] = np.append(pieces[0], np.array([top], np.uint32)) if most else pieces[0]
        rows, marks = unite(pieces)
        assert rows.tolist() == sorted(set(itertools.chain(*(p.tolist() for p in pieces))))
        assert marks.shape == (count, len(rows)) and marks.dtype == np.bool_
        for piece, of_piece in zip(pieces, marks, strict=True):
            assert rows[of_piece].tolist() == piece.tolist()
