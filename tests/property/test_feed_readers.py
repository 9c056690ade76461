"""Readers of a growing feed: each sees every entry it wants once, in order, or is told."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.live.feed import FeedCompacted, FeedSource
from engine.live.resume_token import FeedPosition
from tests.feeds import FakeFeedStore, FakeSnapshot, transition

NAMES = ("gold", "silver", "lapsed")
BORDERS = (0, 1, 65_535, 65_536, 131_071)

Entry = tuple[int, int, str, bool, int]

moves = st.tuples(
    st.sampled_from(NAMES), st.sets(st.sampled_from(BORDERS), min_size=1), st.booleans()
)
steps = st.one_of(
    st.tuples(st.just("add"), st.lists(moves, min_size=1, max_size=3, unique_by=lambda m: m[0])),
    st.tuples(st.just("quiet"), st.integers(1, 3)),
    st.tuples(st.just("drop"), st.integers(0, 4)),
    st.tuples(st.just("read"), st.integers(1, 5)),
    st.tuples(st.just("read"), st.integers(1, 5)),
)


def source_of(store: FakeFeedStore) -> FeedSource:
    def snapshot() -> Any:
        return FakeSnapshot(store.feed_through, 2)

    return FeedSource(store, snapshot, snapshot)


@given(
    st.lists(steps, max_size=25),
    st.sets(st.sampled_from(NAMES), min_size=1),
    st.booleans(),
)
def test_a_reader_misses_nothing_unnoticed(
    plan: list[tuple[str, object]], names: set[str], reconnects: bool
) -> None:
    store = FakeFeedStore()
    source = source_of(store)
    written: list[Entry] = []
    dropped = 0  # entries of records before this one are gone
    place = FeedPosition(1)
    seen: list[Entry] = []

    def wanted(definition: str) -> bool:
        return definition.removeprefix("segments.") in names

    for what, amount in [*plan, *[("read", 50)] * 20]:
        if what == "add":
            sequence = store.feed_through + 1
            assert isinstance(amount, list)
            transitions = [
                transition(name, rows if enters else (), () if enters else rows)
                for name, rows, enters in amount
            ]
            store.add(sequence, *transitions)
            flat = [(n, e, row) for n, rows, e in amount for row in sorted(rows)]
            written += [(sequence, i, n, e, row) for i, (n, e, row) in enumerate(flat)]
        elif what == "quiet":
            assert isinstance(amount, int)
            store.quiet(store.feed_through + amount)
        elif what == "drop":
            assert isinstance(amount, int)
            store.drop(before=max(store.feed_through - amount, 0))
            dropped = store.feed_first
        else:
            assert isinstance(amount, int)
            if reconnects:
                source = source_of(store)
                place = source.position(source.token(place))
            lost = [e for e in written if (place.sequence, place.ordinal) <= e[:2]]
            lost = [e for e in lost if e[0] < dropped]
            try:
                chunk = source.read(place, wanted, amount)
            except FeedCompacted as gone:
                assert lost, "told of a loss where nothing was lost"
                # The loss may also be of entries that this reader does not want.
                place = gone.oldest
                assert place.sequence == dropped
                seen += [e for e in written if e[2] in names and e in lost]
                continue
            # A record that the reader is inside of may be finished from memory.
            assert all(e[0] == place.sequence for e in lost) and (not lost or not reconnects)
            assert chunk.end >= place
            place = chunk.end
            seen += [
                (run.sequence, run.first_ordinal + i, run.definition[9:], run.entered, row)
                for run in chunk.runs
                for i, row in enumerate(run.rows.tolist())
            ]
    assert seen == [entry for entry in written if entry[2] in names]
    assert place == FeedPosition(store.feed_through + 1)
