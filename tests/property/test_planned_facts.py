"""What a plan says of an edit is what the edit does, where rules with memory are edited: sticky
tags, those that properties name among them, and whatever reads them."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.moving_events import EventDatabase, event_updates
from tests.moving_worlds import DAY_US
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 60 if soaking() else 8

STEPS = (
    "read", "read where page != 'r'", "read where page = 'p' or page = 'r'", "any",
    "read between 2 days and 1 day ago", "read where now > date '2025-10-11' in last 3 days",
    "read today",
)  # fmt: skip
WHENS = (
    "tag contains 'ad '", "tag = 'read p' and size > 5", "not tag = 'late q'", "count(read) > 2",
    "tag ends with 'q' and not tag starts with 'late'", "tag has all ('read p', 'GIVEN')",
)  # fmt: skip
SEGMENTS = {
    "p": "tag = 'read p'",
    "some": "tag contains 'd'",
    "begins": "tag starts with 'late'",
    "ends": "tag ends with 'q' and size > 3",
    "none": "tag is missing",
    "both": "tag has all ('read p', 'late q')",
    "in": "tag in ('read q', 'late r', 'GIVEN')",
    "keen": "tag = 'KEEN'",
    "sharp": "tag = 'SHARP' or tag contains 'e p'",
    "through": "segment('some') and not segment('keen')",
    "worth": "score('heat') >= 15",
}


def _rules(chance: random.Random) -> str:
    """Rules of which about every third is another one than in the last edit."""
    named = [("read {page}", chance.choice(STEPS)), ("late {page}", chance.choice(STEPS))]
    if chance.random() < 0.3:
        named.append(("{page} {page}", chance.choice(STEPS)))
    lines = [f"- {{tag: '{tag}', each: \"{step}\", keep: sticky}}\n" for tag, step in named]
    keen, sharp = chance.choice(WHENS), chance.choice(("tag = 'KEEN'", "count(order) > 1"))
    lines.append(f'- {{tag: KEEN, when: "{keen}", keep: sticky}}\n')
    lines.append(f'- {{tag: SHARP, when: "{sharp} and size > 2", keep: sticky}}\n')
    return "tag_rules:\n" + "".join(lines) + SCORES


SCORES = """\
scores:
  heat:
    rules:
    - {when: "tag contains 'read'", points: 10}
    - {when: "tag = 'KEEN'", points: 7}
    - {each: read, points: 1, at_most: 5}
    bands: {low: 0, warm: 11, hot: 20}
    hold: {hot: 12}
tiers:
  life:
    stages: [{name: keen, when: "tag = 'KEEN'"}, {name: reads, when: "tag starts with 'read'"}]
    default: other
"""


def _members(live: EventDatabase) -> dict[str, set[int]]:
    """Who is in what, by key path."""
    texts = {f"segments.{name}": f"segment('{name}')" for name in SEGMENTS}
    texts |= {f"tags.{tag}": f"tag = '{tag}'" for tag in ("KEEN", "SHARP")}
    texts |= {
        f"tiers.life.{name}": f"tier('life') = '{name}'" for name in ("keen", "reads", "other")
    }
    texts |= {
        f"scores.heat.bands.{one}": f"band('heat') = '{one}'" for one in ("low", "warm", "hot")
    }
    found = {}
    for key, text in texts.items():
        with live.database.members(text) as members:
            found[key] = set(members.rows.tolist())
    return found


def _updates(chance: random.Random, now_us: int) -> list[dict[str, Any]]:
    found = event_updates(chance, now_us, 12, chance.randrange(1, 15))
    for update in found:
        if chance.random() < 0.4:
            tags = ["read p", "read q", "late q", "late r", "KEEN", "SHARP", "GIVEN"]
            update[chance.choice(("-tag", "-tag", "+tag"))] = chance.sample(tags, 2)
    return found


def test_a_plan_says_what_the_edit_does(seed: int, tmp_path: Path) -> None:
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} {place}")
        with closing(EventDatabase(tmp_path / str(place), SEGMENTS, rules=_rules(chance))) as live:
            for _ in range(3):
                live.send(*_updates(chance, live.now_us))
                live.go(live.now_us + chance.choice((0, 1, DAY_US)))
                files = live.files(SEGMENTS, "Europe/Berlin", _rules(chance))
                planned = {one.definition: one for one in live.database.plan_model(files).changes}
                before = _members(live)
                live.database.apply_model(files)
                after = _members(live)
                for key, rows in before.items():
                    joiners, leavers = after[key] - rows, rows - after[key]
                    if key not in planned:
                        assert not joiners and not leavers, key
                        continue
                    one = planned[key]
                    expected = (len(rows), len(after[key]), len(joiners), len(leavers))
                    found = (one.old_size, one.new_size, one.joiners, one.leavers)
                    assert found == expected, (key, files)
                live.agree(whole_feed=False)
