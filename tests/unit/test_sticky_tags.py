"""Tags that rules give and keep: set when `when` turns true, ended by an update or with the rule,
the same after any restart and in however many steps time passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.columns.strings import Strings
from engine.core import evaluate
from engine.errors import InputInvalid, NotYet
from engine.live import kept_definitions
from engine.live.memberships import rows_of_masks
from engine.live.profile_events import EventsAsked
from engine.live.removed_tags import removed_tags
from engine.live.segment_plan import SegmentPlan
from engine.live.update import ADD, REMOVE, ProfileUpdate, SetCells
from engine.model.hidden_events import fact_events
from engine.rules.bound_facts import fact_holds
from engine.store.snapshot import Snapshot
from tests.crash.live_check import stored_rows
from tests.live_databases import only_the_log
from tests.moving_events import HOUR_US
from tests.moving_worlds import DAY_US, START_US, MovingDatabase, moving_model

pytestmark = pytest.mark.usefixtures("whole_feed")

RULES = """\
tag_rules:
- {tag: VIP, when: "size >= 50", keep: sticky}
- {tag: GONE, when: "joined <= now - 3 days", keep: sticky}
- {tag: LARGE, when: "size >= 90"}
"""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[MovingDatabase]:
    opened = MovingDatabase(tmp_path / "store", {}, rules=RULES)
    yield opened
    opened.close()


def tags(live: MovingDatabase, tag: str) -> list[str]:
    """Who has a tag by what is stored: the kept members, whom its fact says, too."""
    model = live.database.model
    assert model is not None
    with live.database._store.snapshot() as snapshot:
        rows = stored_rows(snapshot, f":tags.{tag}")
        assert rows == held(live, snapshot, tag, rows), tag
    with live.database.members("true") as members:
        names = [value for chunk in members.identifiers("member") for value in chunk]
        return [name for name, row in zip(names, members.rows.tolist(), strict=True) if row in rows]


def held(live: MovingDatabase, snapshot: Snapshot, tag: str, otherwise: list[int]) -> list[int]:
    """Who has the fact of a tag, now; `otherwise` where it has none."""
    model = live.database.model
    assert model is not None
    fact = fact_events(model).get(f"tag:{tag}")
    if fact is None:
        return otherwise
    plan = SegmentPlan(snapshot, model, {"": fact_holds(fact)}, now_us=live.now_us, kept=False)
    masks, _ = evaluate.many_masks(plan.program, plan.roots)
    return rows_of_masks(masks[0]).tolist()


def test_a_tag_stays_when_its_condition_ends(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 60}, {"member": "b", "size": 10})
    assert tags(live, "VIP") == ["a"]
    live.send({"member": "a", "size": 1}, {"member": "b", "size": 95})
    assert tags(live, "VIP") == ["a", "b"] and tags(live, "LARGE") == ["b"]
    live.send({"member": "b", "size": 1})
    assert tags(live, "VIP") == ["a", "b"] and tags(live, "LARGE") == []
    assert [what for _, what, _, _ in live.entries()] == [
        "+tags.VIP", "+tags.VIP", "+tags.LARGE", "-tags.LARGE"
    ]  # fmt: skip


def test_a_removed_tag_returns_only_after_its_condition_was_false(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 60})
    live.send({"member": "a", "-tag": ["VIP"]})
    assert tags(live, "VIP") == []
    live.send({"member": "a", "size": 70})
    assert tags(live, "VIP") == []
    live.send({"member": "a", "size": 7})
    live.send({"member": "a", "size": 70})
    assert tags(live, "VIP") == ["a"]
    # What another giver has given is not the rule's, and replacing it takes nothing from the rule.
    live.send({"member": "a", "tag": ["other"]})
    assert tags(live, "VIP") == ["a"]
    # Taken away and set by one update: the rule is judged after it.
    live.send({"member": "a", "size": 7})
    live.send({"member": "a", "size": 70, "-tag": ["VIP"]})
    assert tags(live, "VIP") == ["a"]


def test_begun_and_ended_at_one_instant(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 60})
    live.send({"member": "a", "-tag": ["VIP"]})
    assert tags(live, "VIP") == []
    live.send({"member": "a", "size": 6})
    live.send({"member": "a", "size": 60})
    assert tags(live, "VIP") == ["a"]
    # One event says what came last at that instant.
    assert live.database.stats()["hidden_events"] == 1
    assert [what for _, what, _, _ in live.entries()] == ["+tags.VIP", "-tags.VIP", "+tags.VIP"]


def test_time_sets_tags_at_its_own_instants(live: MovingDatabase) -> None:
    live.send({"member": "a", "joined": START_US - DAY_US}, {"member": "b", "joined": START_US})
    live.go(START_US + 10 * DAY_US)
    assert [(what, at) for what, _, at in live.by_clock()] == [
        ("+tags.GONE", START_US + 2 * DAY_US),
        ("+tags.GONE", START_US + 3 * DAY_US),
    ]
    live.send({"member": "a", "joined": live.now_us})
    assert tags(live, "GONE") == ["a", "b"]
    live.send({"member": "a", "-tag": ["GONE"]})
    live.go(live.now_us + 2 * DAY_US)
    assert tags(live, "GONE") == ["b"]
    live.go(live.now_us + 2 * DAY_US)
    assert tags(live, "GONE") == ["a", "b"]


def test_time_sets_what_is_set_already_no_more(live: MovingDatabase) -> None:
    when = "now - joined = 1 day or now - joined = 2 days"
    rules = f'tag_rules:\n- {{tag: VIP, when: "{when}", keep: sticky}}\n'
    live.apply({}, rules=rules)
    earlier_us = START_US - 36 * HOUR_US
    live.send({"member": "a", "joined": START_US}, {"member": "b", "joined": earlier_us})
    live.go(START_US + DAY_US)
    live.send({"member": "b", "-tag": ["VIP"]})
    live.go(START_US + 5 * DAY_US)
    assert tags(live, "VIP") == ["a"]
    # a once, though its condition held at two instants; b set and taken away.
    assert live.database.stats()["hidden_events"] == 3


def test_a_condition_that_ends_sets_nothing(live: MovingDatabase) -> None:
    live.apply({}, rules=RULES.replace("joined <= now", "joined > now"))
    live.send({"member": "a", "joined": START_US})
    live.send({"member": "a", "-tag": ["GONE"]})
    live.go(START_US + 5 * DAY_US)
    assert tags(live, "GONE") == []


def test_tags_are_removed_in_the_blocks_that_take_the_update(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 60})
    with live.database._store.snapshot() as snapshot:
        code = np.uint32(1)
        tag = snapshot.fields["tag"].id
        cells = SetCells(
            tag,
            snapshot.fields[":giver:tag"].id,
            np.array([0, 70_000, 5], np.uint32),
            np.ones(3, np.uint32),
            np.arange(4, dtype=np.int64),
            np.full(3, code),
            np.array([REMOVE, REMOVE, ADD], np.uint8),
        )
        update = ProfileUpdate(1, np.zeros((0, 16), np.uint8), np.zeros((0, 2), np.uint64))
        update = replace(update, sets=(cells,))
    live.send({"member": "a", "+tag": ["first"]})
    with live.database._store.snapshot() as snapshot:
        everywhere = removed_tags(snapshot, update)
        assert {tag: rows.tolist() for tag, rows in everywhere.items()} == {"first": [0, 70_000]}
        second = removed_tags(snapshot, update, lambda block: block == 1)
        assert {tag: rows.tolist() for tag, rows in second.items()} == {"first": [70_000]}
        assert not removed_tags(snapshot, update, lambda block: False)


def test_a_rule_that_is_edited_is_judged_anew_and_clears_nothing(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 60}, {"member": "b", "size": 20}, {"member": "c", "size": 1})
    live.send({"member": "a", "size": 60, "-tag": ["VIP"]}, {"member": "c", "size": 99})
    assert tags(live, "VIP") == ["c"]
    live.apply({}, rules=RULES.replace("50", "20").replace("90", "9"))
    assert tags(live, "VIP") == ["b", "c"] and tags(live, "LARGE") == ["a", "b", "c"]
    live.apply({}, rules=RULES.replace("50", "100"))
    assert tags(live, "VIP") == ["b", "c"]
    # A rule that is gone takes its facts along, and the feed tells who loses the tag.
    live.apply({}, rules=RULES.replace("VIP", "new"))
    assert tags(live, "new") == ["a", "c"]
    entries = [(what, row) for cause, what, row, _ in live.entries() if cause == "edit"]
    assert entries[-4:] == [
        ("-tags.VIP", 1), ("-tags.VIP", 2), ("+tags.new", 0), ("+tags.new", 2)
    ]  # fmt: skip


def test_a_new_rule_finds_everybody(live: MovingDatabase) -> None:
    live.send(*({"member": f"m{i}", "size": i} for i in range(70)))
    planned = live.database.plan_model(live.database._store.glance().model_files)
    assert not planned.changes
    live.apply({}, rules=RULES.replace("VIP", "BIG"))
    assert tags(live, "BIG") == [f"m{i}" for i in range(50, 70)]
    assert live.database.stats()["hidden_events"] == 20
    live.reopen()
    assert tags(live, "BIG") == [f"m{i}" for i in range(50, 70)]
    live.send({"member": "m1", "size": 55}, {"member": "m60", "-tag": ["BIG"]})
    assert sorted(tags(live, "BIG")) == sorted(["m1", *(f"m{i}" for i in range(50, 70) if i != 60)])


def test_the_log_brings_the_same_facts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = MovingDatabase(tmp_path / "store", {}, rules=RULES)
    with monkeypatch.context() as patched:
        only_the_log(patched)
        live.send({"member": "a", "size": 60, "joined": START_US}, {"member": "b", "size": 50})
        live.send({"member": "b", "-tag": ["VIP"]})
        live.go(START_US + 5 * DAY_US)
        live.send({"member": "a", "-tag": ["GONE"]})
        entries = live.entries()
        count = live.database.stats()["hidden_events"]
        with live.database._store._writing:
            copy = tmp_path / "copy"
            copy.mkdir()
            (copy / "data.mdb").write_bytes((live.path / "data.mdb").read_bytes())
    again = MovingDatabase(copy, now_us=live.now_us)
    try:
        assert again.database.stats()["replayed_records"] > 3
        assert tags(again, "VIP") == tags(live, "VIP") == ["a"]
        assert tags(again, "GONE") == tags(live, "GONE") == []
        assert again.entries() == entries
        assert again.database.stats()["hidden_events"] == count
    finally:
        again.close()
        live.close()


def test_a_condition_whose_changes_nobody_foresees_makes_no_sticky_tag(
    live: MovingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_definitions, "why_unkept", lambda body: "nobody knows when it changes")
    with pytest.raises(NotYet, match=r'facts\."tag:VIP"\.on .*: nobody knows when it changes'):
        live.apply({"s": "true"}, rules=RULES)


def test_facts_are_no_events_for_anybody(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 60})
    assert live.database.stats()["events"] == 0 and live.database.stats()["hidden_events"] == 1
    assert live.database.count("days(any) = 0").count == 1
    with pytest.raises(InputInvalid):
        live.database.events(("member", "a"), EventsAsked(10, types=(":fact:tag:VIP",)))
    page = live.database.events(("member", "a"), EventsAsked(10))
    assert page is not None and not page.events


def test_a_list_sets_tags(live: MovingDatabase) -> None:
    live.database.upload_list("chosen", "member", Strings.from_list(["a", "c"]))
    live.apply({}, rules="tag_rules:\n- {tag: CHOSEN, when: \"list('chosen')\", keep: sticky}\n")
    live.send({"member": "a"}, {"member": "b"})
    assert tags(live, "CHOSEN") == ["a"]
    live.database.upload_list("chosen", "member", Strings.from_list(["b"]))
    assert tags(live, "CHOSEN") == ["a", "b"]


CHAIN = """\
tag_rules:
- {tag: A, when: "size >= 50", keep: sticky}
- {tag: B, when: "tag = 'A' and stage = 'x'", keep: sticky}
- {tag: C, when: "tag = 'B' and not tag = 'D'"}
- {tag: D, when: "tag = 'B' and joined <= now - 1 day", keep: sticky}
tiers:
  life:
    stages:
    - {name: late, when: "tag = 'D'"}
    - {name: early, when: "joined > now - 1 day"}
    default: none
