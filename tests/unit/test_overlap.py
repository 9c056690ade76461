"""Overlaps and waterfalls over several blocks: the same as sets of rows give, in any number of
threads; and what is refused."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.control import Control
from engine.database import Database
from engine.errors import DeadlineExceeded, ExpressionInvalid, InputInvalid
from engine.limits import OVERLAP_AUDIENCES, WATERFALL_STEPS
from engine.live.memberships import rows_of_masks
from engine.rules import tree
from engine.waterfall import Step
from tests.worlds import World

# Three blocks, of which the last is short.
WORLD = World(seed=4, rows=131_200)
TEXTS = [
    "true",
    "false",
    "level >= 4",
    "not level >= 4",
    "city = 'c1'",
    "city in ('c1', 'c2') and points > 0",
    "segment('rich')",
    "segment('local')",
    "vip",
    "active",
    "level >= 4",
    "serial = 's70001'",
    "tag is present",
]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Database]]:
    """A world read in one thread, and a copy of it in three."""
    path = tmp_path_factory.mktemp("overlap") / "store"
    WORLD.fill(path).close()
    other = path.with_name("other")
    other.mkdir()
    for file in path.iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    with Database.open(path, threads=1) as one, Database.open(other, threads=3) as three:
        yield [one, three]


@pytest.fixture(scope="module")
def rows(databases: list[Database]) -> dict[str, frozenset[int]]:
    """The rows of each text, by its own list."""
    found = {}
    for text in TEXTS:
        with databases[0].members(text) as members:
            found[text] = frozenset(members.rows.tolist())
    return found


def test_overlaps_are_those_of_sets(
    databases: list[Database], rows: dict[str, frozenset[int]]
) -> None:
    for database in databases:
        answer = database.overlaps.overlap(TEXTS)
        assert [one.count for one in answer.audiences] == [len(rows[text]) for text in TEXTS]
        assert answer.profiles == WORLD.rows
        assert [(one.first, one.second) for one in answer.pairs] == list(
            combinations(range(len(TEXTS)), 2)
        )
        for pair in answer.pairs:
            a, b = rows[TEXTS[pair.first]], rows[TEXTS[pair.second]]
            assert pair.both == len(a & b), (TEXTS[pair.first], TEXTS[pair.second])
            assert pair.jaccard == (Fraction(len(a & b), len(a | b)) if a | b else None)
            if a and b:
                by_chance = Fraction(len(a) * len(b), WORLD.rows)
                assert pair.lift == len(a & b) / by_chance
            else:
                assert pair.lift is None


def test_ratios_are_those_of_their_definition(databases: list[Database]) -> None:
    """By hand: of itself and of everybody."""
    answer = databases[0].overlaps.overlap(["level >= 4", "level >= 4", "true", "false"])
    size = answer.audiences[0].count
    by_place = {(one.first, one.second): one for one in answer.pairs}
    assert by_place[0, 1].jaccard == 1 and by_place[0, 1].lift == Fraction(WORLD.rows, size)
    assert by_place[0, 2].lift == 1 and by_place[0, 2].jaccard == Fraction(size, WORLD.rows)
    assert (by_place[0, 3].jaccard, by_place[0, 3].lift) == (0, None)


def test_an_instant_is_taken_for_all(databases: list[Database]) -> None:
    answer = databases[0].overlaps.overlap(["joined < now", "true"], as_of_us=0)
    assert {one.as_of_us for one in answer.audiences} == {0}
    assert answer.audiences[0].read_as_of_today == ("joined",)
    assert len({one.data_version for one in answer.audiences}) == 1


@settings(max_examples=40, deadline=None)
@given(
    picked=st.lists(
        st.tuples(
            st.sampled_from(TEXTS), st.none() | st.sampled_from([1, 7, 1000, 70_000, 131_200])
        ),
        min_size=1,
        max_size=8,
    ),
    salt=st.sampled_from(["", "a", "b"]),
    in_three=st.booleans(),
)
def test_a_waterfall_parts_its_union(
    databases: list[Database],
    rows: dict[str, frozenset[int]],
    picked: list[tuple[str, int | None]],
    salt: str,
    in_three: bool,
) -> None:
    """No profile is in two steps; a step takes of its own who is left, all or as many as its cap
    says; who could not go anywhere is in no audience, but for those whom caps sent on."""
    database = databases[in_three]
    steps = [Step(text, cap) for text, cap in picked]
    answer = database.waterfalls.waterfall(steps, salt=salt)
    gone: set[int] = set()
    for place, (step, told) in enumerate(zip(steps, answer.steps, strict=True)):
        own = rows[str(step.expression)]
        taken = members(database, steps, place, salt)
        left = own - gone
        assert (told.audience.count, told.left) == (len(own), len(left))
        assert told.taken == len(taken) == min(len(left), step.cap or len(left))
        assert taken <= left
        gone |= taken
    assert answer.rest == WORLD.rows - len(gone)
    if all(step.cap is None for step in steps):
        assert gone == set().union(*(rows[text] for text, _ in picked))


def members(database: Database, steps: Sequence[Step], place: int, salt: str) -> set[int]:
    """The rows of a step."""
    with database.waterfalls.members(steps, place, salt=salt) as listed:
        assert listed.count == listed.matched
        assert np.array_equal(listed.rows, rows_of_masks(listed.masks))
        return set(listed.rows.tolist())


def test_caps_draw_as_lists_do(databases: list[Database]) -> None:
    steps = [Step("level >= 4", 500)]
    for salt in ("", "x"):
        with databases[0].members("level >= 4", limit=500, salt=salt) as drawn:
            assert members(databases[0], steps, 0, salt) == set(drawn.rows.tolist())
    assert members(databases[0], steps, 0, "") != members(databases[0], steps, 0, "x")


def test_too_few_and_too_many_are_refused(databases: list[Database]) -> None:
    database = databases[0]
    for count in (0, 1, OVERLAP_AUDIENCES + 1):
        with pytest.raises(InputInvalid, match="give 2 to 100"):
            database.overlaps.overlap(["vip"] * count)
    assert len(database.overlaps.overlap(["vip"] * OVERLAP_AUDIENCES).pairs) == 4950
    for count in (0, WATERFALL_STEPS + 1):
        with pytest.raises(InputInvalid, match="give 1 to 100"):
            database.waterfalls.waterfall([Step("vip")] * count)
    with pytest.raises(InputInvalid, match="a cap of 0"):
        database.waterfalls.waterfall([Step("vip", 0)])
    for place in (-1, 2):
        with pytest.raises(InputInvalid, match="places count from 0 to 1"):
            database.waterfalls.members([Step("vip")] * 2, place)


def test_a_wrong_expression_is_named_by_its_place(databases: list[Database]) -> None:
    with pytest.raises(ExpressionInvalid) as caught:
        databases[0].overlaps.overlap(["vip", "vipp"])
    assert caught.value.issues[0].where == "expressions[1]"
    with pytest.raises(ExpressionInvalid, match="did you mean 'rich'") as caught:
        databases[0].waterfalls.waterfall([Step("vip"), Step(tree.Segment("rch"))])
    assert caught.value.issues[0].where == "steps[1]"
    with pytest.raises(ExpressionInvalid):
        databases[0].waterfalls.members([Step("vipp"), Step("vip")], 1)


def test_deadlines_are_kept(databases: list[Database]) -> None:
    slow = " + ".join(["points"] * 400) + " + wide > 3"
    for database in databases:
        with pytest.raises(DeadlineExceeded):
            database.overlaps.overlap(
                [slow, f"not {slow}"], control=Control(time.monotonic_ns() + 1_000_000)
            )
        with pytest.raises(DeadlineExceeded):
            database.waterfalls.waterfall(
                [Step(slow)], control=Control(time.monotonic_ns() + 1_000_000)
            )


def test_steps_are_in_their_order(
    databases: list[Database], rows: dict[str, frozenset[int]]
) -> None:
    """The first that a profile is in has it, whoever comes later."""
    texts = ["city = 'c1'", "level >= 4", "active"]
    random.Random(3).shuffle(texts)
    answer = databases[1].waterfalls.waterfall([Step(text) for text in texts])
    first, second, third = (rows[text] for text in texts)
    assert [one.taken for one in answer.steps] == [
        len(first),
        len(second - first),
        len(third - second - first),
    ]
