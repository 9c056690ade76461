"""Live identities: what leaves the delta when, what a slice holds, what readers may rely on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.identity import shards as shards_module
from engine.identity.digests import UNKNOWN
from engine.identity.index import IdentityIndex
from engine.identity.live import LiveIdentities
from engine.identity.view import UID, uid_strings
from engine.store.store import Store
from tests.loads import load, new_store, profile

FIRST_HALF, SECOND_HALF = 1 << 60, 0xF << 60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "store") as store:
        yield store


def _live(store: Store) -> LiveIdentities:
    with store.snapshot() as snapshot:
        return LiveIdentities.load(snapshot)


def _pairs(*highs: int) -> NDArray[np.uint64]:
    return np.array([(high, 7) for high in highs], np.uint64).reshape(-1, 2)


def _many(top: int, count: int) -> NDArray[np.uint64]:
    return _pairs(*range(top, top + count))


def _add(live: LiveIdentities, digests: NDArray[np.uint64], first: int, sequence: int) -> None:
    live.add(digests, np.arange(first, first + len(digests), dtype=np.uint32), sequence)


def _save(store: Store, live: LiveIdentities, budget: int | None = None) -> list[str]:
    """Commits a slice; returns the names of what it wrote."""
    with store.write() as writer:
        live.save_slice(writer, budget)
        names = list(writer._open().metas)
    with store.snapshot() as snapshot:
        live.saved(snapshot)
    return names


def _split_in_two(store: Store, live: LiveIdentities) -> None:
    """Stores one entry in each of two shards, as sequence 1, which is settled."""
    _add(live, _pairs(FIRST_HALF, SECOND_HALF), 0, 1)
    assert _save(store, live) == ["identity/0000", "identity/8000", "identity"]
    live.settle(1)
    assert live.delta_count == 0


@pytest.fixture
def tiny_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "IDENTITY_SHARD_ENTRIES", 1)


def test_pending_entries_are_found_and_readers_do_not_see_them(store: Store) -> None:
    live = _live(store)
    _add(live, _pairs(5, 6), 0, 3)
    _add(live, _pairs(7), 2, 4)
    assert live.find(_pairs(5, 6, 7, 8)).tolist() == [0, 1, 2, UNKNOWN]
    assert live.find(_pairs(5, 6, 7), at=3).tolist() == [0, 1, UNKNOWN]
    assert live.find(_pairs(5, 6, 7), at=2).tolist() == [UNKNOWN] * 3
    for at in (None, 4, 3, 2):
        found = live.find(_pairs(5, 6, 7, 8), at=at).tolist()
        assert [live.state.find_one(one.tobytes(), at) for one in _pairs(5, 6, 7, 8)] == found
    assert live.dirty_since == 3


def test_a_failed_commit_is_forgotten(store: Store) -> None:
    live = _live(store)
    _add(live, _pairs(5), 0, 1)
    _add(live, _pairs(6), 1, 2)
    with pytest.raises(KeyError), store.write() as writer:
        live.save_slice(writer, None)
        raise KeyError
    live.forget_after(1)
    assert live.find(_pairs(5, 6)).tolist() == [0, UNKNOWN]
    assert live.dirty_since == 1
    live.forget_after(0)
    assert live.dirty_since is None
    _add(live, _pairs(6), 8, 1)
    _save(store, live)
    assert live.find(_pairs(5, 6)).tolist() == [UNKNOWN, 8]
    assert live.count == 1


def test_an_entry_stored_and_not_shown_is_unknown_until_it_is(store: Store) -> None:
    live = _live(store)
    _add(live, _pairs(5), 0, 2)
    _save(store, live)
    assert live.dirty_since is None
    assert live.find(_pairs(5), at=1).tolist() == [UNKNOWN]
    live.settle(1)
    assert live.find(_pairs(5), at=1).tolist() == [UNKNOWN]
    before = live.state
    live.settle(2)
    assert live.delta_count == 0
    assert live.find(_pairs(5), at=2).tolist() == [0]
    # Whoever kept the state goes on from it.
    assert before.find(_pairs(5), at=1).tolist() == [UNKNOWN]


@pytest.mark.usefixtures("tiny_shards")
def test_an_entry_shown_and_not_stored_stays(store: Store) -> None:
    live = _live(store)
    _split_in_two(store, live)
    _add(live, _pairs(FIRST_HALF + 1), 2, 2)
    _add(live, _pairs(SECOND_HALF + 1), 3, 3)
    live.settle(3)
    _save(store, live, 1)
    # The shard that waited longest was written; so its entry, half of the delta, has left.
    assert live.delta_count == 1
    assert live.dirty_since == 3
    assert live.find(_pairs(FIRST_HALF + 1, SECOND_HALF + 1), at=3).tolist() == [2, 3]
    _save(store, live, 1)
    assert live.dirty_since is None and live.delta_count == 0
    assert _live(store).find(_pairs(FIRST_HALF + 1, SECOND_HALF + 1)).tolist() == [2, 3]


@pytest.mark.usefixtures("tiny_shards")
def test_a_shard_stored_and_not_shown_keeps_its_entries_while_others_go(store: Store) -> None:
    live = _live(store)
    _split_in_two(store, live)
    _add(live, _pairs(FIRST_HALF + 1), 2, 2)
    _add(live, _pairs(FIRST_HALF + 2), 3, 3)
    live.settle(2)
    _save(store, live, 1)
    assert live.delta_count == 1
    assert live.find(_pairs(FIRST_HALF + 1, FIRST_HALF + 2), at=2).tolist() == [2, UNKNOWN]


@pytest.mark.usefixtures("tiny_shards")
def test_a_slice_keeps_to_its_budget_and_writes_one_shard_at_least(store: Store) -> None:
    live = _live(store)
    _split_in_two(store, live)
    for sequence, high in enumerate((SECOND_HALF + 1, FIRST_HALF + 1), 2):
        _add(live, _pairs(high), sequence, sequence)
    assert _save(store, live, 0) == []
    assert live.dirty_since == 2
    first = _save(store, live, 1)
    assert "identity/8000" in first and "identity/0000" not in first
    assert live.dirty_since == 3
    _add(live, _pairs(SECOND_HALF + 2), 4, 4)
    assert live.dirty_since == 3
    # Room for both, of 28 bytes for each entry and as many for each empty half on the way.
    both = _save(store, live, 10_000)
    assert "identity/0000" in both and live.dirty_since is None


def test_a_new_store_has_its_key_with_the_first_slice(store: Store) -> None:
    live = _live(store)
    assert _live(store).key != live.key
    assert _save(store, live, 0) == ["identity"]
    again = _live(store)
    assert again.key == live.key
    _add(again, _pairs(5), 0, 1)
    _save(store, again)
    assert _live(store).find(_pairs(5)).tolist() == [0]
    assert _save(store, again) == []


def test_what_is_replayed_and_stored_is_not_written_again(store: Store) -> None:
    live = _live(store)
    _add(live, _many(0, 50), 0, 1)
    _save(store, live)
    replayed = _live(store)
    _add(replayed, _many(0, 50), 0, 1)
    assert replayed.dirty_since == 1
    assert _save(store, replayed) == []
    assert replayed.dirty_since is None and replayed.count == 50
    _add(replayed, _many(50, 1), 50, 2)
    assert _save(store, replayed) == ["identity/0000", "identity"]
    assert _live(store).count == 51


def test_entries_that_came_between_slice_and_commit_wait(store: Store) -> None:
    live = _live(store)
    _add(live, _pairs(5), 0, 1)
    with store.write() as writer:
        live.save_slice(writer, None)
        _add(live, _pairs(6), 1, 2)
    with store.snapshot() as snapshot:
        live.saved(snapshot)
    live.settle(2)
    assert live.dirty_since == 2
    assert live.find(_pairs(5, 6)).tolist() == [0, 1]
    assert _live(store).find(_pairs(5, 6)).tolist() == [0, UNKNOWN]


def test_entries_that_came_before_a_commit_failed_leave_no_trace(store: Store) -> None:
    live = _live(store)
    with pytest.raises(KeyError), store.write() as writer:
        live.save_slice(writer, None)
        _add(live, _pairs(6), 1, 2)
        raise KeyError
    live.forget_after(0)
    _add(live, _pairs(5), 0, 1)
    _save(store, live)
    assert live.dirty_since is None and live.find(_pairs(5, 6)).tolist() == [0, UNKNOWN]


def test_misuse_is_noticed(store: Store) -> None:
    live = _live(store)
    _add(live, _pairs(5), 0, 2)
    with pytest.raises(AssertionError, match="order"):
        _add(live, _pairs(6), 1, 1)
    with pytest.raises(KeyError), store.write() as writer:
        live.save_slice(writer, None)
        with pytest.raises(AssertionError, match="written"):
            _add(live, _pairs(6), 1, 2)
        raise KeyError
    with store.snapshot() as snapshot, pytest.raises(AssertionError, match="forgotten"):
        live.saved(snapshot)
    live.settle(9)
    with store.snapshot() as snapshot, pytest.raises(AssertionError, match="older"):
        live.at(snapshot)


def test_shards_of_full_size_are_read_where_they_lie(store: Store, seed: int) -> None:
    random = np.random.default_rng(seed)
    digests = random.integers(0, 1 << 64, (40_000, 2), np.uint64)
    live = _live(store)
    _add(live, digests[:30_000], 0, 1)
    _save(store, live)
    live.settle(1)
    unknown = digests[30_000:]
    # Asked for one by one, shards are found in the map all the same, each when it is needed.
    one_by_one = [live.state.find_one(one.tobytes()) for one in digests[29_000:31_000]]
    assert one_by_one == [*range(29_000, 30_000), *[UNKNOWN] * 1_000]
    assert live.find(digests[:30_000]).tolist() == list(range(30_000))
    assert (live.find(unknown) == UNKNOWN).all()
    shards = live.state.shards
    assert shards.shard_count == 4
    assert not shards._copies
    # What is written again is found again, and who holds the old state has the old entries.
    _add(live, unknown, 30_000, 2)
    _save(store, live)
    live.settle(2)
    assert live.find(digests).tolist() == list(range(40_000))
    assert (shards.find(unknown) == UNKNOWN).all()
    assert shards.find(digests[:30_000]).tolist() == list(range(30_000))


def test_old_pages_are_let_go_with_every_commit(store: Store) -> None:
    live = _live(store)
    _add(live, _many(0, 10_000), 0, 1)
    _save(store, live)
    live.settle(1)
    live.find(_many(0, 10_000))
    with store.write() as writer:
        writer.put_meta("other", b"x")
    with store.snapshot() as snapshot:
        live.saved(snapshot)
        assert live.state.shards._view is snapshot.version.view
    assert live.find(_many(0, 10_000)).tolist() == list(range(10_000))


def test_a_view_knows_names_and_outlives_its_snapshot(store: Store) -> None:
    load(store, [{"member": "m1", "phone": "p1"}, {"phone": "p2"}])
    live = _live(store)
    values = Strings.from_list(["p2", "new", None, "p1"])
    with store.snapshot() as snapshot:
        view = live.at(snapshot)
        version = snapshot.data_version
    new = live.digests("phone", Strings.from_list(["new"]))
    live.add(new, np.array([2], np.uint32), version + 1)
    with store.snapshot() as snapshot:
        later = live.at(snapshot)
    for one in (view, later):
        assert one.lookup("phone", values).tolist() == [1, UNKNOWN, UNKNOWN, 0]
        assert one.find(one.digests("phone", values))[[0, 3]].tolist() == [1, 0]
    assert live.lookup("phone", values).tolist() == [1, 2, UNKNOWN, 0]
    with pytest.raises(KeyError):
        view.digests("fax", values)
    record = profile(store, "member", "m1")
    assert record is not None
    uid = np.frombuffer(record.uid, np.uint8).reshape(1, 16)
    assert view.lookup(UID, uid_strings(uid)).tolist() == [0]


def test_a_load_adds_to_the_live_identities(store: Store) -> None:
    live = _live(store)
    _add(live, _pairs(1), 0, 2)
    with store.snapshot() as snapshot:
        index = IdentityIndex(snapshot, live)
        index.add(_pairs(2), np.array([1], np.uint32))
        # Not yet visible to the snapshot, and not lost when the load is saved.
        assert index.find(_pairs(1, 2, 3)).tolist() == [UNKNOWN, 1, UNKNOWN]
        older = live.at(snapshot)
    with store.write() as writer:
        index.save(writer, 3)
    with store.snapshot() as snapshot:
        live.saved(snapshot)
    assert older.find(_pairs(1, 2)).tolist() == [UNKNOWN] * 2
    assert live.find(_pairs(1, 2), at=2).tolist() == [0, UNKNOWN]
    live.settle(3)
    assert live.delta_count == 0 and live.count == 2
    assert live.find(_pairs(1, 2)).tolist() == [0, 1]


@pytest.mark.usefixtures("tiny_shards")
def test_readers_of_other_threads_see_each_version_whole(store: Store) -> None:
    live = _live(store)
    every = _pairs(*(i * ((1 << 64) // 300) for i in range(300)))
    shown = 0
    faults: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            at = shown
            found = live.find(every, at=at).tolist()
            if found[: 3 * at] != list(range(3 * at)):
                faults.append(f"entries of version {at} are missing")

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for sequence in range(1, 101):
        _add(live, every[3 * (sequence - 1) : 3 * sequence], 3 * (sequence - 1), sequence)
        _save(store, live, 200)
        if sequence % 3 == 0:
            live.settle(sequence)
        shown = sequence
    done.set()
    for thread in threads:
        thread.join()
    assert not faults


@pytest.mark.usefixtures("tiny_shards")
def test_digests_on_the_border_of_shards_are_in_the_later_one(store: Store) -> None:
    live = _live(store)
    borders = [i << 61 for i in range(1, 8)]
    every = _pairs(0, *(border + off for border in borders for off in (-1, 0, 1)), (1 << 64) - 1)
    _add(live, every, 0, 1)
    _save(store, live)
    assert _live(store).find(every).tolist() == list(range(len(every)))


@pytest.mark.usefixtures("tiny_shards")
def test_a_shard_that_two_readers_find_at_once_stays_where_the_first_saw_it(store: Store) -> None:
    live = _live(store)
    _add(live, _pairs(1), 0, 1)
    _save(store, live, 200)
    shards = live.state.shards
    assert shards.find(_pairs(1)).tolist() == [0]
    before = shards._addresses.copy()
    # What the second one does, when it too saw that nobody had been there.
    shards._locate(0)
    assert 0 in shards._copies and (shards._addresses == before).all()
