"""Random values of random audiences: what is measured is what the reference finds, row by row."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from engine.columns.uids import decode_uids
from engine.database import Database
from engine.measures import Edges, EqualBins, Quantiles, Thresholds
from engine.measuring.totals import Total
from engine.rules.parse import parse, parse_value
from engine.rules.reference import ReferenceContext, evaluate, evaluate_value
from engine.store.catalog import UIDS
from tests.programs import FLOATS, NUMBERS, Programs
from tests.worlds import NOW_US, TYPES, ZONE, World

VALUES = 60
SIZES = (1, 64, 65, 300, 2_050)
MOMENTS = ("joined", "seen", "now", "joined + 30 days", "birthday + 2 hours")


class Reference:
    """The values of a world's profiles, worked out one by one."""

    def __init__(self, world: World, database: Database) -> None:
        self.world = world
        with database._store.snapshot() as snapshot:
            uid_field = snapshot.fields[UIDS.name].id
            uids = decode_uids(snapshot.payloads(uid_field, 0))
        self.uids = [uid.tobytes() for uid in uids]
        model = database.model
        assert model is not None
        self.context = ReferenceContext(
            TYPES,
            ZONE,
            NOW_US,
            {"some": {self.uids[row] for row in range(0, world.rows, 7)}},
            {name: parse(one.rule) for name, one in model.segments.items()},
        )
        self.profiles = [world.profile(row) for row in range(world.rows)]

    def members(self, text: str) -> list[int]:
        """The rows that an expression holds for."""
        expression = parse(text)
        return [
            row
            for row, profile in enumerate(self.profiles)
            if evaluate(expression, profile, self.context, uid=self.uids[row])
        ]

    def values(self, text: str, rows: Sequence[int]) -> list[Any]:
        """The value of each of some rows; None where it is missing."""
        value = parse_value(text)
        found = (
            evaluate_value(value, self.profiles[row], self.context, uid=self.uids[row])
            for row in rows
        )
        return [one + 0.0 if isinstance(one, float) else one for one in found]


def some_value(picks: random.Random) -> str:
    """The text of a number, float, date, time or duration."""

    def summed(names: Sequence[str], factors: Sequence[str]) -> str:
        terms = [
            picks.choice(factors) + name for name in picks.choices(names, k=picks.randint(1, 3))
        ]
        text = terms[0]
        for term in terms[1:]:
            text += f" {picks.choice('+-')} {term}"
        return text + picks.choice(("", "", " + 1", " - 0.125"))

    match picks.randrange(8):
        case 0:
            return picks.choice((*NUMBERS, *FLOATS))
        case 1 | 2:
            return summed((*NUMBERS, "bucket('x')"), ("", "2 * ", "0.5 * ", "0 * ", "-3 * ")[:4])
        case 3:
            return summed(NUMBERS, ("", "1e18 * ", "1e25 * ", "0.000001 * "))
        case 4:
            return f"{picks.choice(FLOATS)} - " + summed(
                (*FLOATS, "price", "points"), ("", "3 * ", "1e20 * ")
            )
        case 5:
            return picks.choice(("joined", "seen", "birthday", "signed", *MOMENTS[3:]))
        case 6:
            return f"{picks.choice(MOMENTS)} - {picks.choice(('joined', 'seen', 'birthday'))}"
        case _:
            return picks.choice(("birthday - signed", "signed - 90 minutes", "joined - 12 weeks"))


def total_of(values: Sequence[Any], kind: str) -> Total:
    """What a summary has of some values, None those who have none."""
    there = [value for value in values if value is not None]
    nothing: Any = None if kind in ("date", "time") else 0.0 if kind == "float" else Fraction(0)
    if not there:
        return Total(len(values), 0, nothing, None, None, None)
    total: Any = None
    mean: Any = None
    if not any(isinstance(value, float) and math.isinf(value) for value in there):
        total = sum(map(Fraction, there), Fraction(0))
        mean = total / len(there)
    if kind == "float" and total is not None:
        total, mean = nearest(total), nearest(mean)
    if kind in ("date", "time"):
        total = None
    if kind == "date":
        mean = None
    return Total(len(values), len(there), total, mean, min(there), max(there))


def nearest(exact: Fraction) -> float | None:
    """The nearest double; None where it is too large for one."""
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return None


