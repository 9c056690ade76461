"""Segments over events that are kept, under simulated time: after every step the stored members
are those of the definition at that instant, the feed leads to them, and it is the same in however
many steps the clock moved."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.moving_events import EVENT_SEGMENTS, HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import (
    DAY_US,
    in_few_and_many_steps,
    in_spite_of_crashes,
    until_long_after,
)
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 40 if soaking() else 6

# Clocks are set back in Berlin on 2025-10-26; in Shanghai they were in 1986 to 1991, on Sundays; in
# St. John's in 2005, one minute after midnight, so that a day came twice.
STARTS = {
    "Europe/Berlin": datetime(2025, 10, 23, 22, 30),
    "Asia/Shanghai": datetime(1988, 9, 9, 12),
    "America/St_Johns": datetime(2005, 10, 29, 3),
}


# What follows from events one by one: by windows and `now`, too.
EACH_RULES = """\
tag_rules:
- {tag: 'read {page}', each: read where page != 'r', keep: sticky}
- {tag: 'lately {page}', each: read between 2 days and 1 day ago, keep: sticky}
- {tag: 'then {page}', each: "read where now > date '2025-10-25' in last 9 days", keep: sticky}
actions:
  each: {each: any, do: call}
  overdue: {each: order where due < now in last 5 days, do: call}
  month: {each: read 1 calendar week ago, do: call}
"""


def _each(path: Path) -> EventDatabase:
    segments = {"p": "tag = 'read p' and not tag = 'lately p'", "then": "tag = 'then q'"}
    segments |= {name: text for name, (text, _) in MATCHES.items()}
    return EventDatabase(path, segments, now_us=_start_us("Europe/Berlin"), rules=EACH_RULES)


# Matches over tags that properties name, and what each says of somebody's tags.
MATCHES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "q": ("tag contains 'q'", lambda tag: "q" in tag),
    "begins": ("tag starts with 'late'", lambda tag: tag.startswith("late")),
    "ends": ("tag ends with 'y r'", lambda tag: tag.endswith("y r")),
    "crosses": ("tag contains 'ad p' or tag contains 'n'", lambda tag: "ad p" in tag or "n" in tag),
    "there": ("tag is present", lambda tag: True),
}


def _each_updates(chance: random.Random, now_us: int, size: int) -> list[dict[str, Any]]:
    """Of random people, some of whom lose tags."""
    updates = event_updates(chance, now_us, 12, size)
    for update in updates:
        if chance.random() < 0.3:
            rule = chance.choice(("read", "lately", "then"))
            update["-tag"] = [f"{rule} {page}" for page in "pq"]
    return updates


def _matches_agree(live: EventDatabase) -> None:
    """What is stored of matches follows from the tags of everybody, one by one."""
    with live.database.members("true") as members:
        names = [value for chunk in members.identifiers("member") for value in chunk]
    cards = live.database.cards([("member", name) for name in names])
    tags = [card.card.tags if card is not None else () for card in cards]
    for name, (text, test) in MATCHES.items():
        expected = [row for row, own in enumerate(tags) if any(map(test, own))]
        with live.database.members(text) as members:
            assert members.rows.tolist() == expected, text
        assert live.count(name) == len(expected), text


def _cards_then_agree(live: EventDatabase, at_us: int) -> None:
    """A profile of another instant is in the segments that have it as a member then."""
    database = live.database
    with database.members("true") as members:
        rows = members.rows.tolist()
        owners = [("uid", uid.hex()) for chunk in members.uids() for uid in _each_uid(chunk)]
    found = database.cards_then(owners, at_us).cards
    told = {row: card.record.segments for row, card in zip(rows, found, strict=True) if card}
    for name in EVENT_SEGMENTS:
        with database.members(f"segment('{name}')", as_of_us=at_us) as members:
            assert members.rows.tolist() == [row for row in rows if name in told[row]], name


def _each_uid(joined: bytes) -> list[bytes]:
    return [joined[at : at + 16] for at in range(0, len(joined), 16)]


def _start_us(zone: str) -> int:
    return int(STARTS[zone].replace(tzinfo=ZoneInfo("UTC")).timestamp()) * 10**6


def _step_us(chance: random.Random) -> int:
    return chance.choice(
        (0, 1, 10**6, HOUR_US, DAY_US, DAY_US - 1, chance.randrange(3 * HOUR_US), 2 * DAY_US,
         chance.randrange(3 * DAY_US))
    )  # fmt: skip


@pytest.mark.parametrize("zone", STARTS)
def test_stored_is_recomputed_and_steps_do_not_matter(zone: str, seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"{seed} {zone}")
    start_us = _start_us(zone)
    few, many = (
        EventDatabase(tmp_path / name, EVENT_SEGMENTS, zone=zone, now_us=start_us)
        for name in ("few", "many")
    )
    with closing(few), closing(many):
        steps = (_step_us(chance) for _ in range(ROUNDS))
        in_few_and_many_steps(
            few, many, chance, steps,
            lambda now_us: event_updates(chance, now_us, 12, chance.randrange(1, 12)),
        )  # fmt: skip
        until_long_after(few, many, chance)
        assert few.entries() == many.entries()
        assert len(few.by_clock()) > ROUNDS
        for _ in range(4):
            _cards_then_agree(few, few.now_us + chance.randrange(-4 * DAY_US, 2 * DAY_US))


def test_a_crash_between_ticks_changes_nothing(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    in_spite_of_crashes(
        lambda path: EventDatabase(path, EVENT_SEGMENTS, now_us=_start_us("Europe/Berlin")),
        chance,
        (_step_us(chance) for _ in count()),
        ROUNDS,
        lambda now_us: event_updates(chance, now_us, 12, chance.randrange(1, 9)),
        tmp_path,
        monkeypatch,
    )


def test_what_follows_from_each_event_does_in_however_many_steps(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    with closing(_each(tmp_path / "few")) as few, closing(_each(tmp_path / "many")) as many:
        steps = (_step_us(chance) for _ in range(ROUNDS))
        in_few_and_many_steps(
            few, many, chance, steps,
            lambda now_us: _each_updates(chance, now_us, chance.randrange(1, 12)),
        )  # fmt: skip
        _matches_agree(few)
        _matches_agree(many)
        until_long_after(few, many, chance)
        _matches_agree(few)
        assert few.entries() == many.entries()
        assert any("actions." in what for what, _, _ in few.by_clock())


def test_each_event_asks_once_in_spite_of_crashes(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    in_spite_of_crashes(
        _each,
        chance,
        (_step_us(chance) for _ in count()),
        ROUNDS,
        lambda now_us: _each_updates(chance, now_us, chance.randrange(1, 9)),
        tmp_path,
        monkeypatch,
    )
