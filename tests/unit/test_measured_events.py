"""Values over events of whole blocks, held against numbers worked out: sums beyond 64 bits,
averages, what those without events have, and types that the store has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from engine.audience import Audience
from engine.measures import Edges, EqualBins, Measures, Quantiles, Thresholds, Top
from engine.model.definitions import Model
from engine.rules.bind import Binder
from tests.unit.test_event_columns import DAY_US, NOW_US, WORDS, Market

HUGE = 2**63


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """The blocks of events of the tests of columns."""
    made = Market(tmp_path_factory.mktemp("market") / "store")
    yield made
    made.store.close()


def measures(market: Market, model: Model | None = None) -> Measures:
    """What is measured of its store."""
    binder = Binder(model or market.model)
    return Measures(
        market.store.snapshot,
        lambda snapshot, as_of_us, control: Audience(
            snapshot, binder, as_of_us=as_of_us, control=control
        ),
        lambda snapshot: binder,
    )


def living(market: Market, found: Mapping[int, Any]) -> dict[int, Any]:
    """Those of rows that are alive."""
    return {row: value for row, value in found.items() if market.live[row]}


def alive(market: Market) -> int:
    """How many profiles there are."""
    return int(market.live.sum())


def judge(
    ask: Measures, text: str, there: list[Fraction], profiles: int, *, is_wide: bool = False
) -> None:
    """Asserts totals, bins and thresholds of a value that some profiles have."""
    total = ask.summarize(text, as_of_us=NOW_US).total
    assert (total.count, total.present) == (profiles, len(there)), text
    exact = sum(there, Fraction(0))
    assert (total.sum, total.mean) == (exact, exact / len(there)), text
    assert (total.least, total.greatest) == (min(there), max(there)), text
    if is_wide:
        return  # one by one, as Python integers: the property tests have the rest
    ranked = sorted(there)
    for cut in (EqualBins(7), Quantiles(5)):
        bins = ask.distribution(text, cut=cut, as_of_us=NOW_US).histogram
        assert bins is not None and bins.bins[0].low <= ranked[0]
        assert [one.count for one in bins.bins] == [
            sum(one.low <= value < one.high for value in there) for one in bins.bins
        ], text
        assert (bins.below, bins.above, bins.present) == (0, 0, len(there)), text
        if cut == Quantiles(5):
            ranks = [-(-place * len(there) // 5) for place in range(5)]
            assert [one.low for one in bins.bins] == sorted({ranked[rank] for rank in ranks})
    chosen = [value for value in ranked if 10**6 % value.denominator == 0][::9973]
    words = [f"{float(value):.6f}" if abs(value) < 10**8 else str(int(value)) for value in chosen]
    for op in (">=", "<="):
        curve = ask.distribution(text, cut=Thresholds(words, op), as_of_us=NOW_US).thresholds  # type: ignore[arg-type]
        assert [(one.at, one.count) for one in curve] == [
            (at, sum(value >= at if op == ">=" else value <= at for value in there))
            for at in chosen
        ], text


def test_averages(market: Market) -> None:
    mean = market.by_row(
        market.within(90) & market.has,
        market.amount,
        lambda held: Fraction(sum(held), 100 * len(held)),
    )
    there = list(living(market, mean).values())
    assert any(value.denominator % 3 == 0 for value in there), "some have no end"
    judge(measures(market), "avg(order.amount in last 90 days)", there, alive(market))
    # Three numbers to each profile, one of them with factors: no plain average.
    sums = market.by_row(market.within(90) & market.has, market.amount, sum)
    there = [
        3 * value - Fraction(sums[row], 200) + 1 for row, value in living(market, mean).items()
    ]
    text = "3 * avg(order.amount in last 90 days) - 0.5 * sum(order.amount in last 90 days) + 1"
    judge(measures(market), text, there, alive(market))


def test_sums_and_averages_beyond_64_bits(market: Market) -> None:
    ever = market.within(None) & market.has
    sums = living(market, market.by_row(ever, market.huge, sum))
    counts = living(market, market.by_row(ever, market.huge, len))
    assert max(map(abs, sums.values())) > 2 * HUGE
    nothing = [Fraction(0)] * (alive(market) - len(sums))
    ask = measures(market)
    judge(
        ask,
        "sum(order.huge)",
        [*map(Fraction, sums.values()), *nothing],
        alive(market),
        is_wide=True,
    )
    means = [Fraction(total, counts[row]) for row, total in sums.items()]
    judge(ask, "avg(order.huge)", means, alive(market), is_wide=True)
    cents = market.by_row(ever, market.amount, sum)
    text = "avg(order.huge) - avg(order.amount)"
    there = [
        Fraction(total, counts[row]) - Fraction(cents[row], 100 * counts[row])
        for row, total in sums.items()
    ]
    judge(ask, text, there, alive(market), is_wide=True)


def test_those_without_events(market: Market) -> None:
    """A count of nothing is 0, and so is a sum; an average and a time are missing."""
    ask = measures(market)
    counts = living(market, market.by_row(market.within(30), market.time, len))
    for text, present in (
        ("count(order in last 30 days)", alive(market)),
        ("sum(order.amount in last 30 days)", alive(market)),
        ("last(order in last 30 days)", len(counts)),
        ("now - last(order in last 30 days)", len(counts)),
    ):
        assert ask.summarize(text, as_of_us=NOW_US).total.present == present, text
    without = ask.distribution("count(order in last 30 days)", cut=Edges(["0", "1", "1e9"]),
                               as_of_us=NOW_US).histogram  # fmt: skip
    assert without is not None and without.bins[0].count == alive(market) - len(counts)
    nobody = "count(order) = 0"
    assert ask.summarize("avg(order.amount)", nobody, as_of_us=NOW_US).total.present == 0
    assert ask.distribution("avg(order.amount)", nobody, as_of_us=NOW_US).histogram is not None
    ages = living(market, market.by_row(market.within(None), market.time, max))
    total = ask.summarize("now - last(order)", as_of_us=NOW_US).total
    assert total.greatest == NOW_US - min(ages.values()) <= 120 * DAY_US


def test_categories_and_bools_are_counted_by_value(market: Market) -> None:
    ever = market.within(None) & market.has
    ask = measures(market)
    for text, values, names in (
        ("last_value(order.sku)", market.sku, WORDS),
        ("last_value(order.gift)", market.gift, ["false", "true"]),
    ):
        found = ask.distribution(text, cut=Top(10), as_of_us=NOW_US)
        times = living(market, market.by_row(ever, market.time, max))
        at_last = {row: set() for row in times}
        for row, time, value in zip(
            market.row[ever].tolist(), market.time[ever].tolist(), values[ever].tolist(),
            strict=True,
        ):  # fmt: skip
            if times.get(row) == time:
                at_last[row].add(names[value - 1])
        # Of equal times the greatest value is the last.
        counted = Counter(max(found) for found in at_last.values())
        assert {one.value: one.count for one in found.values} == counted, text
        assert (found.answer.count, found.present) == (alive(market), len(times))
        assert found.other_values == 0
        few = ask.distribution(text, "count(order) >= 3", Top(1), as_of_us=NOW_US)
        assert few.present == few.values[0].count + few.other_count


def test_a_type_that_the_store_has_not_seen(market: Market) -> None:
    declared = market.model.events["order"]
    events = {**market.model.events, "later": replace(declared, name="later")}
    ask = measures(market, replace(market.model, events=events))
    for text, present in (
        ("count(later)", alive(market)),
        ("sum(later.amount)", alive(market)),
        ("avg(later.amount)", 0),
        ("last(later)", 0),
        ("min(later.load)", 0),
    ):
        total = ask.summarize(text, as_of_us=NOW_US).total
        assert (total.count, total.present) == (alive(market), present), text
    for text in ("last_value(later.sku)", "first_value(later.gift)"):
        found = ask.distribution(text, as_of_us=NOW_US)
        assert (found.answer.count, found.present, found.values) == (alive(market), 0, ())
