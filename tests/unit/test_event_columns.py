"""Aggregates over whole blocks of events, held against numpy: blocks with many events, few and
none, one after the other in the same memory; sums that leave 64 bits; rows that are not alive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.audience import Audience
from engine.columns.sets import encode_rows
from engine.columns.strings import Strings
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Texts
from engine.events.field import encoded
from engine.live.schema import change_fields
from engine.measures import Measures
from engine.model.load import load_model
from engine.rules.bind import Binder
from engine.store.catalog import LIVE, event_field, property_field
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US + 12_345
# By block: more than 16 bits count, few, none, a handful, some, and a few more.
EVENTS = (70_000, 1_500, 0, 7, 30_000, 3_000)
MODEL = """
time_zone: Asia/Shanghai
identifiers: {member: {}}
events:
  order:
    properties:
      amount: {type: decimal, scale: 2}
      huge: int
      cost: int
      load: float
      sku: category
      gift: bool
      note: text
"""
WORDS = ["b", "a", "制造业", "", "ab"]


class Market:
    """A store of orders, and the same as arrays over all of them."""

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(5)
        count = sum(EVENTS)
        block = np.repeat(np.arange(len(EVENTS)), EVENTS)
        place = np.minimum(rng.geometric(0.0002, count), BLOCK_ROWS - 1)
        self.time = NOW_US - rng.integers(-DAY_US, 120 * DAY_US, count)
        self.time[rng.random(count) < 0.3] = NOW_US - 30 * DAY_US  # many at one instant
        for times in (254, 255, 256):  # where narrow counts stop
            place[(place == times) & (block == 4)] = 0
            some = np.flatnonzero((block == 4) & (place != 254) & (place != 255))[:times]
            place[some], self.time[some] = times, NOW_US - 30 * DAY_US
        self.row = block * BLOCK_ROWS + place
        # Sums in 32 bits, but of one block, which is not the last.
        self.cost = rng.integers(0, np.where(block == 4, 2**32, 1_000))
        self.amount = rng.integers(-2_000, 90_000, count)
        self.huge = rng.integers(-(2**63), 2**63, count, endpoint=False)
        self.huge[place < 300] = 2**63 - 1
        self.load = rng.choice([0.0, -1.5, 0.1, 1e300], count)
        self.sku = rng.integers(1, len(WORDS) + 1, count)
        self.gift = rng.integers(1, 3, count)
        self.note = rng.integers(0, len(WORDS), count)
        self.has = rng.random(count) < 0.8  # all properties or none of them
        self.live = rng.random(len(EVENTS) * BLOCK_ROWS) < 0.9
        self.live[4 * BLOCK_ROWS + 254 : 4 * BLOCK_ROWS + 257] = True
        self.model = load_model({"model.yaml": MODEL})[0]
        self.store = Store.create(path, map_size=MAP_BYTES)
        with self.store.write() as writer:
            change_fields(writer, self.model)
            writer.set_row_count(len(self.live))
            fields = {
                name: writer.fields[property_field(name, kind.type, kind.scale)].id
                for name, kind in self.model.events["order"].properties.items()
            }
            writer.intern(fields["sku"], Strings.from_list(WORDS))
            for number in range(len(EVENTS)):
                here = slice(number * BLOCK_ROWS, (number + 1) * BLOCK_ROWS)
                rows = np.flatnonzero(self.live[here]).astype(np.uint16)
                writer.put_field(LIVE.id, number, encode_rows(rows))
                chosen = np.flatnonzero(block == number)
                parts = [
                    part
                    for some in np.array_split(chosen, 2)
                    for part in encode_events(self._events(some, fields))
                ]
                if parts:
                    writer.put_field(writer.fields[event_field("order")].id, number, encoded(parts))

    def _events(self, some: NDArray[np.int64], fields: dict[str, int]) -> Events:
        has = self.has[some]
        notes = [WORDS[i] if p else None for i, p in zip(self.note[some], has, strict=True)]
        return Events(
            (self.row[some] % BLOCK_ROWS).astype(np.uint16),
            self.time[some],
            properties={
                fields["amount"]: Ints(self.amount[some] * has, has),
                fields["huge"]: Ints(self.huge[some] * has, has),
                fields["cost"]: Ints(self.cost[some] * has, has),
                fields["load"]: Floats(self.load[some] * has, has),
                fields["sku"]: Codes((self.sku[some] * has).astype(np.uint32)),
                fields["gift"]: Codes((self.gift[some] * has).astype(np.uint32)),
                fields["note"]: Texts(Strings.from_list(notes)),
            },
        )

    def within(self, days: int | None) -> NDArray[np.bool_]:
        """The events of the last days, or all up to now."""
        chosen: NDArray[np.bool_] = self.time <= NOW_US
        if days is not None:
            chosen &= self.time > NOW_US - days * DAY_US
        return chosen

    def by_row(
        self, chosen: NDArray[np.bool_], values: NDArray[Any], fold: Callable[[list[Any]], Any]
    ) -> dict[int, Any]:
        """What the values of each row that has any come to."""
        found: dict[int, list[Any]] = {}
        for row, value in zip(self.row[chosen].tolist(), values[chosen].tolist(), strict=True):
            found.setdefault(row, []).append(value)
        return {row: fold(held) for row, held in found.items()}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    made = Market(tmp_path_factory.mktemp("market") / "store")
    yield made
    made.store.close()


def asked(market: Market, snapshot: Snapshot, text: str) -> set[int]:
    """The rows of an expression, which are the same by block and by row."""
    audience = Audience(snapshot, Binder(market.model), as_of_us=NOW_US)
    audience.add(text)
    rows = audience.members().rows
    some = np.unique(np.concatenate([rows[:200], np.arange(0, len(market.live), 997)]))
    (truths,) = audience.test_rows(some.tolist())
    assert some[truths].tolist() == np.intersect1d(some, rows).tolist(), text
    assert audience.counts()[0].count == len(rows)
    return set(rows.tolist())


def ends(market: Market, values: NDArray[Any], last: bool) -> dict[int, Any]:
    """First or last value of each row; at equal times the least or the greatest."""
    pairs = np.empty(len(values), object)
    pairs[:] = list(zip(market.time.tolist(), values.tolist(), strict=True))
    fold = max if last else min
    found = market.by_row(market.within(None) & market.has, pairs, fold)
    return {row: value for row, (_, value) in found.items()}


def expected_of(market: Market) -> dict[str, dict[int, bool]]:
    """Expressions with what they come to for rows with events, and for those without (-1)."""
    recent, ever = market.within(30), market.within(None)
    has = market.has
    found: dict[str, dict[int, bool]] = {}

    def add(text: str, values: dict[int, Any], holds: Callable[[Any], bool], nothing: Any) -> None:
        found[text] = {row: holds(value) for row, value in values.items()}
        found[text][-1] = nothing is not None and holds(nothing)

    ones = np.ones(len(market.row), np.int64)
    counts, all_counts = market.by_row(recent, ones, sum), market.by_row(ever, ones, sum)
    add("count(order in last 30 days) >= 2", counts, lambda n: n >= 2, 0)
    add("count(order in last 30 days) >= 1", counts, lambda n: n >= 1, 0)
    add("count(order) = 0", all_counts, lambda n: n == 0, 0)
    for edge in (2, 254, 255, 256):
        add(f"count(order) >= {edge}", all_counts, edge.__le__, 0)
        add(f"count(order) < {edge}", all_counts, edge.__gt__, 0)
        add(f"count(order) = {edge}", all_counts, edge.__eq__, 0)
        add(f"count(order) != {edge}", all_counts, edge.__ne__, 0)
    add("count(order) in (1, 3)", all_counts, lambda n: n in (1, 3), 0)
    days = market.by_row(
        ever, (market.time + 8 * 3_600_000_000) // DAY_US, lambda held: len(set(held))
    )
    add("days(order) >= 3", days, lambda n: n >= 3, 0)
    sums = market.by_row(ever & has, market.amount, sum)
    add("sum(order.amount) > 500", sums, lambda cents: cents > 50_000, 0)
    add("sum(order.amount) < 0", sums, lambda cents: cents < 0, 0)
    add("sum(order.amount) = 0", sums, lambda cents: cents == 0, 0)
    costs = market.by_row(ever & has, market.cost, sum)
    add("sum(order.cost) > 5000", costs, lambda cost: cost > 5_000, 0)
    add("sum(order.cost) <= 100", costs, lambda cost: cost <= 100, 0)
    add(f"sum(order.cost) >= {2**32}", costs, lambda cost: cost >= 2**32, 0)
    costly = {row: costs.get(row, 0) > 700 and count >= 2 for row, count in all_counts.items()}
    found["count(order) >= 2 and sum(order.cost) > 700"] = {**costly, -1: False}
    huge = market.by_row(ever & has, market.huge, sum)
    add(f"sum(order.huge) > {2**63}", huge, lambda n: n > 2**63, 0)
    add(f"sum(order.huge) = {2 * (2**63 - 1)}", huge, lambda n: n == 2 * (2**63 - 1), 0)
    add("sum(order.huge) > 1000", huge, lambda n: n > 1000, 0)
    averages = market.by_row(ever & has, market.huge, lambda held: (sum(held), len(held)))
    add(
        "avg(order.huge) > 4611686018427387904.5",
        averages,
        lambda pair: 2 * pair[0] > (2**63 + 1) * pair[1],
        None,
    )
    least = market.by_row(ever & has, market.huge, min)
    add("min(order.huge) < 0", least, lambda n: n < 0, None)
    add("max(order.huge) > 5", market.by_row(ever & has, market.huge, max), lambda n: n > 5, None)
    loads = market.by_row(ever & has, market.load, min)
    add("min(order.load) <= 0", loads, lambda x: x <= 0, None)
    kinds = market.by_row(ever & has, market.sku, lambda held: len(set(held)))
    add("distinct(order.sku) >= 2", kinds, lambda n: n >= 2, 0)
    words = np.array(WORDS, object)
    add("first_value(order.sku) = 'a'", ends(market, words[market.sku - 1], False),
        lambda word: word == "a", None)  # fmt: skip
    add("last_value(order.sku) = 'b'", ends(market, words[market.sku - 1], True),
        lambda word: word == "b", None)  # fmt: skip
    gift = ends(market, market.gift, True)
    add("last_value(order.gift) = true", gift, lambda code: code == 2, None)
    add("first_value(order.note) contains 'a'", ends(market, words[market.note], False),
        lambda word: "a" in word, None)  # fmt: skip
    add("last_value(order.amount) > 300", ends(market, market.amount, True),
        lambda cents: cents > 30_000, None)  # fmt: skip
    times = market.by_row(ever, market.time, max)
    add("last(order) >= now - 30 days", times, lambda t: t >= NOW_US - 30 * DAY_US, None)
    add("last(order) < now - 30 days", times, lambda t: t < NOW_US - 30 * DAY_US, None)
    firsts = market.by_row(ever, market.time, min)
    add("first(order) <= now - 60 days", firsts, lambda t: t <= NOW_US - 60 * DAY_US, None)
    return found


def test_aggregates_over_whole_blocks(market: Market) -> None:
    with market.store.snapshot() as snapshot:
        for text, truths in expected_of(market).items():
            wanted = {row for row, held in truths.items() if row >= 0 and held}
            if truths[-1]:
                wanted |= set(range(len(market.live))) - (truths.keys() - {-1})
            wanted &= set(np.flatnonzero(market.live).tolist())
            assert asked(market, snapshot, text) == wanted, text


def test_several_averages_in_one_comparison(market: Market) -> None:
    ever = market.within(None) & market.has
    sums = market.by_row(ever, market.amount, lambda held: (sum(held), len(held)))
    huge = market.by_row(ever, market.huge, sum)
    wanted = {
        row
        for row, (cents, count) in sums.items()
        if market.live[row] and 100 * huge[row] - cents > 500 * count
    }
    with market.store.snapshot() as snapshot:
        text = "avg(order.huge) - avg(order.amount) > 5"
        assert asked(market, snapshot, text) == wanted
        assert asked(market, snapshot, f"not ({text}) and count(order) >= 1") == {
            row
            for row in market.by_row(market.within(None), market.time, min)
            if market.live[row] and row not in wanted
        }


def test_an_event_that_the_store_has_not_seen_is_nobodys(market: Market) -> None:
    declared = market.model.events["order"]
    events = {**market.model.events, "later": replace(declared, name="later")}
    binder = Binder(replace(market.model, events=events))
    with market.store.snapshot() as snapshot:
        audience = Audience(snapshot, binder, as_of_us=NOW_US)
        for text in ("count(later) = 0", "count(later) >= 1", "last_value(later.sku) = 'a'",
                     "sum(later.amount) < 1", "max(later.load) > 0.5"):  # fmt: skip
            audience.add(text)
        live = int(market.live.sum())
        assert [result.count for result in audience.counts()] == [live, 0, 0, live, 0]


def test_aggregates_are_measured_as_they_are_counted(market: Market) -> None:
    """A value that is folded from events is folded before it is read, sums in all their bits."""
    measures = Measures(
        market.store.snapshot,
        lambda snapshot, as_of_us, control: Audience(
            snapshot, Binder(market.model), as_of_us=as_of_us, control=control
        ),
        lambda snapshot: Binder(market.model),
    )
    ever = market.within(None)
    for text, values, chosen in (
        ("count(order)", np.ones(len(market.row), np.int64), ever),
        ("sum(order.huge)", market.huge, ever & market.has),
    ):
        by_row = market.by_row(chosen, values, sum)
        alive = {row: value for row, value in by_row.items() if market.live[row]}
        summary = measures.summarize(text, as_of_us=NOW_US)
        assert summary.total.count == int(market.live.sum()), text
        assert summary.total.sum == sum(alive.values()), text
