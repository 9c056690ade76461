"""Tiers over random customers: cuts, cells and sizes are those that the contract makes of them, and
what is kept of segments over tiers agrees through refreshes, updates and time."""

from __future__ import annotations

import random
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.live.change import Cause
from engine.model.plain import tier_names
from engine.rules.reference_tiers import ReferenceTier
from tests.moving_worlds import DAY_US, START_US
from tests.skips import soaking
from tests.tiered import SEGMENTS, Customers, TieredDatabase

ZONE = ZoneInfo("Europe/Berlin")
ROUNDS = 30 if soaking() else 6
# With cuts from the data.
CUT = ("mean", "median", "quintile", "rfe", "top", "dear")


def in_agreement(
    live: TieredDatabase, customers: Customers, tiers: dict[str, ReferenceTier], now_us: int
) -> None:
    """Every name of every tier has as many profiles as the reference finds, together everybody."""
    model = live.database.model
    assert model is not None
    context = customers.context(now_us, tiers, ZONE)
    for name, tier in model.tiers.items():
        names = tier_names(tier)
        texts = [*(f"tier('{name}') = '{one}'" for one in names), f"tier('{name}') is missing"]
        counted = [one.count for one in live.database.count_many(texts, as_of_us=now_us)]
        assert counted == [customers.holding(text, context) for text in texts], (name, texts)
        assert sum(counted) == len(customers.events)
    for text in SEGMENTS.values():
        assert live.database.count(text, as_of_us=now_us).count == customers.holding(text, context)


def test_cuts_cells_and_members(seed: int, tmp_path: Path) -> None:
    for place in range(ROUNDS):
        chance = random.Random(f"{seed} {place}")
        customers = Customers()
        live = TieredDatabase(tmp_path / str(place), {}, now_us=START_US)
        try:
            live.send(*customers.updates(chance, START_US, chance.choice((1, 2, 7, 40))))
            live.database.tiers.refresh()
            first = customers.tiers(START_US, ZONE)
            live.apply(SEGMENTS)
            in_agreement(live, customers, first, START_US)
            nobody = [
                name for name in CUT if not live.database.count(f"tier('{name}') is present").count
            ]
            live.agree(whole_feed=False)

            # Cuts stay while customers change and time passes.
            live.go(START_US + 2 * DAY_US)
            live.send(*customers.updates(chance, live.now_us, 20))
            in_agreement(live, customers, first, live.now_us)
            live.agree(whole_feed=False)

            before_us = live.now_us
            live.go(live.now_us + DAY_US)
            refreshed = {one.tier: one for one in live.database.tiers.refresh()}
            assert tuple(refreshed) == CUT
            second = customers.tiers(live.now_us, ZONE)
            for name, told in refreshed.items():
                assert told.instant_us == live.now_us
                assert [one.value for one in told.cuts] == list(second[name].cuts), name
                for tiers, counts in (
                    (first, [size.before for size in told.sizes]),
                    (second, [size.after for size in told.sizes]),
                ):
                    context = customers.context(live.now_us, tiers, ZONE)
                    texts = [f"tier('{name}') = '{size.name}'" for size in told.sizes]
                    assert counts == [customers.holding(text, context) for text in texts], name
            in_agreement(live, customers, second, live.now_us)
            live.agree(whole_feed=False)
            # Of before the refresh, and before all refreshes: the first that had a population.
            earliest = {**first, **{name: second[name] for name in nobody}}
            in_agreement(live, customers, earliest, before_us)
            in_agreement(live, customers, earliest, START_US - DAY_US)
            causes = {cause for cause, *_ in live.entries()}
            assert causes <= {Cause.UPDATE, Cause.CLOCK, Cause.EDIT, Cause.REFRESH}
            live.reopen(after_us=DAY_US)
            in_agreement(live, customers, second, live.now_us)
            live.agree(whole_feed=False)
        finally:
            live.close()


def test_rows_and_blocks_agree(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    customers = Customers()
    live = TieredDatabase(tmp_path / "store", SEGMENTS, now_us=START_US)
    try:
        live.send(*customers.updates(chance, START_US, 60))
        live.database.tiers.refresh()
        database = live.database
        assert database.model is not None
        rows = list(range(len(customers.events)))
        for name, tier in database.model.tiers.items():
            for one in tier_names(tier):
                text = f"tier('{name}') = '{one}'"
                with database.members(text, as_of_us=START_US) as members:
                    by_block = members.rows.tolist()
                with database._store.snapshot() as snapshot:
                    audience = database._audience(snapshot, START_US, None)
                    audience.add(text)
                    by_row = [
                        row
                        for row, (truth,) in zip(
                            rows, zip(*audience.test_rows(rows), strict=True), strict=True
                        )
                        if truth
                    ]
                assert by_row == by_block, text
    finally:
        live.close()
