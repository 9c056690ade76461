"""Tags that properties name, in the feed: who gets and loses each of them, whoever gave it, under
updates, corrections, edits, crashes and simulated time."""

from __future__ import annotations

import random
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.live.feed import replay_feed
from engine.model.positions import key_text
from tests.moving_events import EventDatabase, event_updates
from tests.moving_worlds import (
    DAY_US,
    START_US,
    in_few_and_many_steps,
    in_spite_of_crashes,
    until_long_after,
)
from tests.skips import soaking

pytestmark = pytest.mark.usefixtures("whole_feed")

ROUNDS = 30 if soaking() else 2

RULES = """\
tag_rules:
- {tag: 'read {page}', each: read where page != 'r', keep: sticky}
- {tag: 'lately {page}', each: read between 2 days and 1 day ago, keep: sticky}
- {tag: 'now {page}', each: read in last 2 days}
- {tag: '{page} today', each: "read where now > date '2025-10-11' today"}
- {tag: 'ever {page}', each: read}
- {tag: '{page}{page}', each: read between 3 days and 1 day ago}
- {tag: KEEN, when: "tag = 'now p' and tag contains 'lately'", keep: sticky}
"""
# An edit: a rule less, one more, one that lasts, one that does not, others that ask something else.
OTHER_RULES = """\
tag_rules:
- {tag: 'read {page}', each: read}
- {tag: 'lately {page}', each: read between 2 days and 12 hours ago, keep: sticky}
- {tag: 'now {page}', each: read in last 3 days where page != 'q'}
- {tag: '{page} today', each: read today, keep: sticky}
- {tag: '{page}{page}', each: read between 3 days and 1 day ago}
- {tag: 'any {page}', each: any in last 2 days}
- {tag: KEEN, when: "tag = 'now p' and tag contains 'lately'", keep: sticky}
""".replace("in last 3 days where page != 'q'", "where page != 'q' in last 3 days")
PATTERNS = ("read {}", "lately {}", "now {}", "{} today", "ever {}", "{0}{0}", "any {}")
VALUES = "pqrx"


class NamedDatabase(EventDatabase):
    """A database with tags of every such kind; `agree` compares the feed with who has them."""

    def __init__(self, path: Path, *, now_us: int = START_US) -> None:
        super().__init__(path, {"keen": "tag = 'KEEN'"}, now_us=now_us, rules=RULES)

    def agree(self, *, whole_feed: bool = True) -> None:
        super().agree(whole_feed=whole_feed)
        told = replay_feed(self.database.feed)
        model = self.database.model
        assert model is not None and not self.database.untold_definitions()
        rules = [rule["tag"] for rule in model.tag_rules]
        held = 0
        for pattern in PATTERNS:
            rule = pattern.format("{page}")
            for tag in map(pattern.format, VALUES):
                with self.database.members(f"tag = '{tag}'", as_of_us=self.now_us) as members:
                    rows = members.rows.tolist()
                key = f"{key_text(('tags', rule))} = {tag}"
                assert told.get(key, np.zeros(0)).tolist() == (rows if rule in rules else []), key
                held += len(rows) if rule in rules else 0
        assert self.database.stats()["told_tags"] == held


def _updates(chance: random.Random, now_us: int) -> list[dict[str, Any]]:
    """Events of few people, and tags given to them, replaced and taken away."""
    found = event_updates(chance, now_us, chance.choice((3, 30)), chance.choice((5, 40)))
    for update in found:
        if chance.random() < 0.2:
            tags = [pattern.format(chance.choice("pqrx")) for pattern in PATTERNS]
            some = chance.sample(tags, 3)
            update[chance.choice(("-tag", "-tag", "+tag", "tag"))] = some
    return found


def _steps(chance: random.Random) -> list[int]:
    return [chance.choice((0, 1, 3_600_000_000, DAY_US, 2 * DAY_US)) for _ in range(6)]


def test_the_feed_leads_to_the_tags(seed: int, tmp_path: Path) -> None:
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} {place}")
        few, many = (NamedDatabase(tmp_path / f"{place} {name}") for name in ("few", "many"))
        try:
            in_few_and_many_steps(
                few,
                many,
                chance,
                _steps(chance),
                lambda at_us: _updates(chance, at_us),  # noqa: B023
            )
            until_long_after(few, many, chance)
            assert many.entries() == few.entries()
        finally:
            few.close()
            many.close()


def test_edits_tell_who_gets_and_loses_a_tag(seed: int, tmp_path: Path) -> None:
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} edit {place}")
        live = NamedDatabase(tmp_path / str(place))
        try:
            for rules in (RULES, OTHER_RULES, RULES, "", OTHER_RULES):
                text = "tag = 'KEEN'" if "KEEN" in rules else "size > 5"
                live.apply({"keen": text}, rules=rules)
                live.agree()
                live.send(*_updates(chance, live.now_us))
                live.go(live.now_us + chance.choice((0, DAY_US)))
                live.agree()
                if chance.random() < 0.4:
                    live.reopen(after_us=chance.choice((0, DAY_US)))
        finally:
            live.close()


def test_crashes_change_no_entry(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} crash {place}")
        steps = (chance.choice((0, 1, DAY_US // 2, DAY_US)) for _ in count())
        (tmp_path / str(place)).mkdir()
        in_spite_of_crashes(
            NamedDatabase,
            chance,
            steps,
            4,
            lambda at_us: _updates(chance, at_us),  # noqa: B023
            tmp_path / str(place),
            monkeypatch,
        )
