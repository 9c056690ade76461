"""Aggregates over the events of one type of one block, and encoding them.

Measured: one call over 26,214 events in two chunks, of which a window of 30 days has a third,
through the door that makes its arrays anew; those are a good part of each figure. And encoding
the block from arrays in any order.
Data: 40% of three events a profile over 90 days at random microseconds, with a decimal of 32 bits
and categories of 2,000 and 8 names, from a fixed seed; one in two on a tenth of the rows.
Not shown: chunks that bounds pass over, tails, and what a query costs around its aggregates.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from engine.core import kernels
from engine.events.aggregates import aggregate
from engine.events.asking import Aggregate, Fold, Where, WhereKind
from engine.events.chunks import Chunks
from engine.events.decode import decode_events
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Ints

DAY_US = 86_400_000_000
START = 1_760_000_000_000_000
EVENTS = 3 * 65_536 * 2 // 5
AMOUNT, PAGE, CHANNEL = 1, 2, 3


def _events() -> Events:
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 65_536, EVENTS)
    rows = np.where(rng.random(EVENTS) < 0.5, rows // 10 * 10, rows)
    present = np.ones(EVENTS, np.bool_)
    amounts = np.rint(np.exp(rng.normal(8.5, 1.3, EVENTS))).astype(np.int64)
    return Events(
        rows.astype(np.uint16),
        START + rng.integers(0, 90 * DAY_US, EVENTS),
        properties={
            AMOUNT: Ints(amounts, present),
            PAGE: Codes(np.minimum(rng.zipf(1.3, EVENTS), 2_000).astype(np.uint32)),
            CHANNEL: Codes(rng.integers(1, 9, EVENTS).astype(np.uint32)),
        },
    )


ALL = _events()
PARTS = encode_events(ALL)
FROM, TO = START + 60 * DAY_US, START + 90 * DAY_US
INSIDE = ALL.take(ALL.times >= FROM)
ASKED = {
    "marks": [Aggregate(Fold.MARK)],
    "count": [Aggregate(Fold.COUNT_U8)],
    "sum": [Aggregate(Fold.SUM_I64, AMOUNT)],
    "count and sum": [Aggregate(Fold.COUNT_U16), Aggregate(Fold.SUM_I64, AMOUNT)],
    "last": [Aggregate(Fold.GREATEST)],
    "last value": [Aggregate(Fold.LAST, PAGE)],
    "distinct": [Aggregate(Fold.DISTINCT, PAGE)],
}


def _counts(events: Events) -> NDArray[np.intp]:
    return np.bincount(events.rows, minlength=65_536)


@pytest.mark.parametrize("name", ASKED)
def test_aggregate(benchmark: BenchmarkFixture, name: str) -> None:
    """One aggregate, or two of the same events."""
    chunks = Chunks(PARTS)
    answers = benchmark(aggregate, chunks, ASKED[name], FROM, TO)
    marked = np.unpackbits(answers[0].marks.view(np.uint8), bitorder="little")
    assert np.array_equal(marked.astype(np.bool_), _counts(INSIDE) > 0)
    if name.startswith("count"):
        assert np.array_equal(answers[0].values, np.minimum(_counts(INSIDE), 255))
    if name.endswith("sum"):
        amounts = INSIDE.properties[AMOUNT]
        assert isinstance(amounts, Ints)
        assert answers[-1].values.sum() == amounts.values.sum()


@pytest.mark.parametrize("table", kernels.tables())
def test_where(benchmark: BenchmarkFixture, table: str) -> None:
    """A count of the events that have one of eight values of a category."""
    chunks, where = Chunks(PARTS), [Where(WhereKind.RANGE, CHANNEL, 2, 2)]
    asked = [Aggregate(Fold.COUNT_U8)]
    (answer,) = benchmark(aggregate, chunks, asked, FROM, TO, where, table=table)
    channel = INSIDE.properties[CHANNEL]
    assert isinstance(channel, Codes)
    assert np.array_equal(answer.values, _counts(INSIDE.take(channel.codes == 2)))


def test_encode(benchmark: BenchmarkFixture) -> None:
    """All columns of a block, sorting included; and its size."""
    parts = benchmark(encode_events, ALL)
    assert parts == PARTS
    assert len(decode_events(parts)) == EVENTS
    size = sum(map(len, parts)) / EVENTS
    benchmark.extra_info["bytes an event"] = round(size, 2)
    assert size < 16
