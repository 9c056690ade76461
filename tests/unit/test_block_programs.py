"""Random programs over masks and lists of rows, held against numpy.

The columns are of every width, with and without missing rows, in one part and in two; the
containers of every form; so each way through a block is taken: masks joined where they lie,
columns narrowed in place, few rows looked up, branches cut from lists, groups of both.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.bools import encode_bools
from engine.columns.codes import encode_codes
from engine.columns.floats import encode_floats
from engine.columns.ints import encode_ints
from engine.columns.sets import encode_rows, encode_set_pairs
from engine.columns.strings import Strings
from engine.core import evaluate, kernels
from engine.core import operations as ops
from engine.core.control import Control
from engine.core.program import Program
from engine.core.row_tests import test_many as rows_tested
from engine.errors import Cancelled
from engine.store.catalog import LIVE, FieldKind
from engine.store.store import Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES

BLOCKS = 3
ROWS = BLOCKS * BLOCK_ROWS
PROGRAMS = 120
Truth = NDArray[np.bool_]


class Ground:
    """A store, and a pool of leaves with what is so of each row."""

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(11)
        self.rng = rng
        self.live = np.ones(ROWS, bool)
        self.live[BLOCK_ROWS : 2 * BLOCK_ROWS] = rng.random(BLOCK_ROWS) < 0.8
        # The last block ends within a word.
        self.live[2 * BLOCK_ROWS + 50_001 :] = False
        self.store = Store.create(path, map_size=MAP_BYTES)
        self.leaves: list[tuple[Any, Truth]] = []
        with self.store.write() as writer:
            writer.set_row_count(ROWS)
            self._put(writer, LIVE.id, lambda here: encode_rows(_rows(self.live[here])))
            for name, top, share in (
                ("u8", 200, 0.9), ("u16", 40_000, 0.7), ("u32", 1 << 30, 0.9), ("full", 90, 1.0),
                ("u64", 1 << 50, 0.5), ("same", 1, 0.6),
            ):  # fmt: skip
                self._add_ints(writer, name, top, share)
            self._add_tags(writer)
            self.city = self._add_codes(writer, "city", 30)
            self.code = self._add_codes(writer, "code", 900)
            self._add_floats(writer)
            self.flag, self.has_flag = self._add_flag(writer)
        listed = np.flatnonzero(self.live & (rng.random(ROWS) < 0.001)).astype(np.uint32)
        self.leaves.append((ops.RowsLeaf(listed), np.isin(np.arange(ROWS), listed)))
        self.snapshot = self.store.snapshot()

    def _put(self, writer: Any, field: int, encode: Any) -> None:
        for block in range(BLOCKS):
            writer.put_field(
                field, block, encode(slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS))
            )

    def _add_ints(self, writer: Any, name: str, top: int, share: float) -> None:
        field = writer.add_field(name, FieldKind.INTS, "int").id
        values = self.rng.integers(0, top, ROWS) - 5
        present = self.live & (self.rng.random(ROWS) < share)
        self._put(writer, field, lambda here: encode_ints(values[here], present[here]))
        ranges = [(-5, top // 3), (top // 4, top // 2), (0, top * 2), (top * 2, top * 3), (-5, -5)]
        for low, high in ranges:
            hit = (values >= low) & (values <= high)
            for negated in (False, True):
                leaf = ops.IntRangeLeaf(field, low, high, negated)
                self.leaves.append((leaf, present & (hit ^ negated)))
        for count in (1, 5, 40):
            wanted = sorted({-5, *self.rng.choice(values, count).tolist()})
            hit = np.isin(values, wanted)
            for negated in (False, True):
                among = ops.IntInLeaf(field, tuple(wanted), negated)
                self.leaves.append((among, present & (hit ^ negated)))
        self.leaves.append((ops.PresentLeaf(field), present))

    def _add_tags(self, writer: Any) -> None:
        field = writer.add_field("tag", FieldKind.SET, "set").id
        shares = {1: 0.5, 2: 0.25, 3: 0.02, 4: 0.001, 5: 0.9, 6: 0.00005}
        tags = {code: self.live & (self.rng.random(ROWS) < share) for code, share in shares.items()}
        tags[7] = self.live & (np.arange(ROWS) % 20_000 < 9_000)
        writer.intern(field, Strings.from_list([str(code) for code in tags]))

        def encode(here: slice) -> Any:
            rows = [_rows(mask[here]) for mask in tags.values()]
            codes = [np.full(len(r), c, np.uint32) for c, r in zip(tags, rows, strict=True)]
            return encode_set_pairs(np.concatenate(rows), np.concatenate(codes))

        self._put(writer, field, encode)
        for code, mask in tags.items():
            self.leaves.extend([(ops.SetLeaf(field, (code,)), mask)] * 3)
        self.leaves.append((ops.SetLeaf(field, (3, 4, 7)), tags[3] | tags[4] | tags[7]))
        self.leaves.append((ops.SetLeaf(field, (4, 6)), tags[4] | tags[6]))

    def _add_codes(self, writer: Any, name: str, top: int) -> tuple[int, NDArray[np.int64]]:
        field = writer.add_field(name, FieldKind.CODES, "category").id
        codes = np.where(self.live, self.rng.integers(0, top, ROWS), 0)
        self._put(writer, field, lambda here: encode_codes(codes[here].astype(np.uint32)))
        for chosen in ([3], [2, 3, 4], [1, 5, top - 1], list(range(1, top, 2))):
            members = np.zeros(1024, bool)
            members[chosen] = True
            packed = np.packbits(members, bitorder="little").tobytes()
            whole = chosen[-1] - chosen[0] + 1 == len(chosen)
            leaf = ops.CodesLeaf(field, packed, chosen[0], chosen[-1], whole)
            self.leaves.append((leaf, np.isin(codes, chosen)))
        return field, codes

    def _add_floats(self, writer: Any) -> None:
        field = writer.add_field("real", FieldKind.FLOATS, "float").id
        values = self.rng.normal(size=ROWS)
        present = self.live & (self.rng.random(ROWS) < 0.8)
        self._put(writer, field, lambda here: encode_floats(values[here], present[here]))
        for low, high in ((-1.0, 0.5), (0.5, 2.0), (-9.0, -0.5)):
            hit = (values >= low) & (values <= high)
            for negated in (False, True):
                leaf = ops.FloatRangeLeaf(field, low, high, negated)
                self.leaves.append((leaf, present & (hit ^ negated)))

    def _add_flag(self, writer: Any) -> tuple[tuple[int, Truth], Truth]:
        field = writer.add_field("flag", FieldKind.BOOL, "bool").id
        values = self.rng.random(ROWS) < 0.5
        present = self.live & (self.rng.random(ROWS) < 0.7)
        self._put(writer, field, lambda here: encode_bools(values[here], present[here]))
        return (field, values), present

    def program(self, chance: random.Random) -> tuple[ops.Plan, list[Truth]]:
        """A plan of a few leaves and what joins them, with what is so of each node."""
        plan, truths = ops.Plan(), []
        for leaf, truth in chance.choices(self.leaves, k=chance.randint(1, 6)):
            plan.nodes.append(ops.Node("leaf", leaf=leaf))
            truths.append(truth)
        if chance.random() < 0.2:
            plan.nodes.append(ops.Node(chance.choice(["true", "false"])))
            truths.append(self.live & (plan.nodes[-1].kind == "true"))
        for _ in range(chance.randint(1, 6)):
            kind = chance.choice(["and", "and", "and", "or", "not"])
            count = 1 if kind == "not" else chance.randint(2, 5)
            children = tuple(chance.choices(range(len(plan.nodes)), k=count))
            plan.nodes.append(ops.Node(kind, children))  # type: ignore[arg-type]
            parts = np.array([truths[child] for child in children])
            joined: Truth = np.asarray(parts.any(axis=0) if kind == "or" else parts.all(axis=0))
            truths.append(self.live & ~joined if kind == "not" else joined)
        return plan, truths


def _rows(mask: Truth) -> NDArray[np.uint16]:
    return np.flatnonzero(mask).astype(np.uint16)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    made = Ground(tmp_path_factory.mktemp("ground") / "store")
    yield made
    made.snapshot.close()
    made.store.close()


@pytest.mark.parametrize("table", kernels.tables())
def test_programs_are_what_numpy_says(
    ground: Ground, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts, masks, groups by a category and by a bool, counts of all nodes, and single rows."""
    monkeypatch.setenv("STRATA_SIMD", table)
    for seed in range(PROGRAMS):
        chance = random.Random(seed)
        plan, truths = ground.program(chance)
        last = len(truths) - 1
        roots = [last] if chance.random() < 0.5 else [last, *chance.choices(range(last), k=2)]
        expected = [int(truths[root].sum()) for root in roots]
        program = Program(plan, ground.snapshot, roots)
        assert program.kernel_name == table
        assert evaluate.count_roots(program, roots).tolist() == expected, seed
        masks, counts = evaluate.many_masks(program, roots)
        assert counts.tolist() == expected, seed
        bits = np.unpackbits(masks.view(np.uint8), axis=-1, bitorder="little").astype(bool)
        assert (bits.reshape(len(roots), -1) == [truths[root] for root in roots]).all(), seed
        by_node = evaluate.count_nodes(program, [last])
        assert by_node[last] == expected[0], seed
        few = np.sort(ground.rng.choice(ROWS, 50, replace=False)).astype(np.uint32)
        assert (rows_tested(program, [last], few)[0] == truths[last][few]).all(), seed
        (field, values), present = ground.flag, ground.has_flag
        flags = np.where(present, values + 1, 0)
        for number, codes, top in ((*ground.city, 30), (*ground.code, 900), (field, flags, 2)):
            grouped = Program(plan, ground.snapshot, [last], number)
            found = evaluate.count_groups(grouped, last, top, is_bool=number == field)
            groups = Counter(codes[truths[last]].tolist())
            assert found.tolist() == [groups[code] for code in range(top + 1)], seed


