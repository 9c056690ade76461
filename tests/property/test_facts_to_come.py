"""Looking ahead at segments over facts: who is told beforehand to enter and leave is who does when
the clock ticks, and the next change of each profile is the first of these."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fact_worlds import FACT_RULES, FACT_SEGMENTS, fact_updates
from tests.moving_events import EventDatabase, event_updates
from tests.moving_worlds import DAY_US, START_US, MovingDatabase
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 40 if soaking() else 3
PEOPLE = 12

FACTS = {
    **FACT_SEGMENTS,
    "hot": "band('heat') = 'top' or band('heat') = 'high'",
    "early": "tier('life') = 'early' and not tag = 'LAST'",
    "heated": "score('heat') > 45",
}
NAMED_RULES = """\
tag_rules:
- {tag: 'read {page}', each: read where page != 'r', keep: sticky}
- {tag: 'late {page}', each: read between 2 days and 1 day ago, keep: sticky}
- {tag: 'then {page}', each: "read where now > date '2025-10-11' in last 9 days", keep: sticky}
- {tag: KEEN, when: "tag contains 'late' and count(order in last 2 days) = 0", keep: sticky}
- {tag: KEENER, when: "tag = 'KEEN' and last(read) < now - 3 days", keep: sticky}
scores:
  lead:
    rules:
    - {each: read, points: 30, half_life: 1 day}
    - {when: "tag = 'KEEN'", points: 11}
    bands: {cold: 0, warm: 20, hot: 45}
    hold: {warm: 9.5, hot: 15}
"""
NAMED = {
    "late": "tag contains 'late'",
    "p": "tag = 'read p' and not tag = 'late p'",
    "none": "tag is missing",
    "keener": "tag = 'KEENER' or tag = 'then q' and size > 2",
    "hot": "band('lead') = 'hot'",
    "warm": "band('lead') >= 'warm' and not tag = 'KEEN'",
    "still": "size > 3",
}


def _foresee(live: MovingDatabase, chance: random.Random) -> int:
    """Looks ahead, and lets the time come; how many changes there were."""
    database = live.database
    before = len(live.by_clock())
    # The clock may have gone on since the last tick, and may be asked about later.
    now_us = live.now_us + chance.choice((0, 0, DAY_US // 3))
    within_us = chance.choice((DAY_US, 4 * DAY_US, 9 * DAY_US))
    live.now_us = now_us
    from_us = now_us + chance.choice((0, DAY_US))
    coming = database.foresight.changes(within_us=within_us, as_of_us=from_us, limit=10**6)
    members = [("member", f"m{number}") for number in range(PEOPLE)]
    next_of = database.foresight.of_profiles(members, as_of_us=from_us)
    told = [
        (("+" if one.entered else "-") + one.segment, one.row, one.instant_us)
        for one in coming.changes
    ]
    until_us = from_us + within_us
    live.go(until_us)
    segments = {f"{side}{name}" for name in database.model.segments for side in "+-"}  # type: ignore[union-attr]
    happened = [one for one in live.by_clock()[before:] if one[0] in segments and one[2] > from_us]
    assert sorted(told) == sorted(happened)
    assert [at for _, _, at in told] == sorted(at for _, _, at in told)
    assert coming.count == len(told)
    first: dict[tuple[str, int], int] = {}
    for what, row, at_us in told:
        first.setdefault((what[1:], row), at_us)
    found = {
        (one.segment, one.row): one.instant_us
        for changes in next_of
        for one in changes or ()
        if one.instant_us <= until_us
    }
    assert found == first
    return len(told)


def test_facts_of_conditions_are_foreseen(seed: int, tmp_path: Path) -> None:
    count = 0
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} {place}")
        path = tmp_path / str(place)
        with closing(MovingDatabase(path, FACTS, rules=FACT_RULES)) as live:
            for _ in range(2):
                live.send(*fact_updates(chance, live.now_us, PEOPLE, chance.choice((5, 40))))
                count += _foresee(live, chance)
    assert count > 10


def test_named_tags_and_held_bands_are_foreseen(seed: int, tmp_path: Path) -> None:
    count = 0
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} named {place}")
        path = tmp_path / str(place)
        with closing(EventDatabase(path, NAMED, now_us=START_US, rules=NAMED_RULES)) as live:
            for _ in range(2):
                live.send(*_updates(chance, live.now_us))
                count += _foresee(live, chance)
    assert count > 10


def _updates(chance: random.Random, now_us: int) -> list[dict[str, Any]]:
    found = event_updates(chance, now_us, PEOPLE, chance.choice((5, 40)))
    for update in found:
        if chance.random() < 0.2:
            update["-tag"] = chance.sample(("read p", "late q", "then q", "KEEN", "KEENER"), 2)
    return found


def _written(live: MovingDatabase) -> tuple[int, ...]:
    stats = live.database.stats()
    return live.database.data_version, stats["hidden_events"], stats["rows_evaluated"]


def test_what_is_foreseen_is_seen_by_nobody_else(tmp_path: Path) -> None:
    """Looking ahead writes nothing, and stored facts of the past are taken as they are."""
    with closing(EventDatabase(tmp_path / "store", NAMED, rules=NAMED_RULES)) as live:
        chance = random.Random(1)
        live.send(*_updates(chance, live.now_us), *_updates(chance, live.now_us))
        live.go(START_US + DAY_US)
        foresight = live.database.foresight
        before = _written(live)
        coming = foresight.changes(within_us=9 * DAY_US, limit=10**6)
        assert coming.count > 0 and _written(live) == before
        assert foresight.changes(within_us=9 * DAY_US, limit=10**6) == coming
        happened = [one for one in live.by_clock() if "." not in one[0]]
        past = foresight.changes(within_us=DAY_US, as_of_us=START_US, limit=10**6)
        told = [
            (("+" if one.entered else "-") + one.segment, one.row, one.instant_us)
            for one in past.changes
        ]
        assert sorted(told) == sorted(happened) and told
        live.agree()
