"""Sticky tags that properties name: set by each event as it comes to count, one for each value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import NotYet
from engine.live.definitions import NOBODY, Definition
from engine.model.definitions import Source
from tests.event_stores import event_batch
from tests.live_databases import only_the_log
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, START_US

NO_RULE = Definition(":tags.none", NOBODY)

pytestmark = pytest.mark.usefixtures("whole_feed")

RULES = """\
tag_rules:
- {tag: 'read {page}!', each: "read where page != 'r'", keep: sticky}
- {tag: 'now {page}', each: read}
- {tag: KNOWS, when: "tag = 'read p!' and size > 5", keep: sticky}
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[EventDatabase]:
    opened = EventDatabase(tmp_path / "store", {"p": "tag = 'read p!'"}, rules=RULES)
    yield opened
    opened.close()


def read(member: str, page: str | None, at_us: int = START_US, **given: Any) -> dict[str, Any]:
    """An update with one event."""
    event = {"time": at_us} | ({} if page is None else {"page": page}) | given
    return {"member": member, "read": event}


def who(live: EventDatabase, tag: str, at_us: int | None = None) -> list[int]:
    """The rows of those who have a tag."""
    with live.database.members(f"tag = '{tag}'", as_of_us=at_us) as members:
        rows: list[int] = members.rows.tolist()
    return rows


def test_each_value_is_a_tag_of_its_own(live: EventDatabase) -> None:
    live.send(read("a", "p"), read("b", "q"), read("a", "q"), read("c", "r"), read("c", None))
    assert who(live, "read p!") == [0] and who(live, "read q!") == [0, 1]
    assert who(live, "read r!") == [] and who(live, "now r") == [2]
    assert live.database.stats()["hidden_events"] == 3
    # The same again is no news.
    live.send(read("a", "p"), read("b", "q"))
    assert live.database.stats()["hidden_events"] == 3
    live.agree()


def test_a_tag_that_was_taken_away_returns_with_the_next_event(live: EventDatabase) -> None:
    live.send(read("a", "p"), read("a", "q"), {"member": "a", "size": 9})
    assert who(live, "KNOWS") == [0]
    live.go(START_US + 5)
    live.send({"member": "a", "-tag": ["read p!", "read x!", "KNOWS"], "size": 1})
    assert (who(live, "read p!"), who(live, "read q!"), who(live, "KNOWS")) == ([], [0], [])
    assert who(live, "read p!", START_US + 4) == [0]
    live.go(START_US + 9)
    live.send(read("a", "p", START_US + 9))
    assert who(live, "read p!") == [0] and who(live, "read p!", START_US + 8) == []
    # An event that is stored already is none.
    live.send(read("b", "p", id="1"))
    live.send({"member": "b", "-tag": ["read p!"]})
    live.send(read("b", "p", id="1"))
    assert who(live, "read p!") == [0]
    # Taken away and set by one update: set.
    live.send({**read("b", "p", id="2"), "-tag": ["read p!"]})
    assert who(live, "read p!") == [0, 1]
    live.go(START_US + 20)
    count = live.database.stats()["hidden_events"]
    live.send({**read("b", "p", id="3"), "-tag": ["read p!"]})
    assert who(live, "read p!") == [0, 1] and live.database.stats()["hidden_events"] == count
    live.agree()


