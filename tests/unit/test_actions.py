"""Actions in the feed: an entry whenever `on` becomes true, none when it becomes false, the same
after restarts and in however many steps time passes; and what there is to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from engine.actions import EVIDENCE_MOST, ToDo
from engine.errors import NotYet
from engine.live.feed import FeedPosition
from tests.moving_worlds import DAY_US, START_US, MovingDatabase

pytestmark = pytest.mark.usefixtures("whole_feed")

SCORE = """\
scores:
  lead:
    rules:
    - {when: "size >= 50", points: 60}
    - {when: "stage = 'x'", points: 50}
    bands: {hot: 60, mql: 100}
"""
ACTIONS = """\
actions:
  sell:
    on: "band('lead') = 'mql'"
    do: assign
    owner: {by: stage, table: {x: east}, else: hub}
    due: 2 hours
    send: [born, size, renewal]
  greet: {on: "joined <= now - 1 day", do: call}
  welcome: {on: "seen >= now - 1 day", do: call}
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[MovingDatabase]:
    opened = MovingDatabase(tmp_path / "store", {}, rules=SCORE + ACTIONS)
    yield opened
    opened.close()


def asked(live: MovingDatabase) -> list[tuple[str, str, int, int]]:
    """(cause, action, row, instant) of the whole feed."""
    return [
        (cause, name.removeprefix("+actions."), row, instant)
        for cause, name, row, instant in live.entries()
        if "actions." in name
    ]


def to_do(live: MovingDatabase) -> list[ToDo]:
    """What there is to do by the whole feed."""
    database = live.database
    live.entries()  # waits until they are durable
    chunk = database.feed.read(FeedPosition(1), lambda key: key.startswith("actions."))
    with database.feed.snapshot() as snapshot:
        lists = [database.actions.of_run(snapshot, run) for run in chunk.runs]
    assert None not in lists
    return [one for found in lists for one in found or ()]


def test_an_entry_whenever_it_becomes_true(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 50, "stage": "x"}, {"member": "b", "size": 50})
    live.send({"member": "b", "stage": "x"}, {"member": "a", "size": 51})
    live.send({"member": "a", "stage": "y"})
    live.send({"member": "a", "stage": "x"})
    sell = [("update", "sell", row, START_US) for row in (0, 1, 0)]
    assert asked(live) == sell
    live.reopen()
    assert asked(live) == sell


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_time_asks_too_however_many_steps_it_takes(live: MovingDatabase, steps: int) -> None:
    live.send({"member": "a", "joined": START_US - DAY_US + 5}, {"member": "b", "joined": START_US})
    live.send({"member": "c", "seen": START_US})
    for step in range(1, steps + 1):
        live.go(START_US + 2 * DAY_US * step // steps)
    assert asked(live) == [
        ("update", "welcome", 2, START_US),
        ("clock", "greet", 0, START_US + 5),
        ("clock", "greet", 1, START_US + DAY_US),
    ]


def test_what_is_to_be_done(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 50, "stage": "x", "born": date(1980, 2, 29)})
    live.send({"member": "a", "size": 49})
    live.send({"member": "a", "size": 70, "joined": START_US})
    live.go(START_US + DAY_US)
    first, second, third = to_do(live)
    assert first == second
    assert first == ToDo(
        do="assign",
        owner="east",
        due_us=START_US + 2 * 3_600_000_000,
        send={"born": date(1980, 2, 29), "size": 70},
        evidence=(
            "band('lead') = 'mql'",
            "band('lead') is mql",
            "lead: 110 points",
            "+60  size >= 50",
            "+50  stage = 'x'",
        ),
    )
    assert third.do == "call"
    assert third.owner is third.due_us is None
    assert third.send == {}
    assert third.evidence == ("joined <= now - 1 day", "joined is 2025-10-09 10:53:20")


@pytest.mark.parametrize(
    ("owner", "found"),
    [
        ("{by: stage, table: {y: west}, else: hub}", "hub"),
        ("{by: stage, table: {y: west}}", None),
        ("{by: size, table: {60: large}, else: hub}", "large"),
        ("{by: size, table: {'61': large}, else: hub}", "hub"),
    ],
)
def test_the_owner(tmp_path: Path, owner: str, found: str | None) -> None:
    rules = f"actions: {{sell: {{on: size > 50, do: assign, owner: {owner}}}}}\n"
    live = MovingDatabase(tmp_path / "store", {}, rules=rules)
    live.send({"member": "a", "size": 60}, {"member": "b", "stage": "x"})
    live.send({"member": "b", "size": 70})
    first, second = to_do(live)
    assert first.owner == found
    assert second.owner == ("hub" if "else" in owner else None)
    live.close()


def test_a_table_of_truths_may_be_written_in_capitals(tmp_path: Path) -> None:
    rules = "actions: {sell: {on: vip is present, do: a, owner: {by: vip, table: {True: east}}}}\n"
    live = MovingDatabase(tmp_path / "store", {})
    ((name, text),) = live.database.model.text.items()  # type: ignore[union-attr]
    files = {name: text.replace("  stage:", "  vip: {type: bool}\n  stage:") + rules}
    live.database.apply_model(files)
    live.send({"member": "a", "vip": True}, {"member": "b", "vip": False})
    assert [one.owner for one in to_do(live)] == ["east", None]
    live.close()


def test_evidence_is_short(tmp_path: Path) -> None:
    text = " and ".join(f"size > {number}" for number in range(50))
    rules = f'actions: {{sell: {{on: "{text}", do: assign}}}}\n'
    live = MovingDatabase(tmp_path / "store", {}, rules=rules)
    live.send({"member": "a", "size": 60})
    (found,) = to_do(live)
    assert len(found.evidence) == EVIDENCE_MOST
    assert found.evidence[0] == "size > 0"
    live.close()


def test_what_is_so_when_an_action_is_made_is_not_asked_for(tmp_path: Path) -> None:
    live = MovingDatabase(tmp_path / "store", {}, rules=SCORE)
    live.send({"member": "a", "size": 50, "stage": "x"}, {"member": "b", "size": 50})
    live.apply({}, rules=SCORE + ACTIONS)
    assert asked(live) == []
    live.send({"member": "b", "stage": "x"})
    assert asked(live) == [("update", "sell", 1, START_US)]
    # With another meaning it becomes true of those of whom it was false.
    live.send({"member": "c", "size": 50})
    live.apply({}, rules=SCORE.replace("mql: 100", "mql: 61").replace("60}", "61}") + ACTIONS)
    assert asked(live)[1:] == [("edit", "sell", 2, START_US)]
    live.apply({}, rules=SCORE)
    live.apply({}, rules=SCORE + ACTIONS)
    assert len(asked(live)) == 2
    live.close()


def test_whoever_is_gone_has_nothing_to_send(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 50, "stage": "x"})
    assert len(asked(live)) == 1
    with live.database.feed.snapshot() as snapshot:
        chunk = live.database.feed.read(FeedPosition(1), lambda key: key.startswith("actions."))
        live.apply({}, rules=SCORE)
        assert live.database.actions.of_run(snapshot, chunk.runs[0]) is not None
    with live.database.feed.snapshot() as snapshot:
        assert live.database.actions.of_run(snapshot, chunk.runs[0]) is None


def test_what_cannot_be_kept_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = MovingDatabase(tmp_path / "store", {})
    monkeypatch.setattr("engine.live.kept_definitions.why_unkept", lambda body: "it is so")
    with pytest.raises(NotYet, match=r"actions\.sell cannot be kept .*: it is so\. Change its"):
        live.apply({}, rules="actions: {sell: {on: size > 1, do: assign}}\n")
    live.close()
