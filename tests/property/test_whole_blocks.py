"""Where many rows of a block flip together it is evaluated as a whole: with the same feed and the
same members as where each row is judged by itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.columns.strings import Strings
from engine.live import whole_blocks
from tests.moving_events import EVENT_SEGMENTS, HOUR_US, EventDatabase, event_updates
from tests.moving_worlds import DAY_US, MONTH_END_US, MOVING, MovingDatabase, random_updates
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 40 if soaking() else 8

# Members of a world with more of them than make a mass.
PEOPLE = 5000
MASS = 4000


def _read(at_us: int) -> dict[str, Any]:
    return {"read": {"time": at_us, "page": "p"}}


def _people() -> list[dict[str, Any]]:
    """Nearly all flip at midnight; some a microsecond before or after, too, or instead."""
    seen_us = MONTH_END_US - 3 * DAY_US
    found = []
    for number in range(PEOPLE):
        member: dict[str, Any] = {"member": f"m{number}", "size": number % 7}
        if number < MASS:
            # One of a hundred is seen a microsecond earlier, one later.
            member["seen"] = seen_us + {3: -1, 55: 1}.get(number % 100, 0)
        if number % 10:
            member |= _read(MONTH_END_US - DAY_US + number)
        if number % 50 == 4:
            member |= _read(MONTH_END_US + 1)
        if number % 50 == 9:
            member |= _read(MONTH_END_US)
        found.append(member)
    return found


SEGMENTS = {
    "fresh": "seen > now - 3 days",
    "old": "seen <= now - 3 days and size != 3",
    "read": "count(read this month) >= 1",
    "unread": "not count(read this month) >= 1 and segment('fresh')",
    "brief": "seen <= now - 3 days and now < time '2025-11-01T00:00:00.000001Z'",
    "still": "size >= 5",
}


def _is_in(name: str, member: dict[str, Any], at_us: int) -> bool:
    """The same, slowly."""
    fresh = member.get("seen", 0) > at_us - 3 * DAY_US
    old = "seen" in member and not fresh
    read_us = member.get("read", {"time": at_us + 1})["time"]
    read = read_us <= at_us and (read_us >= MONTH_END_US or at_us < MONTH_END_US)
    return {
        "fresh": fresh,
        "old": old and member["size"] != 3,
        "read": read,
        "unread": not read and fresh,
        "brief": old and at_us < MONTH_END_US + 1,
        "still": member["size"] >= 5,
    }[name]


def _expected(people: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """What time does around midnight: by instant, then segment; who enters is first."""
    found = []
    for at_us in range(MONTH_END_US - 3, MONTH_END_US + 4):
        for name in SEGMENTS:
            sides: dict[bool, list[tuple[str, int, int]]] = {True: [], False: []}
            for row, member in enumerate(people):
                after = _is_in(name, member, at_us)
                if after != _is_in(name, member, at_us - 1):
                    sides[after].append(("+" + name if after else "-" + name, row, at_us))
            found += sides[True] + sides[False]
    return found


@pytest.mark.parametrize("steps", [(9,), (-1, 9), (-2, -1, 0, 1, 2, 9), (0, 9)], ids=str)
def test_a_midnight_and_a_microsecond_before_and_after(
    steps: tuple[int, ...], tmp_path: Path
) -> None:
    """Each is told at its instant, in however many steps."""
    people = _people()
    live = EventDatabase(tmp_path / "store", SEGMENTS, zone="UTC", now_us=MONTH_END_US - HOUR_US)
    try:
        live.send(*people)
        live.go(MONTH_END_US - HOUR_US // 2)
        told = len(live.by_clock())
        for step in steps:
            live.go(MONTH_END_US + step)
        live.agree()
        found = live.by_clock()[told:]
        assert found == _expected(people)
        assert len({what for what, _, _ in found}) == 2 * (len(SEGMENTS) - 1) - 2
    finally:
        live.close()


def test_rows_of_the_block_are_counted(tmp_path: Path) -> None:
    """All of them once for each instant of many; the rows that flip apart as often as they do."""
    live = MovingDatabase(
        tmp_path / "store",
        {"fresh": "seen > now - 3 days", "big": "size > 1"},
        zone="UTC",
        now_us=MONTH_END_US,
    )
    try:
        people = [{"member": f"m{n}", "seen": MONTH_END_US + 2 * (n % 2)} for n in range(2 * MASS)]
        people[:5] = [{**member, "seen": MONTH_END_US + 1} for member in people[:5]]
        live.send(*people)
        live.go(MONTH_END_US + 1)
        before = live.database.stats()["tick_rows_evaluated"]
        live.go(MONTH_END_US + 3 * DAY_US + 5)
        evaluated = live.database.stats()["tick_rows_evaluated"] - before
        assert evaluated == 2 * len(people) + 5
        assert len(live.by_clock()) == len(people)
        live.agree()
    finally:
        live.close()


def test_who_came_to_a_list_since_its_upload_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole block asks for all rows of a list, not for those that an update wrote."""
    monkeypatch.setattr(whole_blocks, "MASS_ROWS", 1)
    live = MovingDatabase(tmp_path / "store", {}, zone="UTC", now_us=MONTH_END_US)
    try:
        live.send({"member": "a", "seen": MONTH_END_US}, {"member": "b", "seen": MONTH_END_US})
        live.database.upload_list("chosen", "member", Strings.from_list(["a", "c"]))
        rule = "list('chosen') and seen <= now - 3 days"
        live.apply({"listed": rule, "others": f"not ({rule})"}, zone="UTC")
        live.go(MONTH_END_US + 1)
        live.send({"member": "c", "seen": MONTH_END_US}, {"member": "d", "seen": MONTH_END_US})
        live.go(MONTH_END_US + 3 * DAY_US + 1)
        at_us = MONTH_END_US + 3 * DAY_US
        assert live.by_clock() == [
            ("+listed", 0, at_us), ("+listed", 2, at_us),
            ("-others", 0, at_us), ("-others", 2, at_us),
        ]  # fmt: skip
        live.agree()
    finally:
        live.close()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Shanghai"])
@pytest.mark.parametrize("of_events", [False, True], ids=["attributes", "events"])
def test_by_block_is_by_row(
    of_events: bool, zone: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One store judges whatever flips by whole blocks, and one never does."""
    chance = random.Random(f"{seed} {zone} {of_events}")
    opened: Callable[..., MovingDatabase] = EventDatabase if of_events else MovingDatabase
    segments = EVENT_SEGMENTS if of_events else MOVING
    now_us = MONTH_END_US - 7 * DAY_US
    stores = {
        least: opened(tmp_path / str(least), segments, zone=zone, now_us=now_us)
        for least in (1, 3, whole_blocks.MASS_ROWS)
    }
    try:
        for _ in range(ROUNDS):
            now_us += chance.choice((1, HOUR_US, DAY_US, DAY_US - 1, chance.randrange(3 * DAY_US)))
            size = chance.randrange(1, 12)
            made = event_updates if of_events else random_updates
            sent = made(chance, now_us, 12, size)
            for least, live in stores.items():
                monkeypatch.setattr(whole_blocks, "MASS_ROWS", least)
                live.go(now_us)
                live.send(*sent)
                live.agree()
        by_block, some, by_row = (live.entries() for live in stores.values())
        assert by_block == by_row == some
        assert len(by_row) > ROUNDS
    finally:
        for live in stores.values():
            live.close()
