"""Reading the feed: places, steps, filters, what is no longer kept, and damage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import InputInvalid, StoreCorrupt
from engine.live import feed
from engine.live.feed import FeedChunk, FeedCompacted, FeedSource, replay_feed
from engine.live.feed_record import pack_feed_record, unpack_feed_record
from engine.live.resume_token import FeedPosition
from tests.feeds import FakeFeedStore, FakeSnapshot, transition


@pytest.fixture
def store() -> FakeFeedStore:
    """Three records, then a stretch of the log in which nothing changes."""
    store = FakeFeedStore()
    store.add(3, transition("gold", [1, 2]), transition("silver", [5]))
    store.add(4, transition("gold", [7], [1]))
    store.add(9, transition("silver", [], [5]))
    store.quiet(12)
    return store


def source_of(store: FakeFeedStore, uid: bytes | None = None, ahead: int = 0) -> FeedSource:
    def snapshot() -> Any:
        made = FakeSnapshot(store.feed_through + ahead, 1)
        made.store_uid = uid or made.store_uid
        return made

    return FeedSource(store, snapshot, snapshot)


def everything(definition: str) -> bool:
    return True


def entries(chunk: FeedChunk) -> list[tuple[int, int, str, bool, int]]:
    """(sequence, ordinal, segment, entered, row) of each entry."""
    return [
        (run.sequence, run.first_ordinal + index, run.definition[9:], run.entered, row)
        for run in chunk.runs
        for index, row in enumerate(run.rows.tolist())
    ]


ALL = [
    (3, 0, "gold", True, 1),
    (3, 1, "gold", True, 2),
    (3, 2, "silver", True, 5),
    (4, 0, "gold", True, 7),
    (4, 1, "gold", False, 1),
    (9, 0, "silver", False, 5),
]


def test_a_step_reads_all_there_is(store: FakeFeedStore) -> None:
    source = source_of(store)
    chunk = source.read(source.oldest(), everything)
    assert entries(chunk) == ALL
    assert (chunk.end, chunk.caught_up) == (FeedPosition(13), True)
    assert {(run.version, run.instant_us) for run in chunk.runs if run.sequence == 4} == {
        (1, 1_700_000_000_123_460)
    }
    assert source.reach == 9


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6, 7])
def test_steps_of_any_size_give_the_same(store: FakeFeedStore, most: int) -> None:
    """With a reader that begins anew at each place, as after a reconnect."""
    found, position, caught_up = [], FeedPosition(1), False
    while not caught_up:
        source = source_of(store)
        chunk = source.read(source.position(source.token(position)), everything, most)
        assert len(entries(chunk)) <= most
        assert chunk.end > position or chunk.caught_up
        found += entries(chunk)
        position, caught_up = chunk.end, chunk.caught_up
    assert found == ALL


def test_every_place_has_its_rest(store: FakeFeedStore) -> None:
    for sequence in range(1, 14):
        for ordinal in range(4):
            position = FeedPosition(sequence, ordinal)
            if ordinal and ordinal > sum(entry[0] == sequence for entry in ALL):
                continue
            rest = [entry for entry in ALL if entry[:2] >= (sequence, ordinal)]
            assert entries(source_of(store).read(position, everything)) == rest


def test_filters(store: FakeFeedStore) -> None:
    source = source_of(store)
    chunk = source.read(FeedPosition(1), lambda definition: definition == "segments.silver")
    assert entries(chunk) == [entry for entry in ALL if entry[2] == "silver"]
    nobody = source.read(FeedPosition(1), lambda definition: False)
    assert (nobody.runs, nobody.end, nobody.caught_up) == ((), FeedPosition(13), True)


def test_a_step_ends_after_so_many_records(
    store: FakeFeedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "FEED_STEP_RECORDS", 2)
    chunk = source_of(store).read(FeedPosition(1), lambda definition: False)
    assert (chunk.end, chunk.caught_up) == (FeedPosition(5), False)
    monkeypatch.setattr(feed, "FEED_STEP_BYTES", 1)
    chunk = source_of(store).read(FeedPosition(5), everything)
    assert (chunk.end, chunk.caught_up) == (FeedPosition(10), False)


def test_a_large_record_is_fetched_once(
    store: FakeFeedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(13, transition("gold", range(100, 50_100)))
    source = source_of(store)
    position, found = FeedPosition(13), []
    calls = store.calls
    while len(found) < 50_000:
        chunk = source.read(position, everything)
        found += entries(chunk)
        position = chunk.end
    assert [entry[4] for entry in found] == list(range(100, 50_100))
    # One look for the record, and one for what follows it.
    assert store.calls - calls <= 2
    monkeypatch.setattr(feed, "FEED_KEPT_BYTES", 1)
    store.add(14, transition("silver", range(3)))
    source.read(FeedPosition(14), everything, 1)
    assert list(source._kept) == [14]


def test_records_beyond_what_is_complete_wait(store: FakeFeedStore) -> None:
    store.add(13, transition("gold", [40]))
    store.feed_through = 12
    source = source_of(store)
    assert source.reach == 12
    chunk = source.read(FeedPosition(10), everything)
    assert (entries(chunk), chunk.end, chunk.caught_up) == ([], FeedPosition(13), True)
    store.feed_through = 13
    assert entries(source.read(chunk.end, everything)) == [(13, 0, "gold", True, 40)]


def test_an_empty_feed() -> None:
    source = source_of(FakeFeedStore())
    assert source.oldest() == source.newest() == FeedPosition(1)
    assert source.read(FeedPosition(1), everything) == FeedChunk((), FeedPosition(1), True)
    assert source.position(source.token(FeedPosition(1))) == FeedPosition(1)


# ------------------------------------------------------------------------- compaction


@pytest.mark.parametrize("position", [FeedPosition(1), FeedPosition(3, 1), FeedPosition(4)])
def test_what_is_dropped_is_told(store: FakeFeedStore, position: FeedPosition) -> None:
    store.drop(before=9)
    source = source_of(store)
    with pytest.raises(FeedCompacted) as caught:
        source.read(position, everything)
    assert caught.value.oldest == FeedPosition(9)
    assert entries(source.read(caught.value.oldest, everything)) == ALL[-1:]


@pytest.mark.parametrize("sequence", [5, 6, 9, 10, 13])
def test_nothing_is_told_where_nothing_is_lost(store: FakeFeedStore, sequence: int) -> None:
    """Between record 4 and record 9 there is none, so a place there is as good as ever."""
    store.drop(before=9)
    rest = [entry for entry in ALL if entry[0] >= sequence]
    assert entries(source_of(store).read(FeedPosition(sequence), everything)) == rest


def test_a_half_read_record_that_is_dropped(store: FakeFeedStore) -> None:
    source = source_of(store)
    begun = source.read(FeedPosition(3), everything, 1)
    store.drop(before=9)
    with pytest.raises(FeedCompacted):
        source_of(store).read(begun.end, everything)
    # The reader that has it may finish it, and then learns of the gap.
    assert entries(source.read(begun.end, everything, 1)) == ALL[1:2]
    with pytest.raises(FeedCompacted):
        source.read(FeedPosition(3, 2), everything)


# ----------------------------------------------------------------------------- places


def test_tokens_say_where(store: FakeFeedStore) -> None:
    source = source_of(store)
    for position in (FeedPosition(1), FeedPosition(4, 1), FeedPosition(13)):
        token = source.token(position)
        assert source.position(token) == position
        assert len(token) < 100 and token.isascii()
    assert source.newest() == FeedPosition(13)
    assert source.after(4) == FeedPosition(5)


TOKEN = source_of(FakeFeedStore()).token(FeedPosition(1))


@pytest.mark.parametrize(
    "text",
    ["", "x", "令牌", TOKEN[:-1], TOKEN + "A", TOKEN[::-1], "B" + TOKEN[1:], TOKEN[:-4] + "AAAA"]
    + [TOKEN[:place] + "!" + TOKEN[place + 1 :] for place in (0, 20, 37)],
)
def test_foreign_texts_are_refused(store: FakeFeedStore, text: str) -> None:
    with pytest.raises(InputInvalid, match="token is none"):
        source_of(store).position(text)


def test_no_token_is_before_the_first_record(store: FakeFeedStore) -> None:
    with pytest.raises(InputInvalid, match="token is none"):
        source_of(store).position(source_of(store).token(FeedPosition(0, 5)))


def test_the_token_of_another_store_is_refused(store: FakeFeedStore) -> None:
    token = source_of(store, uid=bytes(16)).token(FeedPosition(3))
    with pytest.raises(InputInvalid, match="another store"):
        source_of(store).position(token)


def test_a_place_ahead_of_the_store_is_refused(store: FakeFeedStore) -> None:
    source = source_of(store)
    with pytest.raises(InputInvalid, match="ahead of the store"):
        source.position(source.token(FeedPosition(14)))
    with pytest.raises(InputInvalid, match="no data version 13 yet"):
        source.after(13)
    # What is applied and not in the feed yet is not ahead.
    later = source_of(store, ahead=1)
    assert later.position(source.token(FeedPosition(14))) == later.after(13) == FeedPosition(14)


# ----------------------------------------------------------------------------- damage


def _lose(store: FakeFeedStore) -> None:
    del store.records[4]


def _cut(store: FakeFeedStore) -> None:
    store.records[4] = store.records[4][:-1]


def _misplace(store: FakeFeedStore) -> None:
    store.records[10] = store.records.pop(9)


def _unsort(store: FakeFeedStore) -> None:
    store.records[3] = store.records[3].replace(b"\x01\0\x02\0", b"\x02\0\x02\0")


@pytest.mark.parametrize("damage", [_lose, _cut, _misplace, _unsort])
def test_damage_is_noticed(store: FakeFeedStore, damage: Callable[[FakeFeedStore], None]) -> None:
    damage(store)
    with pytest.raises(StoreCorrupt):
        source_of(store).read(FeedPosition(1), everything)


# ----------------------------------------------------------------------------- replay


def test_replay(store: FakeFeedStore) -> None:
    members = replay_feed(source_of(store))
    assert {name: rows.tolist() for name, rows in members.items()} == {"segments.gold": [2, 7]}


@pytest.mark.parametrize(
    "wrong", [transition("gold", [2]), transition("gold", [], [1]), transition("new", [], [1])]
)
def test_replay_notices_what_does_not_fit(store: FakeFeedStore, wrong: Any) -> None:
    store.add(13, wrong)
    assert pack_feed_record(unpack_feed_record(store.records[13])) == store.records[13]
    with pytest.raises(StoreCorrupt, match="does not fit"):
        replay_feed(source_of(store))
