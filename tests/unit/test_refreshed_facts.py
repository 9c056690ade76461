"""What follows from new cuts at once: bands, held ones too, sticky tags, and what reads these."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.live.change import Cause
from engine.live.feed import replay_feed
from tests.moving_events import HOUR_US
from tests.moving_worlds import START_US, MovingDatabase

RULES = """\
tiers:
  t: {top: {by: size, shares: {core: 40%}}, default: rest}
scores:
  lead:
    rules:
    - {when: "tier('t') = 'core'", points: 50}
    - {when: "size >= 3", points: 50}
    bands: {low: 10, high: 100}
    hold: {low: 1, high: 60}
tag_rules:
- {tag: ONCE, when: "tier('t') = 'core'", keep: sticky}
- {tag: HOT, when: "band('lead') = 'high'", keep: sticky}
- {tag: FELL, when: "tag = 'HOT' and not tier('t') = 'core'"}
"""
SEGMENTS = {"fell": "tag = 'FELL'"}
ASKED = (
    "tier('t') = 'core'", "band('lead') = 'low'", "band('lead') = 'high'",
    "tag = 'ONCE'", "tag = 'HOT'", "segment('fell')",
)  # fmt: skip


def holding(live: MovingDatabase, at_us: int | None = None) -> list[list[str]]:
    """The numbers of the members for which each of ASKED holds."""
    found = []
    for text in ASKED:
        with live.database.members(text, as_of_us=at_us) as members:
            names = sorted(one for chunk in members.identifiers("member") for one in chunk)
            found.append([name.removeprefix("m") for name in names])
    return found


def test_a_refresh_sets_facts_level_by_level(tmp_path: Path) -> None:
    live = MovingDatabase(tmp_path / "store", SEGMENTS, rules=RULES)
    live.send(*({"member": f"m{size}", "size": size} for size in range(5)))
    low = [[], ["3", "4"], [], [], [], []]
    assert holding(live) == low, "nobody was there when the tier was cut"

    live.go(START_US + HOUR_US)
    live.database.tiers.refresh()
    first = [["3", "4"], [], *[["3", "4"]] * 3, []]
    assert holding(live) == first

    live.go(START_US + 2 * HOUR_US)
    live.send({"member": "m0", "size": 100}, {"member": "m1", "size": 99})
    all_four = ["0", "1", "3", "4"]
    assert holding(live) == [all_four, [], *[all_four] * 3, []]

    live.go(START_US + 3 * HOUR_US)
    live.database.tiers.refresh()
    fallen = [["0", "1"], ["3", "4"], ["0", "1"], all_four, all_four, ["3", "4"]]
    assert holding(live) == fallen
    live.reopen(after_us=HOUR_US)
    assert holding(live) == fallen

    # Sizes are those of today, facts and cuts those of then.
    instant = START_US + 3 * HOUR_US - 1
    assert holding(live, instant)[2:5] == [all_four] * 3
    assert holding(live, START_US + HOUR_US)[3:5] == [["3", "4"]] * 2
    assert holding(live, START_US + HOUR_US - 1)[2:] == [[]] * 4

    live.database.tick()
    feed = live.database.feed
    told = replay_feed(feed)
    for key, text in (
        ("tiers.t = core", ASKED[0]), ("scores.lead = low", ASKED[1]),
        ("scores.lead = high", ASKED[2]), ("tags.ONCE", ASKED[3]), ("tags.HOT", ASKED[4]),
        ("segments.fell", ASKED[5]),
    ):  # fmt: skip
        with live.database.members(text) as members:
            assert told.get(key, np.zeros(0)).tolist() == members.rows.tolist(), key
    runs = feed.read(feed.oldest(), lambda _: True).runs
    last = [run for run in runs if run.instant_us == START_US + 3 * HOUR_US]
    assert {run.cause for run in last} == {Cause.REFRESH}
    assert {(run.definition, run.old, run.new) for run in last} == {
        ("tiers.t", "core", "rest"),
        ("scores.lead", "high", "low"),
        ("tags.FELL", None, None),
        ("segments.fell", None, None),
    }
    live.close()
