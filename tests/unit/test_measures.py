"""Measures over several blocks: the same as numpy finds, in any number of threads."""

from __future__ import annotations

import contextlib
import math
import random
import re
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.core.control import Control
from engine.core.values import SUM_DIGITS, ValueBlocks, double_keys
from engine.database import Database
from engine.errors import Cancelled, DeadlineExceeded, ExpressionInvalid, InputInvalid, NotFound
from engine.measures import Edges, EqualBins, Quantiles, Thresholds, Top
from engine.measuring.counts import Between, values_at
from engine.measuring.value import double_of_key, key_of_double
from tests.worlds import NOW_US, SCALES, TYPES, World

# Three blocks, of which the last is short; every column of it has several parts.
WORLDS = [World(seed=seed, rows=131_200) for seed in (3, 8)]
NUMBERS = [name for name, kind in TYPES.items() if kind in ("int", "decimal", "date", "time")]
SLOW = " + ".join(["points"] * 400) + " + wide"


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: f"world{world.seed}")
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Database, Database]]:
    """A world, its store read in one thread, and a copy of that read in three."""
    world: World = request.param
    path = tmp_path_factory.mktemp("measures") / "store"
    world.fill(path).close()
    with Database.open(path, threads=1) as one:
        other = path.with_name("other")
        other.mkdir()
        for file in path.iterdir():
            if file.is_file():
                (other / file.name).write_bytes(file.read_bytes())
        with Database.open(other, threads=3) as three:
            yield world, one, three


def stored(world: World, name: str) -> NDArray[np.int64]:
    """The stored integers of those that have an attribute."""
    values, present = world.columns[name]
    return values[present].astype(np.int64)


@pytest.mark.parametrize("name", NUMBERS)
def test_exact_columns(name: str, filled: tuple[World, Database, Database]) -> None:
    world, one, three = filled
    found = one.measures.summarize(name)
    there = stored(world, name)
    scale = 10 ** SCALES.get(name, 0)
    assert (found.total.count, found.total.present) == (world.rows, len(there))
    if not len(there):
        assert found.total.least is None
        return
    total = Fraction(sum(there.tolist()), scale)
    assert found.total.sum == (None if found.value.kind in ("date", "time") else total)
    assert found.total.least == Fraction(int(there.min()), scale)
    assert found.total.greatest == Fraction(int(there.max()), scale)
    assert three.measures.summarize(name).total == found.total
    for cut in (EqualBins(7), Quantiles(9), EqualBins(1000)):
        bins = one.measures.distribution(name, cut=cut).histogram
        assert bins is not None and bins.present == len(there)
        keys = [math.ceil(bin_.low * scale) for bin_ in bins.bins]
        assert [bin_.count for bin_ in bins.bins] == np.diff(
            [*np.searchsorted(np.sort(there), keys), len(there)]
        ).tolist()
        assert three.measures.distribution(name, cut=cut).histogram == bins


@pytest.mark.parametrize("name", ["ratio", "weight"])
def test_doubles(name: str, filled: tuple[World, Database, Database]) -> None:
    """Sums of doubles are rounded once, in whatever order and threads."""
    world, one, three = filled
    values, present = world.columns[name]
    there = values[present].tolist()
    found = one.measures.summarize(name).total
    assert found.sum == math.fsum(there)
    assert found.present == len(there)
    if there:
        assert (found.least, found.greatest) == (min(there), max(there))
        exact = sum(map(Fraction, there), Fraction(0)) / len(there)
        assert found.mean == exact.numerator / exact.denominator
    assert three.measures.summarize(name).total == found
    by = one.measures.summarize(name, group_by="vip").groups
    vip, has_vip = world.columns["vip"]
    expected = {
        None: ~has_vip,
        "true": has_vip & vip.astype(bool),
        "false": has_vip & ~vip.astype(bool),
    }
    assert by == {key: one_of for key, one_of in by.items() if expected[key].any()}  # type: ignore[union-attr]
    for key, mask in expected.items():
        if mask.any():
            assert by is not None
            assert by[key].count == int(mask.sum())
            assert by[key].sum == math.fsum(values[mask & present].tolist())


def test_values_too_large_for_a_double(tmp_path: Path) -> None:
    """They are counted, and are the greatest; with them there is no sum, and no bin."""
    world = World(seed=7, rows=300)
    values, present = world.columns["ratio"]
    there = [1e10 * value for value in values[present].tolist()]
    assert math.inf in there, "the world has such values"
    with world.fill(tmp_path / "store") as database:
        ask = database.measures
        found = ask.summarize("1e10 * ratio").total
        assert (found.present, found.sum, found.mean) == (len(there), None, None)
        assert (found.least, found.greatest) == (min(there), math.inf)
        for cut in (EqualBins(3), Quantiles(3)):
            with pytest.raises(InputInvalid, match="too large for a float"):
                ask.distribution("1e10 * ratio", cut=cut)
        bins = ask.distribution("1e10 * ratio", cut=Edges(["-1e20", "0", "1e11"])).histogram
        assert bins is not None and bins.above == sum(value >= 1e11 for value in there)
        # Their difference is no number, so it is missing.
        nothing = ask.summarize("1e10 * ratio - 1e10 * ratio").total
        assert nothing.present == sum(math.isfinite(value) for value in there)
        assert (nothing.sum, nothing.greatest) == (0.0, 0.0)


