"""The evaluator at its edges, by hand: more rows of a block than are looked at together, blocks
in which nobody is left, comparisons of constants, and what stands behind the end of a list."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.codes import encode_codes
from engine.columns.ints import encode_ints
from engine.columns.sets import encode_rows, encode_set_pairs
from engine.columns.strings import Strings
from engine.core import evaluate
from engine.core import operations as ops
from engine.core.leaf_plan import LeafPlanner, ListMembers, _codes_leaf
from engine.core.number_plan import NumberPlanner
from engine.core.program import Program
from engine.core.row_tests import changed_rows
from engine.core.row_tests import test_many as rows_tested
from engine.limits import DATE_DAYS
from engine.model.definitions import Attribute
from engine.rules import bound
from engine.store.catalog import LIVE, FieldKind
from engine.store.store import Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES

# Nobody was ever written alive in block 1; in block 3 somebody was, and the last one is gone.
BLOCKS = 5
LIVE_BLOCKS = (0, 2, 4)
# Rows asked of each block: two stretches of 4,096 and one row; a row more than a word, of nobody;
# one stretch with 58 rows in its last word; a word and a row; and a stretch, a word and a row.
ASKED = (8_193, 65, 4_090, 65, 4_161)
# How many rows are asked where only the first or the last of them is wanted.
ENDS = (1, 64, 65, 127, 128, 129, 4_033, 4_095, 4_096)
BY_ROW, BY_BLOCK = 1 << 32, 1


class Hall:
    """A store of a few fields, and the same as arrays over all rows."""

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(7)
        count = BLOCKS * BLOCK_ROWS
        self.live = rng.random(count) < 0.9
        self.level = rng.integers(0, 200, count)
        self.present = rng.random(count) < 0.7
        self.tags = {code: rng.random(count) < 0.3 for code in (1, 2, 3)}
        self.kept = [rng.random(count) < 0.5 for _ in range(3)]
        # In the last block no level is within what is asked for.
        self.level[4 * BLOCK_ROWS :] %= 11
        self.city = rng.integers(0, 4, count)
        self.city[BLOCK_ROWS:] = 0
        # The last of those asked are there, and have no level.
        last = [block * BLOCK_ROWS + asked - 1 for block, asked in enumerate(ASKED)]
        self.live[last], self.present[last] = True, False
        # Whom the tests ask about alone.
        self.live[[2 * BLOCK_ROWS + at for count in ENDS for at in (0, count - 1)]] = True
        for block in range(BLOCKS):
            if block not in LIVE_BLOCKS:
                self.live[block * BLOCK_ROWS : (block + 1) * BLOCK_ROWS] = False
        self.city[~self.live] = 0
        for array in (self.present, *self.tags.values(), *self.kept):
            array &= self.live
        self.store = Store.create(path, map_size=MAP_BYTES)
        with self.store.write() as writer:
            writer.set_row_count(count)
            level = writer.add_field("level", FieldKind.INTS, "int")
            tag = writer.add_field("tag", FieldKind.SET, "set")
            city = writer.add_field("city", FieldKind.CODES, "category")
            day = writer.add_field("day", FieldKind.INTS, "date")
            later = writer.add_field("later", FieldKind.INTS, "date")
            segments = [
                writer.add_field(f":segment:s{i}", FieldKind.MEMBERSHIP, "1")
                for i in range(len(self.kept))
            ]
            assert writer.intern(tag.id, Strings.from_list(["a", "b", "c"])).tolist() == [1, 2, 3]
            for block in range(BLOCKS):
                here = slice(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)
                if block == 1:
                    continue
                writer.put_field(LIVE.id, block, encode_rows(_rows(self.live[here])))
                if block == 3:
                    continue
                few = np.arange(3) < 2
                writer.put_field(day.id, block, encode_ints(np.zeros(3, np.int64), few))
                writer.put_field(later.id, block, encode_ints(np.arange(3) + 5 + block, few))
                if block == 0:
                    codes = encode_codes(self.city[here].astype(np.uint32))
                    writer.put_field(city.id, block, codes)
                writer.put_field(level.id, block, encode_ints(self.level[here], self.present[here]))
                pairs = [(_rows(mask[here]), code) for code, mask in self.tags.items()]
                encoded = encode_set_pairs(
                    np.concatenate([rows for rows, _ in pairs]),
                    np.concatenate([np.full(len(rows), code, np.uint32) for rows, code in pairs]),
                )
                writer.put_field(tag.id, block, encoded)
                for field, mask in zip(segments, self.kept, strict=True):
                    writer.put_field(field.id, block, encode_rows(_rows(mask[here])))
        self.level_id, self.tag_id, self.city_id = level.id, tag.id, city.id
        self.day_id, self.later_id = day.id, later.id
        self.segment_ids = [field.id for field in segments]
        self.snapshot = self.store.snapshot()
        self._lay_out()

    def _lay_out(self) -> None:
        """A program of every kind of node; `truth` has what is so of each."""
        within = self.present & (self.level >= 20) & (self.level <= 120)
        tagged = self.tags[1] | self.tags[3]
        everyone, nobody = self.live, np.zeros_like(self.live)
        members = np.array([0b1010], np.uint64).tobytes()
        nodes_and_truth = [
            (_leaf(ops.IntRangeLeaf(self.level_id, 20, 120)), within),
            (_leaf(ops.IntRangeLeaf(self.level_id, 20, 120, True)), self.present & ~within),
            (_leaf(ops.IntRangeLeaf(self.level_id, -5, 500)), self.present),
            (_leaf(ops.SetLeaf(self.tag_id, (1, 3))), tagged),
            (_leaf(ops.IntInLeaf(self.level_id, (5, 50, 150))), self._among(5, 50, 150)),
            (_leaf(ops.PresentLeaf(self.level_id)), self.present),
            (ops.Node("not", (0,)), self.live & ~within),
            (ops.Node("and", (0, 3)), within & tagged),
            (ops.Node("or", (6, 3)), (self.live & ~within) | tagged),
            (ops.Node("true"), everyone),
            (ops.Node("false"), nobody),
            (ops.Node("not", (10,)), everyone),
            (_leaf(ops.IntRangeLeaf(self.level_id, 300, 400)), nobody),
            (_leaf(ops.IntRangeLeaf(self.level_id, -5, 500, True)), nobody),
            (_leaf(ops.CodesLeaf(self.city_id, members, 1, 3, False)), np.isin(self.city, (1, 3))),
            (_leaf(ops.BucketLeaf(7, 0, 5_000)), nobody),  # nobody has a uid
            (_leaf(ops.SetLeaf(self.tag_id, (2,))), self.tags[2]),
        ]
        self.plan = ops.Plan()
        self.plan.nodes.extend(node for node, _ in nodes_and_truth)
        self.roots = list(range(len(nodes_and_truth)))
        self.truth = np.array([truth for _, truth in nodes_and_truth])
        self.program = self.of(self.plan, self.roots)

    def _among(self, *values: int) -> NDArray[np.bool_]:
        return self.present & np.isin(self.level, values)

    def of(self, plan: ops.Plan, roots: list[int]) -> Program:
        return Program(plan, self.snapshot, roots, None, self.segment_ids)

    def asked(self, *of_block: int) -> NDArray[np.uint32]:
        """So many rows of each block, from its first on."""
        rows = [np.arange(count) + block * BLOCK_ROWS for block, count in enumerate(of_block)]
        return np.concatenate(rows).astype(np.uint32)


def _rows(mask: NDArray[np.bool_]) -> NDArray[np.uint16]:
    return np.flatnonzero(mask).astype(np.uint16)


def _leaf(leaf: Any) -> ops.Node:
    return ops.Node("leaf", leaf=leaf)


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    made = Hall(tmp_path_factory.mktemp("hall") / "store")
    yield made
    made.snapshot.close()
    made.store.close()


def _bits(masks: NDArray[np.uint64]) -> NDArray[np.bool_]:
    return np.unpackbits(masks.view(np.uint8), axis=-1, bitorder="little").astype(bool)


def test_blocks_in_which_nobody_is_left(hall: Hall) -> None:
    """They add to no count and no mask, and what the block before held is not seen in them."""
    expected = hall.truth.sum(axis=1).tolist()
    assert evaluate.count_roots(hall.program, hall.roots).tolist() == expected
    assert evaluate.count_nodes(hall.program, hall.roots).tolist() == expected
    masks, counts = evaluate.many_masks(hall.program, hall.roots)
    assert counts.tolist() == expected
    assert (_bits(masks).reshape(len(hall.roots), -1) == hall.truth).all()
    states = evaluate.leaf_states(hall.program)
    assert (states[:, [1, 3]] == 255).all() and states[0, list(LIVE_BLOCKS)].tolist() == [2, 2, 0]


@pytest.mark.parametrize("by_block_from", [BY_ROW, BY_BLOCK, 4_096, 4_097])
def test_more_rows_than_are_looked_at_together(hall: Hall, by_block_from: int) -> None:
    """By rows and through masks, stretch after stretch, in earlier and later blocks; rows of
    blocks that are not there yet are false."""
    rows = np.append(hall.asked(*ASKED), np.uint32(BLOCKS * BLOCK_ROWS + 3)).astype(np.uint32)
    truths = rows_tested(hall.program, hall.roots, rows, by_block_from=by_block_from)
    assert (truths[:, :-1] == hall.truth[:, rows[:-1]]).all() and not truths[:, -1].any()


def test_one_leaf_alone(hall: Hall) -> None:
    """Nothing stands behind what is kept for its rows."""
    for root in (i for i, node in enumerate(hall.plan.nodes) if node.leaf is not None):
        plan = ops.Plan()
        plan.nodes.append(hall.plan.nodes[root])
        program = hall.of(plan, [0])
        for count in (64, 4_096, 4_095):
            rows = hall.asked(count, 0, count)
            found = rows_tested(program, [0], rows, by_block_from=BY_ROW)
            assert (found[0] == hall.truth[root][rows]).all(), (root, count)


@pytest.mark.parametrize("by_block_from", [BY_ROW, BY_BLOCK])
def test_rows_behind_those_asked_are_not_judged(hall: Hall, by_block_from: int) -> None:
    """Of the same block and of another: they would overwrite the answer of the next root."""
    alive = np.flatnonzero(hall.live).astype(np.uint32)
    in_two = alive[alive >= 2 * BLOCK_ROWS]
    for longer in (alive[:100], np.append(alive[:99], in_two[:1]).astype(np.uint32)):
        found = rows_tested(hall.program, [9, 10], longer[:99], by_block_from=by_block_from)
        assert found[0].all() and not found[1].any()


def test_no_rows_and_no_roots_have_no_changes(hall: Hall) -> None:
    some = hall.asked(10)
    for rows, roots in ((some[:0], [0, 1]), (some, []), (some[:0], [])):
        wanted = np.ones((1, len(rows)), bool)
        assert changes(hall, roots, rows, wanted, [0] * len(roots)) == []


def changes(
    hall: Hall, roots: list[int], rows: NDArray[np.uint32], wanted: Any, kinds: Any, **how: int
) -> list[tuple[int, int, bool]]:
    """(root, place, entered) of what changes, in the order that it came in."""
    stored = [hall.segment_ids[i % 3] for i in range(len(roots))]
    found = changed_rows(hall.program, roots, stored, rows, kinds, wanted, **how)
    of_root = np.repeat(np.arange(len(roots)), np.diff(found.starts)).tolist()
    at = np.searchsorted(rows, found.rows).tolist()
    assert rows[at].tolist() == found.rows.tolist()
    return list(zip(of_root, at, found.entered.tolist(), strict=True))


def expected_changes(
    hall: Hall, roots: list[int], rows: NDArray[np.uint32], wanted: Any, kinds: Any
) -> list[tuple[int, int, bool]]:
    """The same of whole arrays, root after root, rows ascending."""
    found = []
    for i, root in enumerate(roots):
        held, truth = hall.kept[i % 3][rows], hall.truth[root][rows]
        for at in np.flatnonzero((held != truth) & wanted[kinds[i]]).tolist():
            found.append((i, at, bool(truth[at])))
    return found


@pytest.mark.parametrize("by_block_from", [BY_ROW, BY_BLOCK, 3_277])
def test_changes_of_more_rows_than_are_looked_at_together(hall: Hall, by_block_from: int) -> None:
    """Rows that no root of a kind is wanted of differ too, and are not said to."""
    rows = hall.asked(*ASKED)
    wanted = np.random.default_rng(3).random((4, len(rows))) < 0.5
    wanted[2] = False
    kinds = [i % 4 for i in range(len(hall.roots))]
    found = changes(hall, hall.roots, rows, wanted, kinds, by_block_from=by_block_from)
    expected = expected_changes(hall, hall.roots, rows, wanted, kinds)
    assert found == expected and len(expected) > 10_000


@pytest.mark.parametrize("by_block_from", [BY_ROW, BY_BLOCK])
@pytest.mark.parametrize("count", ENDS)
def test_one_wanted_row_is_found_at_either_end(hall: Hall, count: int, by_block_from: int) -> None:
    """The first or the last of the rows asked, where no other is wanted."""
    rows = hall.asked(0, 0, count)
    differing = [root for root in hall.roots if hall.truth[root].any()]
    for at in (0, count - 1):
        wanted = np.zeros((2, count), bool)
        wanted[1, at] = True
        kinds = [1] * len(differing)
        found = changes(hall, differing, rows, wanted, kinds, by_block_from=by_block_from)
        assert found == expected_changes(hall, differing, rows, wanted, kinds) != []


def test_what_stands_behind_a_list_is_not_read(hall: Hall) -> None:
    """A list that is part of a longer one ends where it is said to end."""
    rows = np.flatnonzero(hall.live[: 2 * BLOCK_ROWS])[:40].astype(np.uint32)
    plan = ops.Plan()
    plan.nodes.append(_leaf(ops.RowsLeaf(rows[:20])))
    found = rows_tested(hall.of(plan, [0]), [0], rows)
    assert found[0].tolist() == [True] * 20 + [False] * 20


OPERATORS: dict[ops.Compare, tuple[bool, bool, bool]] = {
    # What is so of 1 op 2, 2 op 2 and 3 op 2.
    "=": (False, True, False),
    "!=": (True, False, True),
    "<": (True, False, False),
    "<=": (True, True, False),
    ">": (False, False, True),
    ">=": (False, True, True),
}


@pytest.fixture
def numbers(hall: Hall) -> NumberPlanner:
    return NumberPlanner(hall.snapshot, 0, ZoneInfo("UTC"))


ABSENT = {kind: Attribute("absent", kind) for kind in ("int", "float", "date", "category", "set")}
LEVEL = Attribute("level", "int")
HALF = Fraction(1, 2)


def _form(constant: Fraction | int, *sources: bound.Source) -> bound.Linear:
    terms = tuple(bound.LinearTerm(Fraction(1), source) for source in sources)
    return bound.Linear(terms, Fraction(constant))


def test_nobody_has_what_no_field_holds(hall: Hall, numbers: NumberPlanner) -> None:
    """Beside what some have, and negated too."""
    absent, level = bound.AttributeSource(ABSENT["int"]), bound.AttributeSource(LEVEL)
    real = bound.AttributeSource(ABSENT["float"])
    side = bound.FloatValue((bound.FloatTerm(1, None, real),))
    for form in (_form(1, absent), _form(1, level, absent), _form(0, absent, level)):
        assert numbers.compare(form, "!=") is False
        assert numbers.among(form, [Fraction(1)], True) is False
        for one, other in ((side, _double(1.0)), (_double(1.0), side)):
            assert numbers.compare_floats(one, "!=", other) is False
        exact = bound.FloatValue(exact=form)
        assert numbers.compare_floats(exact, "!=", _double(1.0)) is False
        assert numbers.among_floats(exact, [1.0], True) is False
    assert numbers.compare(_form(1, bound.DateStartSource(ABSENT["date"])), "!=") is False
    leaves = LeafPlanner(hall.snapshot, numbers, lambda _: ListMembers(hall.asked(0), 0))
    category, city = ABSENT["category"], Attribute("city", "category")
    test = bound.StringTest("in", frozenset({"a"}))
    assert leaves.plan(bound.BoundCategory(category, test, True, None)) is False
    assert leaves.plan(bound.BoundCategory(category, test, False, None)) is False
    assert leaves.plan(bound.BoundSet(ABSENT["set"], test, None)) is False
    for left, right in ((city, category), (category, city), (category, category)):
        assert leaves.plan(bound.BoundCategoryPair(left, right, True, None)) is False
    for one in ABSENT.values():
        assert leaves.plan(bound.BoundPresence(one, None)) is False


def test_numbers_that_no_integer_equals(hall: Hall, numbers: NumberPlanner) -> None:
    level = bound.AttributeSource(LEVEL)
    present = ops.PresentLeaf(hall.level_id)
    assert numbers.compare(_form(-HALF, level), "=") is False
    assert numbers.compare(_form(-HALF, level), "!=") == present
    assert numbers.among(_form(0, level), [HALF], False) is False
    assert numbers.among(_form(0, level), [HALF], True) == present


def test_buckets_at_their_ends(numbers: NumberPlanner) -> None:
    """Of 0 to 9,999 everybody has one."""
    source = bound.BucketSource("salt")

    def planned(op: ops.Compare, edge: int) -> Any:
        leaf = numbers.compare(_form(-edge, source), op)
        return (leaf.low, leaf.high) if isinstance(leaf, ops.BucketLeaf) else leaf

    assert [planned("=", edge) for edge in (-1, 0, 5, 9_999, 10_000)] == [
        False, (0, 0), (5, 5), (9_999, 9_999), False,
    ]  # fmt: skip
    assert [planned("!=", edge) for edge in (-1, 10_000)] == [True, True]
    assert [planned("<", edge) for edge in (0, 1, 9_999, 10_000)] == [
        False, (0, 0), (0, 9_998), True,
    ]  # fmt: skip
    assert [planned(">=", edge) for edge in (0, 1, 9_999, 10_000)] == [
        True, (1, 9_999), (9_999, 9_999), False,
    ]  # fmt: skip


def test_days_that_tables_are_made_for(hall: Hall) -> None:
    """From the first to the last that anybody has, day 0 among them, and the spare ones."""
    for spare in (0, 3):
        planner = NumberPlanner(hall.snapshot, 0, ZoneInfo("UTC"), spare)
        for name in ("day", "later"):
            start = bound.DateStartSource(Attribute(name, "date"))
            leaf = planner.compare(_form(0, start, bound.AttributeSource(LEVEL)), ">")
            assert isinstance(leaf, ops.LinearLeaf)
        assert planner.days == {
            hall.day_id: range(0 - spare, 1 + spare),
            hall.later_id: range(5 - spare, 11 + spare),
        }


def test_days_as_instants(hall: Hall, numbers: NumberPlanner) -> None:
    """One stretch of days, to the first and the last that can be written."""
    start, day_us = bound.DateStartSource(Attribute("day", "date")), 86_400_000_000

    def planned(op: ops.Compare, edge: Fraction | int) -> Any:
        leaf = numbers.compare(_form(-edge, start), op)
        if not isinstance(leaf, ops.IntRangeLeaf):
            return leaf
        return leaf.low, leaf.high, leaf.negated

    first, last = DATE_DAYS
    assert planned(">", day_us) == (2, last, False)
    assert planned(">=", day_us) == (1, last, False)
    assert planned("<", day_us) == (first, 0, False)
    assert planned("<=", day_us) == (first, 1, False)
    assert planned("=", day_us) == (1, 1, False)
    assert planned("!=", day_us) == (1, 1, True)
    assert planned("=", day_us + 1) is planned("=", HALF) is False
    assert planned("!=", day_us + 1) == ops.PresentLeaf(hall.day_id)


def test_codes_with_holes_are_no_stretch() -> None:
    for codes, whole in (((1, 3), False), ((1, 3, 5), False), ((2, 3), True), ((4,), True)):
        leaf = _codes_leaf(1, np.isin(np.arange(9), codes))
        assert isinstance(leaf, ops.CodesLeaf)
        assert (leaf.lowest, leaf.contiguous) == (codes[0], whole)


def _double(*terms: float) -> bound.FloatValue:
    return bound.FloatValue(tuple(bound.FloatTerm(1, None, term) for term in terms))


def _exact(constant: int) -> bound.Linear:
    return bound.Linear((), Fraction(constant))


def test_constants_are_compared_when_planned(numbers: NumberPlanner) -> None:
    """Exactly, in doubles, and a constant of one kind with one of the other."""
    for op, expected in OPERATORS.items():
        for left, wanted in zip((1, 2, 3), expected, strict=True):
            assert numbers.compare(_exact(left - 2), op) is wanted, (left, op)
            exact = bound.FloatValue(exact=_exact(left))
            for one in (_double(float(left)), _double(left - 0.5, 0.5), exact):
                assert numbers.compare_floats(one, op, _double(2.0)) is wanted, (left, op)


def test_what_no_double_holds_is_infinite(numbers: NumberPlanner) -> None:
    for sign in (1, -1):
        huge = bound.FloatValue(exact=_exact(sign * 10**400))
        assert numbers.compare_floats(huge, "=", _double(sign * math.inf)) is True


def test_no_number_compares_with_nothing(numbers: NumberPlanner) -> None:
    nothing = _double(math.inf, -math.inf)
    for op in OPERATORS:
        for left, right in ((nothing, _double(1.0)), (_double(1.0), nothing), (nothing, nothing)):
            assert numbers.compare_floats(left, op, right) is False, op
    assert numbers.among_floats(nothing, [1.0], True) is False
    assert numbers.among_floats(nothing, [1.0], False) is False


def test_a_constant_among_numbers(numbers: NumberPlanner) -> None:
    for value in (1.0, 2.0, 3.0):
        among = value != 2.0
        assert numbers.among_floats(_double(value), [1.0, 3.0], False) is among
        assert numbers.among_floats(_double(value), [1.0, 3.0], True) is not among
        exact = bound.Linear((), Fraction(value) / 2)
        assert numbers.among(exact, [Fraction(1, 2), Fraction(3, 2)], False) is among
        assert numbers.among(exact, [Fraction(1, 2), Fraction(3, 2)], True) is not among
