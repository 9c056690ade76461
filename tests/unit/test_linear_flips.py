"""Flips of comparisons with now, against truth asked microsecond by microsecond."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.live.flips import NEVER
from engine.live.linear_flips import LinearFlips
from engine.live.rows_read import RowsRead
from engine.rules import bound
from engine.rules.bind import Binder
from engine.rules.parse import parse
from tests.moving_worlds import DAY_US, START_US, MovingDatabase

RULES = [
    "joined > now - 1 second",
    "joined >= now - 1 second",
    "now - joined > seen - joined",
    "now - joined <= 1 second",
    "joined + 3 days != now",
    "renewal - now < 14 days",
    "renewal <= now",
    "joined - now = seen - renewal",
    "now - 2 days > seen",
    "now > time '2025-10-11T00:00:00Z'",
    "now in (time '2025-10-11T00:00:00Z', time '2025-10-11T00:00:00.000001Z')",
    "seen - joined + now not in (time '2025-10-09T08:53:20Z')",
]


def _leaf(live: MovingDatabase, text: str) -> LinearFlips:
    model = live.database.model
    assert model is not None
    found = Binder(model).bind(parse(text))
    assert isinstance(found, bound.BoundCompare | bound.BoundIn), found
    return LinearFlips(found)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = MovingDatabase(tmp_path_factory.mktemp("flips") / "store", {})
    chance = random.Random(5)
    for number in range(40):
        near = START_US + chance.choice((0, 1, -1, chance.randrange(-3, 4) * DAY_US))
        made.send(
            {
                "member": f"m{number}",
                **({"joined": near} if number % 7 else {}),
                "seen": near + chance.choice((0, 1, DAY_US)),
                "renewal": near // DAY_US + chance.randrange(3),
            }
        )
    yield made
    made.close()


@pytest.mark.parametrize("text", RULES)
def test_nothing_changes_but_at_flips(live: MovingDatabase, text: str) -> None:
    leaf = _leaf(live, text)
    rows = np.arange(40, dtype=np.uint32)
    first, last = START_US - 20 * DAY_US, START_US + 20 * DAY_US
    with live.database._store.snapshot() as snapshot:
        assert live.database.model is not None
        read = RowsRead(snapshot, rows, live.database.model.time_zone)
        found = leaf.between(read, first, last, 10**6)
        flips = {row: {first} for row in range(40)}
        for row, at in zip(found.rows.tolist(), found.instants.tolist(), strict=True):
            assert first < at <= last
            flips[row].add(at)
        assert (found.ahead > last).all() and (found.ahead[1:] >= found.ahead[:-1]).all()
        for at in sorted(set().union(*flips.values())):
            for asked in (at - 1, at, at + 1):
                truths = leaf.holds(read, rows.astype(np.intp), np.full(40, asked))
                with live.database.members(text, as_of_us=asked) as members:
                    assert np.flatnonzero(truths).tolist() == members.rows.tolist(), asked
        changed = 0
        for row, instants in flips.items():
            at = np.array(sorted(instants))
            places = np.full(len(at), row)
            starts = leaf.holds(read, places, at)
            # Up to the microsecond before the next flip everything stays as it is.
            ends = leaf.holds(read, places, np.append(at[1:] - 1, last))
            assert (starts == ends).all(), (row, at)
            changed += int((starts[1:] != starts[:-1]).sum())
        assert changed
        soonest = leaf.next_of(read, first)
        for row, instants in flips.items():
            expected = min(instants - {first}, default=NEVER)
            assert soonest[row] == expected or (expected == NEVER and soonest[row] > last)


@pytest.mark.parametrize("size", [10**17, 10**18 - 1])
def test_sums_beyond_64_bits(size: int, tmp_path: Path) -> None:
    """Factors take a sum out of 64 bits, and the comparison stays exact."""
    live = MovingDatabase(tmp_path / "store", {})
    try:
        live.send({"member": "a", "joined": START_US})
        model = live.database.model
        assert model is not None
        joined = bound.AttributeSource(model.attributes["joined"])
        terms = (bound.LinearTerm(Fraction(size), joined),)
        # size * (joined - now) > 0
        form = bound.Linear(terms, Fraction(0), -size)
        leaf = LinearFlips(bound.BoundCompare(form, ">", None))
        rows = np.zeros(1, np.uint32)
        with live.database._store.snapshot() as snapshot:
            read = RowsRead(snapshot, rows, model.time_zone)
            assert leaf.next_of(read, 0).tolist() == [START_US]
            asked = np.array([START_US - 1, START_US])
            truths = leaf.holds(read, np.zeros(2, np.intp), asked)
            assert truths.tolist() == [True, False]
    finally:
        live.close()


@pytest.mark.parametrize("most", [1, 2, 5, 256])
def test_what_is_ahead_is_complete_up_to_its_horizon(live: MovingDatabase, most: int) -> None:
    """With many that flip together, and with more to come than are kept."""
    leaf = _leaf(live, "joined > now - 1 second")
    rows = np.arange(40, dtype=np.uint32)
    with live.database._store.snapshot() as snapshot:
        assert live.database.model is not None
        read = RowsRead(snapshot, rows, live.database.model.time_zone)
        for through_us in (
            START_US - 9 * DAY_US,
            START_US,
            START_US + DAY_US,
            START_US + 9 * DAY_US,
        ):
            found = leaf.between(read, START_US - 9 * DAY_US, through_us, most)
            everything = leaf.between(read, through_us, NEVER - 1)
            expected = sorted(
                (at, row)
                for row, at in zip(
                    everything.rows.tolist(), everything.instants.tolist(), strict=True
                )
                if at <= found.horizon
            )
            told = sorted(zip(found.ahead.tolist(), found.ahead_rows.tolist(), strict=True))
            assert told == expected and len(told) <= most
            assert (found.ahead[1:] >= found.ahead[:-1]).all()
            assert len(everything.rows) == len(told) or found.horizon < NEVER - 1