def test_a_sum_of_doubles_carries(filled: tuple[World, Database, Database]) -> None:
    """Digits that have taken as many summands as they can are carried on."""
    world, one, _ = filled
    values, present = world.columns["weight"]
    first = values[:65_536][present[:65_536]].tolist()
    digits = np.zeros((1, SUM_DIGITS), np.int64)
    digits[0, :-2] = np.random.default_rng(4).integers(-(2**61), 2**61, SUM_DIGITS - 2)
    before = _whole(digits)
    count = np.full(1, 2**30 - min(len(first), 5), np.int64)
    with blocks_of(one, "weight") as blocks:
        blocks.read(0)
        assert blocks.count == len(first)
        ends = np.full(1, math.inf), np.full(1, -math.inf)
        blocks.add_float_totals(count, np.zeros(1, np.int64), *ends, digits)
    assert _whole(digits) - before == sum(map(Fraction, first), Fraction(0)) * 2**1074
    if first:
        assert np.abs(digits[0, :-1]).max() < 2**50  # carried, and then a few more


def _whole(digits: NDArray[np.int64]) -> int:
    return sum(digit << (32 * place) for place, digit in enumerate(digits[0].tolist()))


@contextlib.contextmanager
def blocks_of(database: Database, value: str, expression: str = "true") -> Iterator[ValueBlocks]:
    """What one thread reads a value with."""
    with database._store.snapshot() as snapshot:
        audience = database._audience(snapshot, NOW_US, None)
        audience.add(expression)
        yield audience.reading(audience.value(value).leaf).blocks()


def test_keys_of_doubles_have_their_order() -> None:
    numbers = [-math.inf, -1e308, -2.5, -5e-324, 0.0, 5e-324, 0.1, 1.0, 1e308, math.inf]
    keys = double_keys(np.array(numbers)).tolist()
    assert keys == sorted(set(keys))
    assert double_keys(np.array([-0.0])).tolist() == double_keys(np.array([0.0])).tolist()
    for number, key in zip(numbers, keys, strict=True):
        assert (double_of_key(key), key_of_double(number)) == (number, key)
        if number < math.inf:
            assert double_of_key(key + 1) == math.nextafter(number, math.inf)