def test_a_correction_sets_no_tag_that_the_event_had_set(live: EventDatabase) -> None:
    live.send(read("a", "p", id="1"))
    live.send({"member": "a", "-tag": ["read p!"]})
    live.send(read("a", "p", START_US - 5, id="1"))
    assert who(live, "read p!") == []
    # Another name is another tag, and the first comes back with another event.
    live.send(read("a", "q", id="1"))
    assert (who(live, "read p!"), who(live, "read q!")) == ([], [0])
    live.send(read("a", "p", id="1"))
    assert who(live, "read p!") == [0]
    live.agree()


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_windows_and_now_set_tags_as_time_passes(live: EventDatabase, steps: int) -> None:
    rules = """\
tag_rules:
- {tag: 'was {page}', each: read between 3 days and 1 day ago, keep: sticky}
- {tag: 'new {page}', each: read in last 1 day, keep: sticky}
- {tag: 'due {page}', each: "read where page = 'x' and now > date '2025-10-11'", keep: sticky}
"""
    live.apply({}, rules=rules)
    live.send(read("a", "p", START_US - 2 * DAY_US), read("b", "q", START_US - 60))
    live.send(read("c", "x"))
    assert (who(live, "was p"), who(live, "new p"), who(live, "new q")) == ([0], [], [1])
    for step in range(1, steps + 1):
        live.go(START_US + 4 * DAY_US * step // steps)
    assert (who(live, "was q"), who(live, "due x")) == ([1], [2])
    # The first instant after that midnight in Berlin.
    due_us = 20_372 * DAY_US - 7_199_999_999
    for tag, at_us in (("was q", START_US - 60 + DAY_US), ("due x", due_us)):
        assert who(live, tag, at_us - 1) == []
        assert len(who(live, tag, at_us)) == 1
    live.agree()


def test_matches_over_the_set(live: EventDatabase) -> None:
    segments = {"has": "tag contains 'd p'", "none": "tag is missing", "ends": "tag ends with 'q!'"}
    live.apply(segments, rules=RULES.replace("- {tag: 'now {page}', each: read}\n", ""))
    live.send(read("a", "p"), read("a", "q"), read("b", "q"), {"member": "c"})

    def sizes() -> list[list[int]]:
        found = []
        for name, text in segments.items():
            with live.database.members(text) as members:
                assert live.count(name) == len(members.rows)
                found.append(members.rows.tolist())
        return found

    assert sizes() == [[0], [2], [0, 1]]
    # Taken away, and set again and taken away, all at one instant.
    live.send({"member": "a", "-tag": ["read p!"]})
    assert sizes() == [[], [2], [0, 1]]
    live.send(read("a", "p"))
    live.send({"member": "a", "-tag": ["read p!", "read q!"]}, {"member": "b", "-tag": ["read q!"]})
    assert sizes() == [[], [0, 1, 2], []]
    live.go(START_US + 10)
    live.send(read("a", "p"), read("b", "p"))
    assert sizes() == [[0, 1], [2], []]
    live.go(START_US + 20)
    live.send({"member": "a", "-tag": ["read p!"]})
    assert sizes() == [[1], [0, 2], []]
    for at_us, rows in ((START_US, []), (START_US + 10, [0, 1]), (START_US + 20, [1])):
        with live.database.members(segments["has"], as_of_us=at_us) as members:
            assert members.rows.tolist() == rows
    live.agree()
    live.reopen()
    assert sizes() == [[1], [0, 2], []]
    live.agree()


def test_an_event_dated_ahead_sets_its_tag_at_its_own_time(live: EventDatabase) -> None:
    live.send({"member": "a", "size": 9})
    live.send(read("a", "p", START_US + 600), read("a", "p", START_US + 700))
    assert who(live, "read p!") == []
    live.go(START_US + DAY_US)
    assert who(live, "read p!") == [0] and who(live, "KNOWS") == [0]
    assert [(what, at) for what, _, at in live.by_clock()] == [
        ("+p", START_US + 600), ("+tags.KNOWS", START_US + 600),
        ('tags."read {page}!": - -> read p!', START_US + 600),
        ('tags."now {page}": - -> now p', START_US + 600),
    ]  # fmt: skip
    assert live.database.stats()["hidden_events"] == 2
    live.agree()


def test_a_new_rule_and_an_edit_find_the_events_there_are(live: EventDatabase) -> None:
    live.send(*(read(f"m{i}", "pqr"[i % 3]) for i in range(90)))
    assert who(live, "read q!") == list(range(1, 90, 3))
    live.send({"member": "m1", "-tag": ["read q!"]}, read("m2", "p", START_US + 50))
    live.apply({}, rules=RULES.replace(" where page != 'r'", ""))
    assert who(live, "read r!") == list(range(2, 90, 3))
    assert who(live, "read q!") == list(range(4, 90, 3))
    live.apply({}, rules=RULES.replace("read {page}!", "saw {page}").replace("read p!", "saw p"))
    assert who(live, "read q!") == [] and who(live, "saw q") == list(range(1, 90, 3))
    live.reopen(after_us=DAY_US)
    live.database.tick()
    assert who(live, "saw p") == sorted([2, *range(0, 90, 3)])


def test_the_log_brings_the_same_facts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = EventDatabase(tmp_path / "store", {}, rules=RULES)
    copy = tmp_path / "copy"
    with monkeypatch.context() as patched:
        only_the_log(patched)
        live.send(read("a", "p", id="1"), read("b", "q"), read("b", "p", START_US + 10))
        live.send({"member": "a", "-tag": ["read p!"]}, read("a", "p", id="1"))
        live.go(START_US + 20)
        live.send({"member": "b", "-tag": ["read p!"]})
        entries, count = live.entries(), live.database.stats()["hidden_events"]
        with live.database._store._writing:
            copy.mkdir()
            (copy / "data.mdb").write_bytes((live.path / "data.mdb").read_bytes())
    again = EventDatabase(copy, now_us=live.now_us)
    try:
        for tag in ("read p!", "read q!"):
            assert who(again, tag) == who(live, tag) == ([1] if "q" in tag else [])
        assert again.entries() == entries
        assert again.database.stats()["hidden_events"] == count
    finally:
        again.close()
        live.close()


def test_what_cannot_be_kept_is_refused(
    live: EventDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.live.named_facts.why_unkept", lambda body: "it is so")
    rule = "{tag: 'x{page}', each: read, keep: sticky}"
    with pytest.raises(NotYet, match=r"cannot be kept .*: it is so\."):
        live.apply({}, rules=f"tag_rules:\n- {rule}\n")


def test_a_plan_counts_the_tags_that_a_rule_will_give(live: EventDatabase) -> None:
    live.send(*(read(f"m{i}", "pqr"[i % 3]) for i in range(90)), {"member": "m3", "size": 9})
    live.send({"member": "m0", "-tag": ["read p!"]}, {"member": "m3", "-tag": ["KNOWS"]})
    segments = {"p": "tag = 'read p!'", "k": "tag = 'KNOWS'", "r": "tag = 'read r!'"}
    text = RULES.replace("where page != 'r'", "where page = 'p' or page = 'r'")
    live.apply(segments, rules=text)
    assert [live.count(name) for name in segments] == [29, 0, 30]
    renamed = {"p": "tag = 'saw p'", "k": "tag = 'KNOWS'", "r": "tag = 'read r!'"}
    text = text.replace("read {page}!", "saw {page}").replace("read p!", "saw p")
    files = live.files(renamed, "Europe/Berlin", text)
    planned = {one.definition: one for one in live.database.plan_model(files).changes}
    applied = live.database.apply_model(files).changes
    assert {one.definition: one for one in applied} == planned
    # What KNOWS asks was true before the edit, too, and is no more when it was taken away.
    assert [live.count(name) for name in renamed] == [30, 0, 0]
    for name in renamed:
        assert planned[f"segments.{name}"].new_size == live.count(name), name


def test_a_load_sets_facts_of_many_at_once(live: EventDatabase) -> None:
    """Of several blocks, as whole blocks: tags of conditions and of events."""
    people = 65_536 * 2 + 50
    with live.database.bulk_load(Source("crm", {"member": "member"})) as load:
        for start in range(0, people, 1 << 16):
            numbers = range(start, min(start + (1 << 16), people))
            updates = [
                ({} if n % 4 else read("", "p")) | {"member": f"m{n}", "size": n % 10}
                for n in numbers
            ]
            assert not load.add(event_batch(updates, live.database.model)).refused
        load.finish()
    assert live.database.count("tag = 'read p!'").count == -(-people // 4)
    knows = sum(n % 4 == 0 and n % 10 > 5 for n in range(people))
    assert live.database.count("tag = 'KNOWS'").count == knows
    assert live.database.stats()["hidden_events"] == -(-people // 4) + knows
    live.agree()
    # The same again, with a few more.
    live.send({"member": "m0", "-tag": ["read p!"]})
    with live.database.bulk_load(Source("crm", {"member": "member"})) as load:
        load.add(event_batch([read("m0", "p", id="1"), read("m1", "p")], live.database.model))
        load.finish()
    assert live.database.count("tag = 'read p!'").count == -(-people // 4)
    live.reopen()
    live.agree()


def told(live: EventDatabase, rule: str) -> list[tuple[str, str, int, int]]:
    """(cause, `+` or `-` and the tag, row, instant) of a rule's entries."""
    start = f'tags."{rule}": '
    found = []
    for cause, what, row, at_us in live.entries():
        if what.startswith(start):
            old, _, new = what.removeprefix(start).partition(" -> ")
            found.append((cause, f"+{new}" if old == "-" else f"-{old}", row, at_us))
    return found


def test_the_feed_tells_each_tag_of_a_rule(live: EventDatabase) -> None:
    rules = "tag_rules:\n- {tag: 'in {page}', each: read in last 2 days}\n"
    live.apply({}, rules=rules)
    two_days_us, t = 2 * DAY_US, START_US
    live.send(read("a", "p", t - 5, id="1"), read("a", "q", t - 5), read("b", "q"))
    assert told(live, "in {page}") == [
        ("update", "+in p", 0, t), ("update", "+in q", 0, t), ("update", "+in q", 1, t)
    ]  # fmt: skip
    seen = len(told(live, "in {page}"))
    # Somebody gives what the rule gives already, and keeps it when that ends.
    live.send({"member": "b", "+tag": ["in q", "in x", "other"]}, read("a", "p", t - 3, id="1"))
    assert told(live, "in {page}")[seen:] == [("update", "+in x", 1, t)]
    live.go(t + 3 * DAY_US)
    assert told(live, "in {page}")[seen + 1 :] == [
        ("clock", "-in q", 0, t - 5 + two_days_us), ("clock", "-in p", 0, t - 3 + two_days_us)
    ]  # fmt: skip
    seen = len(told(live, "in {page}"))
    live.send({"member": "b", "-tag": ["in q"]})
    assert told(live, "in {page}")[seen:] == [("update", "-in q", 1, t + 3 * DAY_US)]
    # The rule asks something else, and is no more.
    live.apply({}, rules=rules.replace("in last 2 days", "where page != 'p'"))
    live.apply({}, rules="")
    assert [one[:3] for one in told(live, "in {page}")[seen + 1 :]] == [
        ("edit", "+in q", 0), ("edit", "+in q", 1),
        ("edit", "-in q", 0), ("edit", "-in q", 1), ("edit", "-in x", 1),
    ]  # fmt: skip
    assert live.database.stats()["told_tags"] == 0


def test_a_store_of_an_earlier_version_tells_them_from_its_opening_on(
    live: EventDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("engine.live.definitions._of_named", lambda *_: NO_RULE)
        live.apply({}, rules=RULES)
        live.send(read("a", "p"), read("b", "q"))
        assert told(live, "now {page}") == []
    live.reopen()
    assert [one[:3] for one in told(live, "now {page}")] == [
        ("edit", "+now p", 0), ("edit", "+now q", 1)
    ]  # fmt: skip
    assert not live.database.untold_definitions()


def test_work_is_for_those_that_changed(live: EventDatabase) -> None:
    rules = "tag_rules:\n- {tag: 'in {page}', each: read in last 2 days}\n"
    live.apply({}, rules=rules)
    live.send(*(read(f"m{n}", "pqr"[n % 3], START_US - n) for n in range(500)))
    before = live.database.stats()["rows_evaluated"]
    live.send(read("m7", "p"), {"member": "m8", "+tag": ["no such"]}, {"member": "m9", "size": 1})
    assert live.database.stats()["rows_evaluated"] - before == 1
    live.send({"member": "m8", "+tag": ["in x"]})
    assert live.database.stats()["rows_evaluated"] - before == 2
    live.go(START_US + 2 * DAY_US - 490)
    assert live.database.stats()["rows_evaluated"] - before == 2 + 10


def test_a_profile_has_them_among_its_tags(live: EventDatabase) -> None:
    live.send(read("a", "p"), read("a", "q"), read("a", "r"), {"member": "a", "size": 9})
    live.send({"member": "a", "-tag": ["read q!"]})
    assert tags_of(live, "a") == ["KNOWS", "now p", "now q", "now r", "read p!"]
    live.send({"member": "b", "+tag": ["other"]})
    assert tags_of(live, "b") == []


def tags_of(live: EventDatabase, member: str) -> list[str]:
    """What rules say of somebody."""
    (found,) = live.database.cards([("member", member)])
    assert found is not None
    return sorted(found.card.tags)