@pytest.mark.parametrize("size", SIZES)
def test_measures_are_those_of_the_reference(size: int, seed: int, tmp_path: Path) -> None:
    picks = random.Random(f"{seed} {size}")
    world = World(seed=(seed + size) % 2**32, rows=size)
    with world.fill(tmp_path / "store") as database:
        reference = Reference(world, database)
        programs = Programs(world, seed)
        for number in range(VALUES if size < 1000 else VALUES // 6):
            expression = "true" if number % 3 else programs.expression()
            text = some_value(picks)
            told = f"{text}, of {expression}; World(seed={world.seed}, rows={size})"
            rows = reference.members(expression)
            values = reference.values(text, rows)
            judge_totals(database, text, expression, rows, values, reference, told)
            judge_bins(database, text, expression, values, picks, told)


def judge_totals(
    database: Database,
    text: str,
    expression: str,
    rows: Sequence[int],
    values: Sequence[Any],
    reference: Reference,
    told: str,
) -> None:
    """Asserts what summaries say, whole and by a category or a bool."""
    found = database.measures.summarize(text, expression, as_of_us=NOW_US)
    kind = found.value.kind
    assert found.total == total_of(values, kind), told
    by = "city" if len(text) % 2 else "active"
    groups = reference.values(by, rows)
    names = {None if name is None else str(name).lower() for name in groups}
    grouped = database.measures.summarize(text, expression, group_by=by, as_of_us=NOW_US)
    expected = {
        name: total_of(
            [
                value
                for value, group in zip(values, groups, strict=True)
                if (None if group is None else str(group).lower()) == name
            ],
            kind,
        )
        for name in names
    }
    assert grouped.groups == expected, told
    assert grouped.total == found.total, told


def judge_bins(
    database: Database,
    text: str,
    expression: str,
    values: Sequence[Any],
    picks: random.Random,
    told: str,
) -> None:
    """Asserts that bins partition the values, and have the widths, shares and borders promised."""
    there = sorted(value for value in values if value is not None)
    if there and isinstance(there[0], float) and math.isinf(max(map(abs, there))):
        return
    count = picks.choice((1, 2, 3, 10, 100))
    measures = database.measures
    equal = measures.distribution(text, expression, EqualBins(count), as_of_us=NOW_US).histogram
    shares = measures.distribution(text, expression, Quantiles(count), as_of_us=NOW_US).histogram
    assert equal is not None and shares is not None
    for found in (equal, shares):
        assert (found.matched, found.present) == (len(values), len(there)), told
        assert (found.below, found.above) == (0, 0), told
        assert len(found.bins) <= count, told
        if not there:
            assert found.bins == (), told
            continue
        lows = [one.low for one in found.bins]
        assert [one.high for one in found.bins[:-1]] == lows[1:], told
        assert lows == sorted(set(lows)) and found.bins[-1].high > there[-1] >= lows[-1], told
        places = [bisect_right(lows, value) - 1 for value in there]
        assert [one.count for one in found.bins] == [
            places.count(place) for place in range(len(lows))
        ], told
    if not there:
        return
    assert shares.bins[0].low == there[0], told
    ranks = (-(-place * len(there) // count) for place in range(count))
    starts = {there[rank] for rank in ranks if rank < len(there)}
    assert [one.low for one in shares.bins] == sorted(starts), told
    if not isinstance(there[0], float):
        widths = {one.high - one.low for one in equal.bins}
        assert len(widths) == 1, told
    judge_thresholds(database, text, expression, values, there, picks, told)


def judge_thresholds(
    database: Database,
    text: str,
    expression: str,
    values: Sequence[Any],
    there: Sequence[Any],
    picks: random.Random,
    told: str,
) -> None:
    """Asserts counts at thresholds that are values, beside values and far from all."""
    measures = database.measures
    kind = measures.summarize(text, expression, as_of_us=NOW_US).value.kind
    if kind not in ("number", "duration"):
        return
    unit = 1 if kind == "number" else 1_000_000
    near = [picks.choice(there) // unit + picks.choice((-1, 0, 1)) for _ in range(5)]
    near = [border for border in near if abs(border) < 10**37]
    borders = sorted({*map(int, near), 0, 10**30 if kind == "number" else 10**9})
    words = [
        str(border) if kind == "number" else f"{border} * 1 second" if border >= 0
        else f"0 * 1 second - {-border} * 1 second"
        for border in borders
    ]  # fmt: skip
    shuffled = [*range(len(borders))]
    picks.shuffle(shuffled)
    for op in (">=", "<="):
        found = measures.distribution(
            text,
            expression,
            Thresholds([words[place] for place in shuffled], op),  # type: ignore[arg-type]
            as_of_us=NOW_US,
        )
        assert [one.count for one in found.thresholds] == [
            sum(
                value >= borders[place] * unit if op == ">=" else value <= borders[place] * unit
                for value in there
            )
            for place in shuffled
        ], (op, borders, told)
    cut = measures.distribution(text, expression, Edges(words), as_of_us=NOW_US).histogram
    assert cut is not None
    places = [bisect_right([border * unit for border in borders], value) for value in there]
    counts = [places.count(place) for place in range(len(borders) + 1)]
    assert [cut.below, *(one.count for one in cut.bins), cut.above] == counts, told
    assert (cut.matched, cut.present) == (len(values), len(there)), told
