"""Scores over blocks and rows at their edges, against sums made by hand and by the reference."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.audience import Audience
from engine.measures import Measures, Thresholds
from engine.model.definitions import Model
from engine.rules.bind import Binder
from engine.rules.parse import parse, parse_step, parse_value
from engine.rules.reference import ReferenceContext, evaluate_value
from engine.rules.reference_events import ReferenceEvent
from engine.rules.reference_scores import read_score
from tests.asked_audiences import agree
from tests.event_crowds import event_store
from tests.measured import total_of
from tests.property.event_expressions import EVENT_TYPES
from tests.property.test_event_columns import TYPES, stored_model

HOUR_US = 3_600_000_000
NOW_US = 1_790_000_000_000_000
ROWS = (0, 1, 63, 64, 4_095, 65_535, 65_536, 65_600)


def rule(points: str, **rest: Any) -> dict[str, Any]:
    return {"points": Decimal(points), **rest}


def scored(*rules: dict[str, Any], **ends: Any) -> Model:
    score = {"rules": rules, "bands": {}, "hold": {}, **ends}
    return replace(stored_model("UTC"), scores={"lead": score})


@contextmanager
def measured(
    path: Path, model: Model, events: dict[int, list[ReferenceEvent]]
) -> Iterator[tuple[Audience, Measures, dict[int, Fraction]]]:
    """A store of people as old as their row, with events; and their points by the reference."""
    path.mkdir(exist_ok=True)
    profiles = {row: {"age": row} for row in events}
    read = {name: read_score(score, parse, parse_step) for name, score in model.scores.items()}
    context = ReferenceContext(TYPES, ZoneInfo("UTC"), NOW_US, events=EVENT_TYPES, scores=read)
    value = parse_value("score('lead')")
    points = {
        row: evaluate_value(value, profiles[row], context, events=events[row]) for row in events
    }
    with (
        event_store(path / "store", model, profiles, events, random.Random(1)) as store,
        store.snapshot() as snapshot,
    ):
        measures = Measures(
            store.snapshot,
            lambda snapshot, as_of_us, control: Audience(
                snapshot, Binder(model), as_of_us=as_of_us, control=control
            ),
            lambda snapshot: Binder(model),
        )
        yield Audience(snapshot, Binder(model), as_of_us=NOW_US), measures, points


def judge(path: Path, model: Model, events: dict[int, list[ReferenceEvent]]) -> list[Fraction]:
    """Asserts that blocks, rows and measures have the points of the reference; these, by row."""
    with measured(path, model, events) as (audience, measures, points):
        edges = sorted({edge + Fraction(d, 1000) for edge in points.values() for d in (0, 1)})
        for edge in edges:
            sign = "-" if edge < 0 else ""
            number = Decimal(abs(edge.numerator)) / edge.denominator
            audience.add(parse(f"score('lead') >= {sign}{number:f}"))
        rows = sorted(points)
        expected = [[row for row in rows if points[row] >= edge] for edge in edges]
        agree(audience, edges, expected, rows)
        summary = measures.summarize("score('lead')", as_of_us=NOW_US).total
        assert summary == total_of(list(points.values()), "number")
        return [points[row] for row in rows]


def visits(*ages_us: int) -> list[ReferenceEvent]:
    return [ReferenceEvent("visit", NOW_US - age_us, {"page": "a"}) for age_us in ages_us]


def test_worth_changes_with_the_whole_hour(tmp_path: Path) -> None:
    ages = [0, 1, HOUR_US - 1, HOUR_US, HOUR_US + 1, 2 * HOUR_US - 1, 2 * HOUR_US, -1]
    model = scored(rule("3", each="visit", half_life_us=HOUR_US))
    events = {row: visits(age) for row, age in zip(ROWS, ages, strict=True)}
    found = judge(tmp_path, model, events)
    assert found == [
        3,
        3,
        3,
        Fraction("1.5"),
        Fraction("1.5"),
        Fraction("1.5"),
        Fraction("0.75"),
        0,
    ]


def test_each_event_is_rounded_by_itself(tmp_path: Path) -> None:
    """Halves go away from zero, before the sum and before `at_most`."""
    five = rule("-0.005", each="visit", half_life_us=HOUR_US)
    events = {row: visits(*[HOUR_US] * at) for at, row in enumerate(ROWS)}
    assert judge(tmp_path / "all", scored(five), events)[:3] == [
        0,
        Fraction("-0.003"),
        Fraction("-0.006"),
    ]
    capped = judge(tmp_path / "capped", scored({**five, "at_most": Decimal("0.007")}), events)
    assert capped[3:] == [Fraction("-0.007")] * 5


@pytest.mark.parametrize(
    ("rules", "ends"),
    [
        # One byte, two, four and eight for each row, and none at all.
        ([rule("5", when="age > 1"), rule("-5", when="age > 63")], {}),
        ([rule("5", when="age > 1"), rule("-20.125", when="age < 65536")], {}),
        ([rule("1000000", when="age > 1"), rule("0.001", when="age = 64")], {}),
        ([rule("1000000", each="visit"), rule("1", each="visit", half_life_us=HOUR_US)], {}),
        ([rule("7", when="true"), rule("2", when="age < 0")], {}),
        # Bounds within, at and beyond what the rules reach; the floor above all, and below all.
        ([rule("5", each="visit", at_most=Decimal("12"))], {"floor": Decimal(3)}),
        ([rule("-5", each="visit", at_most=Decimal("12"))], {"ceiling": Decimal(-7)}),
        ([rule("20", when="age > 63")], {"floor": Decimal(500)}),
        ([rule("20", when="age > 63")], {"ceiling": Decimal(-500), "floor": Decimal(-900)}),
        ([rule("20", when="age > 63")], {"floor": Decimal(-70_000), "ceiling": Decimal(10)}),
        ([rule("20", when="true"), rule("1", when="age > 63")], {"ceiling": Decimal("20.5")}),
        ([rule("-9", when="true"), rule("1", when="age > 63")], {"floor": Decimal("-8.5")}),
        # A count that stops at 255 has reached what there is to give; one that does not, has not.
        ([rule("1", each="visit", at_most=Decimal(3))], {}),
        ([rule("0.5", each="visit", at_most=Decimal(200))], {}),
    ],
)
def test_lanes_of_every_width(
    rules: list[dict[str, Any]], ends: dict[str, Any], tmp_path: Path
) -> None:
    events = {row: visits(*[HOUR_US // 2] * (at * at)) for at, row in enumerate(ROWS)}
    judge(tmp_path, scored(*rules, **ends), events)


def test_a_threshold_curve_in_one_pass(tmp_path: Path) -> None:
    """The audience by threshold; and a plain sum of a ledger is the column of an aggregate."""
    model = scored(rule("5", each="visit"), rule("-2", when="age > 63"))
    events = {row: visits(*range(at)) for at, row in enumerate(ROWS)}
    with measured(tmp_path, model, events) as (audience, measures, points):
        borders = ("0", "5", "13", "13.001")
        found = measures.distribution("score('lead')", cut=Thresholds(borders), as_of_us=NOW_US)
        assert [one.count for one in found.thresholds] == [
            sum(value >= Fraction(border) for value in points.values()) for border in borders
        ]
        audience.add(parse("score('lead') = 5 * count(visit) and age <= 63"))
        audience.add(parse("score('lead') + 2 = 5 * count(visit) and age > 63"))
        assert [result.count for result in audience.counts()] == [3, 5]


def test_a_score_of_scores_is_made_after_them(tmp_path: Path) -> None:
    """In the middle of a rule of its own none is begun: between two rules, and deep within one."""
    first = {
        "rules": (rule("3", each="visit"), rule("1", when="age > 63")),
        "bands": {},
        "hold": {},
    }
    second = {"rules": (rule("-7", when="score('first') > 9"),), "bands": {}, "hold": {}}
    model = scored(
        rule("100", when="age > 0"),
        rule("10", when="age > 1 and (score('second') < 0 or score('first') = 4)"),
        rule("1", each="visit"),
        rule("1000", when="score('first') > 3 and not score('second') = 0"),
    )
    model = replace(model, scores={**model.scores, "first": first, "second": second})
    events = {row: visits(*range(at)) for at, row in enumerate(ROWS)}
    assert judge(tmp_path, model, events) == [0, 101, 102, 1113, 1114, 1115, 1116, 1117]