"""


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[MovingDatabase]:
    opened = MovingDatabase(tmp_path / "store", {"s": "tag = 'C' or tag = 'D'"}, rules=CHAIN)
    yield opened
    opened.close()


def test_facts_that_read_facts_follow_at_the_same_instant(chain: MovingDatabase) -> None:
    chain.send({"member": "a", "size": 60, "stage": "x", "joined": START_US})
    assert [chain_of(chain, tag) for tag in "ABCD"] == [["a"], ["a"], ["a"], []]
    chain.go(START_US + 3 * DAY_US)
    assert [chain_of(chain, tag) for tag in "ABCD"] == [["a"], ["a"], [], ["a"]]
    assert chain.by_clock() == [
        ("tiers.life: early -> late", 0, START_US + DAY_US),
        ("-tags.C", 0, START_US + DAY_US),
        ("+tags.D", 0, START_US + DAY_US),
    ]
    chain.send({"member": "a", "-tag": ["D"]})
    assert [chain_of(chain, tag) for tag in "ABCD"] == [["a"], ["a"], ["a"], []]
    assert chain.entries()[-2:] == [
        ("update", "+tags.C", 0, chain.now_us), ("update", "-tags.D", 0, chain.now_us)
    ]  # fmt: skip
    chain.reopen(after_us=DAY_US)
    # An edit sets the facts of each level before it judges the next.
    chain.apply({}, rules=CHAIN.replace("50", "10"))
    chain.send({"member": "b", "size": 5, "stage": "x", "joined": START_US})
    chain.apply({}, rules=CHAIN.replace("50", "1"))
    assert [chain_of(chain, tag) for tag in "ABCD"] == [["a", "b"], ["a", "b"], ["a"], ["b"]]


def chain_of(chain: MovingDatabase, tag: str) -> list[str]:
    """Who has a tag: by what is stored, and by a condition on tags."""
    with chain.database.members(f"tag = '{tag}'") as members:
        asked = members.rows.tolist()
    with chain.database._store.snapshot() as snapshot:
        assert stored_rows(snapshot, f":tags.{tag}") == asked, tag
    return [chr(ord("a") + row) for row in asked]


def test_a_plan_says_what_an_edit_does_to_facts(chain: MovingDatabase) -> None:
    chain.send(
        *(
            {"member": f"m{i}", "size": i, "stage": "xy"[i % 2], "joined": START_US}
            for i in range(70)
        ),
        {"member": "m54", "-tag": ["A"]},
    )
    chain.go(START_US + DAY_US)
    chain.send({"member": "m60", "-tag": ["B"]}, {"member": "m62", "size": 3})
    for rules in (
        CHAIN.replace("50", "40"),
        CHAIN.replace("50", "65"),
        CHAIN.replace("tag: B", "tag: E").replace("'B'", "'E'"),
        CHAIN.replace("stage = 'x'", "stage = 'y'"),
        CHAIN.replace("keep: sticky", "keep: live"),
        CHAIN,
    ):
        text = moving_model({"s": "tag = 'C' or tag = 'D'"}, "Europe/Berlin", rules)
        planned = chain.database.plan_model(text).changes
        before = {change.definition: sizes(chain, change.definition) for change in planned}
        assert chain.database.apply_model(text).changes == planned
        for change in planned:
            assert change.old_size == before[change.definition], change
            assert change.new_size == sizes(chain, change.definition), change
            assert change.joiners - change.leavers == change.new_size - change.old_size
        told = {what[1:].split(":")[0] for cause, what, _, _ in chain.entries() if cause == "edit"}
        assert told
        chain.agree()


def sizes(chain: MovingDatabase, key: str) -> int:
    """How many are stored in a definition; nobody where it is not there."""
    with chain.database._store.snapshot() as snapshot:
        counts = snapshot.segment_counts
        name = key.removeprefix("segments.") if key.startswith("segments.") else f":{key}"
        return counts.get(name, 0)
