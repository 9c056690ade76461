"""Bands and stages that an edit renames or takes away: one entry for whoever has another then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.live import live_store
from engine.live.feed import replay_feed
from engine.store.catalog import segment_field
from tests.moving_worlds import MovingDatabase

RULES = """\
scores:
  lead:
    rules:
    - {when: "size >= 10", points: 40}
    - {when: "stage = 'x'", points: 30}
    bands: {cold: 0, warm: 40, hot: 70}
    hold: {warm: 20}
tiers:
  life:
    stages:
    - {name: large, when: "size >= 50"}
    - {name: known, when: "size is present"}
  both:
    stages: [{name: 'yes', when: "band('lead') = 'hot' and tier('life') = 'large'"}]
    default: 'no'
"""
PEOPLE = (("a", 5, "y"), ("b", 12, "y"), ("c", 12, "x"), ("d", 60, "x"))


@pytest.fixture
def live(tmp_path: Path) -> Iterator[MovingDatabase]:
    opened = MovingDatabase(tmp_path / "store", {"s": "size > 1"}, rules=RULES)
    opened.send(*({"member": name, "size": size, "stage": at} for name, size, at in PEOPLE))
    yield opened
    opened.close()


def told(live: MovingDatabase, count: int) -> list[tuple[str, int]]:
    """What the feed tells of edits behind the first `count` entries."""
    entries = live.entries()[count:]
    assert all(cause == "edit" for cause, *_ in entries)
    check(live)
    return [
        (what.removeprefix("scores.").removeprefix("tiers."), row) for _, what, row, _ in entries
    ]


def check(live: MovingDatabase) -> None:
    """The feed leads to what is stored, and nothing else is."""
    known = replay_feed(live.database.feed)
    with live.database._store.snapshot() as snapshot:
        for name in ("lead = cold", "lead = warm", "lead = hot", "lead = heiss", "lead = lukewarm"):
            score, _, band = name.partition(" = ")
            rows = known.get(f"scores.{name}")
            field = segment_field(f":scores.{score}.bands.{band}")
            assert (rows is not None) <= (field in snapshot.fields), name
            if rows is not None:
                with live.database.members(f"band('{score}') = '{band}'") as members:
                    assert members.rows.tolist() == rows.tolist()
        definitions = {segment_field(name) for name in live.database._live.in_force.segments.kept}
        kept = {name for name in snapshot.fields if name.startswith(segment_field(""))}
        assert kept == definitions


def test_a_band_with_another_name_is_one_change(live: MovingDatabase) -> None:
    count = len(live.entries())
    live.apply({"s": "size > 1"}, rules=RULES.replace("hot", "heiss"))
    assert told(live, count) == [("lead: hot -> heiss", 2), ("lead: hot -> heiss", 3)]


def test_one_that_is_held_too(live: MovingDatabase) -> None:
    count = len(live.entries())
    live.apply({"s": "size > 1"}, rules=RULES.replace("warm", "lukewarm"))
    assert told(live, count) == [("lead: warm -> lukewarm", 1)]


def test_a_band_that_is_gone_leaves_people_to_others(live: MovingDatabase) -> None:
    count = len(live.entries())
    rules = RULES.replace("warm: 40, ", "").replace("    hold: {warm: 20}\n", "")
    live.apply({"s": "size > 1"}, rules=rules)
    assert told(live, count) == [("lead: warm -> cold", 1)]
    # The lowest leaves them to none, and nobody else changes.
    count = len(live.entries())
    live.apply({"s": "size > 1"}, rules=rules.replace("cold: 0, ", ""))
    assert told(live, count) == [("lead: cold -> -", 0), ("lead: cold -> -", 1)]
    count = len(live.entries())
    live.apply({"s": "size > 1"}, rules="")
    assert ("lead: hot -> -", 3) in told(live, count)


def test_a_bound_that_moves_is_one_change_of_a_band_that_is_held_and_one_that_is_not(
    live: MovingDatabase,
) -> None:
    count = len(live.entries())
    live.apply({"s": "size > 1"}, rules=RULES.replace("hot: 70", "hot: 75"))
    assert told(live, count) == [
        ("both: yes -> no", 3), ("lead: hot -> warm", 2), ("lead: hot -> warm", 3)
    ]  # fmt: skip


def test_stages_and_what_reads_them(live: MovingDatabase) -> None:
    count = len(live.entries())
    rules = RULES.replace("{name: large", "{name: big").replace("'large'", "'big'")
    live.apply({"s": "size > 1"}, rules=rules)
    assert told(live, count) == [("life: large -> big", 3)]


@pytest.mark.parametrize("place", ["barrier.after_commit", "barrier.between_levels"])
def test_a_crash_between_the_halves_tells_it_once(
    live: MovingDatabase, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(live.entries())

    def die(name: str) -> None:
        if name == place:
            raise OSError("as good as dead")

    with monkeypatch.context() as patched:
        patched.setattr(live_store, "failpoint", die)
        with pytest.raises(OSError, match="as good as dead"):
            live.apply({"s": "size > 1"}, rules=RULES.replace("hot", "heiss"))
    live.reopen()
    assert told(live, count) == [("lead: hot -> heiss", 2), ("lead: hot -> heiss", 3)]