def test_threads_share_the_blocks(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Called at once, and not at all: small stores are done before it is worth it."""
    with ThreadPoolExecutor(2) as pool:
        for seed in range(60):
            plan, truths = ground.program(random.Random(seed))
            last = len(truths) - 1
            monkeypatch.setattr(evaluate, "_ALONE_US", seed % 2 * 1_000_000)
            program = Program(plan, ground.snapshot, [last], ground.city[0])
            how: Any = {"pool": pool, "threads": 3}
            expected = int(truths[last].sum())
            assert evaluate.count_roots(program, [last], **how).tolist() == [expected]
            assert evaluate.count_nodes(program, [last], **how)[last] == expected
            groups = Counter(ground.city[1][truths[last]].tolist())
            found = evaluate.count_groups(program, last, 30, **how)
            assert found.tolist() == [groups[code] for code in range(31)]


@pytest.mark.parametrize("alone_us", [0, 1_000_000])
def test_a_stopped_count_is_no_count(
    ground: Ground, alone_us: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is stopped before or after the others are called."""
    monkeypatch.setattr(evaluate, "_ALONE_US", alone_us)
    plan = ops.Plan()
    plan.nodes.append(ops.Node("leaf", leaf=ground.leaves[0][0]))
    control = Control()
    control.cancel()
    with ThreadPoolExecutor(2) as pool, pytest.raises(Cancelled):
        program = Program(plan, ground.snapshot, [0])
        evaluate.count_roots(program, [0], control=control, pool=pool, threads=3)


def test_what_is_learned_changes_no_count(ground: Ground) -> None:
    """Estimates from the blocks before, right and wrong, only decide the order."""
    (few, is_few), (many, is_many) = ground.leaves[0], ground.leaves[3]
    plan = ops.Plan()
    plan.nodes.extend(ops.Node("leaf", leaf=leaf) for leaf in (few, many))
    plan.nodes.append(ops.Node("not", (1,)))
    plan.nodes.append(ops.Node("and", (0, 2)))
    program = Program(plan, ground.snapshot, [3])
    expected = int((is_few & ground.live & ~is_many).sum())
    assert all(evaluate.count_roots(program, [3]).tolist() == [expected] for _ in range(3))
