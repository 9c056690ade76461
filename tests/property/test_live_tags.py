"""Tags by live rules on real stores: blocks, rows and the reference agree on every condition, and
what is kept of segments over them agrees through updates and time."""

from __future__ import annotations

import random
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.rules.parse import parse, parse_step
from engine.rules.reference_tiers import ReferenceTagRule
from tests.moving_events import HOUR_US
from tests.moving_worlds import DAY_US, START_US
from tests.skips import soaking
from tests.tiered import Customers, TieredDatabase

ZONE = ZoneInfo("Europe/Berlin")
ROUNDS = 20 if soaking() else 4
RULES = """\
tag_rules:
  - {tag: reader, when: "count(read in last 3 days) >= 1"}
  - {tag: both, when: "tag = 'reader' and count(order) >= 1 and not tag = 'q9'"}
  - {tag: 'read-{page}', each: "read in last 9 days"}
  - {tag: '{page}9', each: "read where page != 'p'"}
"""
TEXTS = (
    "tag = 'reader'", "tag = 'both'", "tag = 'read-p'", "tag = 'q9'", "tag = 'p9'", "tag = 'read-'",
    "tag in ('q9', 'nobody', 'read-p', 'read-q')", "tag has all ('reader', 'read-q')",
    "tag has all ('q9', 'read-q')", "tag contains 'd-'", "tag contains 'd-q'", "tag contains 'q'",
    "tag starts with 'read'", "tag starts with 'reade'", "tag starts with 'read-q'",
    "tag ends with '9'", "tag ends with 'q9'", "tag ends with '-p'", "tag ends with 'er'",
    "tag is missing", "tag is present", "not tag = 'both' and size = 1",
)  # fmt: skip


def test_tags_of_live_rules(seed: int, tmp_path: Path) -> None:
    each = {"read-{page}": "read in last 9 days", "{page}9": "read where page != 'p'"}
    rules = [
        ReferenceTagRule("reader", False, when=parse("count(read in last 3 days) >= 1")),
        ReferenceTagRule(
            "both",
            False,
            when=parse("tag = 'reader' and count(order) >= 1 and not tag = 'q9'"),
        ),
        *(
            ReferenceTagRule(tag, False, each=step, window=window)
            for tag, text in each.items()
            for step, window in [parse_step(text)]
        ),
    ]
    segments = {f"s{place}": text for place, text in enumerate(TEXTS)}
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} {place}")
        customers = Customers()
        live = TieredDatabase(tmp_path / str(place), segments, now_us=START_US, rules=RULES)
        try:
            for _ in range(3):
                live.send(*customers.updates(chance, live.now_us, chance.choice((3, 30))))
                context = customers.context(live.now_us, {}, ZONE, rules)
                counted = live.database.count_many(TEXTS, as_of_us=live.now_us)
                for text, one in zip(TEXTS, counted, strict=True):
                    assert one.count == customers.holding(text, context), text
                _rows_are_those_of_blocks(live, len(customers.events))
                live.agree(whole_feed=False)
                live.go(live.now_us + chance.choice((0, HOUR_US, DAY_US, 4 * DAY_US)))
            live.agree()
        finally:
            live.close()


def _rows_are_those_of_blocks(live: TieredDatabase, profiles: int) -> None:
    database = live.database
    with database._store.snapshot() as snapshot:
        audience = database._audience(snapshot, live.now_us, None)
        for text in TEXTS:
            audience.add(text)
        by_row = audience.test_rows(list(range(profiles)))
        by_block = [one.count for one in audience.counts()]
    assert [sum(truths) for truths in by_row] == by_block
