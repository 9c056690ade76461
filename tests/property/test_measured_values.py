"""Random values of random audiences: what is measured is what the reference finds, row by row."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.columns.uids import decode_uids
from engine.database import Database
from engine.rules.parse import parse, parse_value
from engine.rules.reference import ReferenceContext, evaluate, evaluate_value
from engine.store.catalog import UIDS
from tests.measured import judge_bins, total_of
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
            judge_bins(database.measures, NOW_US, text, expression, values, picks, told)


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
