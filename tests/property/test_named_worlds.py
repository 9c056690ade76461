"""Tags that properties name, live and sticky, with windows, corrections, edits and renames, against
a slow model: who has them, now and at other instants, what reads them, and what the feed tells."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from tests.moving_worlds import DAY_US
from tests.named_worlds import NamedRule, NamedWorld, named_updates
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 60 if soaking() else 4

STEPS = (
    "read", "read where page != 'r'", "any", "read in last 2 days", "read today", "any yesterday",
    "read between 2 days and 1 day ago", "read where now > date '2025-10-11'",
    "read where now <= date '2025-10-12' and page != 'q' in last 3 days",
    "read between 72 hours and 12 hours ago",
)  # fmt: skip
TAGS = ("read {page}", "late {page}", "now {page}", "{page}{page}", "re{page} tail")


def _rules(chance: random.Random) -> list[NamedRule]:
    tags = chance.sample(TAGS, chance.randrange(2, 5))
    return [NamedRule(tag, chance.choice(STEPS), chance.random() < 0.6) for tag in tags]


def _edited(chance: random.Random, rules: list[NamedRule]) -> list[NamedRule]:
    """Some rules renamed, some asking something else, some kept that were not, some gone or new."""
    found = []
    for rule in rules:
        tag, step, sticky = rule.tag, rule.step, rule.sticky
        match chance.randrange(6):
            case 0:
                tag = chance.choice(TAGS)
            case 1:
                step = chance.choice(STEPS)
            case 2:
                sticky = not sticky
            case 3:
                continue
        if tag not in {one.tag for one in found}:
            found.append(NamedRule(tag, step, sticky))
    return found or _rules(chance)


def test_tags_are_those_of_the_slow_model(seed: int, tmp_path: Path) -> None:
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} {place}")
        rules = _rules(chance)
        with closing(NamedWorld(tmp_path / str(place), rules)) as live:
            for _ in range(5):
                live.send(*named_updates(chance, live.now_us, chance.choice((1, 5, 20))))
                if chance.random() < 0.5:
                    live.agree()
                live.go(live.now_us + chance.choice((0, 1, DAY_US // 2, DAY_US, 2 * DAY_US)))
                if chance.random() < 0.5:
                    rules = _edited(chance, rules)
                    live.edit(rules)
                live.agree()
                if chance.random() < 0.3:
                    live.reopen(after_us=chance.choice((0, DAY_US)))