@pytest.mark.parametrize("spread", [1, 3, 1000, 2**40, 2**64, 2**100])
def test_ranks_are_found_in_few_passes(spread: int) -> None:
    """Values at ranks, whatever they are spread over, and however many are equal."""
    rng = random.Random(spread)
    values = sorted(rng.choice((0, rng.randrange(spread))) - spread // 3 for _ in range(500))
    passes = 0

    def count(keys: Sequence[int]) -> Between:
        nonlocal passes
        passes += 1
        assert list(keys) == sorted(set(keys)) and len(keys) <= 17_000
        places = [bisect_right(keys, value) for value in values]
        return Between(500, tuple(places.count(place) for place in range(len(keys) + 1)))

    ranks = [0, 1, 249, 250, 498, 499]
    assert values_at(ranks, values[0], values[-1], count) == [values[rank] for rank in ranks]
    assert passes <= 10


def test_values_of_categories_sets_and_bools(filled: tuple[World, Database, Database]) -> None:
    world, one, three = filled
    for database in (one, three):
        for name in ("city", "code", "active", "interests", "tag"):
            found = database.measures.distribution(name, cut=Top(10_000))
            counts = _counts(world, name)
            assert {value.value: value.count for value in found.values} == counts
            order = [(-value.count, value.value) for value in found.values]
            assert order == sorted(order)
            few = database.measures.distribution(name, cut=Top(2))
            assert few.values == found.values[:2]
            assert (few.other_values, few.other_count) == (
                max(len(counts) - 2, 0),
                sum(value.count for value in found.values[2:]),
            )
            assert few.present == _present(world, name)


def _counts(world: World, name: str) -> dict[str, int]:
    if name in world.members_of:
        return {key: int(mask.sum()) for key, mask in world.members_of[name].items() if mask.any()}
    values, present = world.columns[name]
    names, counts = np.unique(values[present].astype(str), return_counts=True)
    return {key.lower(): int(count) for key, count in zip(names.tolist(), counts, strict=True)}


def _present(world: World, name: str) -> int:
    if name in world.members_of:
        return int(np.any([*world.members_of[name].values()], axis=0).sum())
    return int(world.columns[name][1].sum())


def test_values_beyond_64_bits(filled: tuple[World, Database, Database]) -> None:
    world, one, three = filled
    (huge, has_huge), (level, has_level) = world.columns["huge"], world.columns["level"]
    both = has_huge & has_level
    values = [
        a + b * 10**25 for a, b in zip(huge[both].tolist(), level[both].tolist(), strict=True)
    ]
    for database in (one, three):
        found = database.measures.summarize("huge + 1e25 * level")
        assert (found.total.present, found.total.sum) == (len(values), sum(values))
        if not values:
            continue
        assert (found.total.least, found.total.greatest) == (min(values), max(values))
        at = ["0", "3e25", "-9223372036854775808", "9e30"]
        curve = database.measures.distribution("huge + 1e25 * level", cut=Thresholds(at)).thresholds
        assert [point.count for point in curve] == [
            sum(value >= int(float(text)) for value in values) for text in at
        ]


@pytest.mark.parametrize("late", [False, True])
def test_a_measure_is_stopped(late: bool, filled: tuple[World, Database, Database]) -> None:
    _, one, three = filled
    for database in (one, three):
        for ask in (database.measures.summarize, database.measures.distribution):
            control = Control(time.monotonic_ns() + 1_000_000 if late else None)
            if not late:
                control.cancel()
            with pytest.raises(DeadlineExceeded if late else Cancelled):
                ask(SLOW, control=control)


def test_what_is_read_as_of_today_is_named(filled: tuple[World, Database, Database]) -> None:
    _, one, _ = filled
    found = one.measures.summarize(
        "points - price", "level > 3 and list('some')", group_by="city", as_of_us=NOW_US
    )
    assert set(found.answer.read_as_of_today) == {
        *("level", "points", "price", "city"),
        "list('some')",
    }
    assert found.answer.waiting == 2
    assert one.measures.summarize("points").answer.read_as_of_today == ()


REFUSED: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("poins", {}, ExpressionInvalid, "value.*did you mean 'points'"),
    ("points +", {}, ExpressionInvalid, "value.*column 9"),
    ("3 + 4", {}, ExpressionInvalid, "same for every profile"),
    ("now", {}, ExpressionInvalid, "same for every profile"),
    ("'a'", {}, ExpressionInvalid, "same for every profile"),
    ("remark", {}, ExpressionInvalid, "a text is not measured"),
    ("points", {"expression": "levl > 3"}, ExpressionInvalid, "audience.*did you mean 'level'"),
    ("points", {"cut": Top(3)}, ExpressionInvalid, "points is a number"),
    ("city", {"cut": EqualBins(3)}, ExpressionInvalid, "city is a category"),
    ("points", {"cut": Edges(["1", "1"])}, InputInvalid, r"edges\[1\].*not above"),
    ("points", {"cut": Edges(["1", "level"])}, ExpressionInvalid, r"edges\[1\].*every profile"),
    ("points", {"cut": Edges(["1", "'a'"])}, ExpressionInvalid, r"edges\[1\].*is a string"),
    ("points", {"cut": Thresholds(["1 day"])}, ExpressionInvalid, "a duration.*write a number"),
    ("joined", {"cut": Thresholds(["1"])}, ExpressionInvalid, "a number.*write a time"),
    ("birthday", {"cut": Thresholds(["now"])}, ExpressionInvalid, "a time.*write a date"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "given", "kind", "told"), REFUSED)
def test_what_cannot_be_measured(
    value: str,
    given: dict[str, Any],
    kind: type[Exception],
    told: str,
    filled: tuple[World, Database, Database],
) -> None:
    _, one, _ = filled
    with pytest.raises(kind) as caught:
        one.measures.distribution(value, **given)
    told_by = caught.value.issues[0] if getattr(caught.value, "issues", ()) else caught.value
    assert re.search(told, str(told_by)), str(told_by)


def test_groups_that_are_refused(filled: tuple[World, Database, Database]) -> None:
    _, one, _ = filled
    with pytest.raises(NotFound, match="Did you mean city"):
        one.measures.summarize("points", group_by="citty")
    with pytest.raises(InputInvalid, match="group by a category or bool"):
        one.measures.summarize("points", group_by="level")
    with pytest.raises(InputInvalid, match="at most 10,000 groups"):
        one.measures.summarize("points", group_by="serial")
    with pytest.raises(ExpressionInvalid, match="city is a category"):
        one.measures.summarize("city")


def test_times_are_cut_at_dates_and_instants(filled: tuple[World, Database, Database]) -> None:
    world, one, _ = filled
    there = stored(world, "joined")
    found = one.measures.distribution(
        "joined",
        cut=Edges(["date '2026-01-01'", "now - 100 days", "time '2026-11-01T08:00:00+08:00'"]),
        as_of_us=NOW_US,
    ).histogram
    assert found is not None
    borders = [1_767_196_800_000_000, NOW_US - 100 * 86_400_000_000, 1_793_491_200_000_000]
    counts = np.bincount(np.searchsorted(borders, there, side="right"), minlength=4).tolist()
    assert [found.below, *(one_of.count for one_of in found.bins), found.above] == counts
