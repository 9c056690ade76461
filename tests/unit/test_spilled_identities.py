"""Identities of a load that are brought to the disk while it runs: found like those in memory, and
stored as these would be."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import InputInvalid, StoreUnwritable
from engine.identity import grown_shards, index, shards, spilled
from engine.identity.digest_filter import LINE_BYTES, add_to_filter, passed_filter
from engine.identity.digest_map import DigestMap
from engine.identity.digests import UNKNOWN, Run
from engine.identity.index import IdentityIndex
from engine.identity.spilled import SpilledRuns
from engine.store.drafts import NUMBERS_LEFT_FREE, Drafts
from engine.store.store import Store, Writer
from tests.loads import load, new_store

KEPT = 300


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "store") as store:
        yield store


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs, stretches, shards, transactions and the filter are of some hundred entries."""
    monkeypatch.setattr(index, "LOAD_IDENTITIES", KEPT)
    monkeypatch.setattr(index, "LOAD_IDENTITY_DRAFT_BYTES", 3_000)
    monkeypatch.setattr(shards, "IDENTITY_SHARD_ENTRIES", 40)
    monkeypatch.setattr(grown_shards, "STRETCH_ENTRIES", 200)
    monkeypatch.setattr(spilled, "_FILTER_BYTES_AT_FIRST", LINE_BYTES)


def digests_of(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    return rng.integers(0, 1 << 64, (count, 2), dtype=np.uint64)


def add(index_: IdentityIndex, digests: NDArray[np.uint64], first: int, batch: int = 70) -> None:
    for at in range(0, len(digests), batch):
        part = digests[at : at + batch]
        index_.add(part, np.arange(first + at, first + at + len(part), dtype=np.uint32))


def save(store: Store, index_: IdentityIndex, drafts: Drafts) -> None:
    index_.write_ahead()
    with store.write() as writer:
        drafts.hand_over(writer)
        index_.save(writer)
    index_.close()
    drafts.drop()


def loaded(store: Store, digests: NDArray[np.uint64], first: int) -> None:
    """Adds digests as a load does, with nothing else."""
    drafts = Drafts(store, lambda: None)
    with store.snapshot() as snapshot:
        index_ = IdentityIndex(snapshot, drafts=drafts)
        add(index_, digests, first)
        assert (index_.spilled_runs > 0) == (len(digests) > KEPT)
        save(store, index_, drafts)


def records_of(store: Store) -> dict[str, bytes | None]:
    with store.snapshot() as snapshot:
        return {name: snapshot.meta(name) for name in snapshot.meta_names("identity")}


def found_in(store: Store, digests: NDArray[np.uint64]) -> list[int]:
    with store.snapshot() as snapshot:
        rows: list[int] = IdentityIndex(snapshot).find(digests).tolist()
        return rows


def test_all_are_found_while_and_after_they_are_brought_to_the_disk(
    store: Store, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    owners: dict[tuple[int, int], int] = {}
    known = digests_of(rng, 500)
    loaded(store, known, 0)
    owners.update(zip(map(tuple, known.tolist()), range(500), strict=True))
    drafts = Drafts(store, lambda: None)
    with store.snapshot() as snapshot:
        index_ = IdentityIndex(snapshot, drafts=drafts)
        for batch in rng.integers(1, 200, 25).tolist():
            fresh = digests_of(rng, batch)
            rows = np.arange(len(owners), len(owners) + batch, dtype=np.uint32)
            index_.add(fresh, rows)
            owners.update(zip(map(tuple, fresh.tolist()), rows.tolist(), strict=True))
            every = np.array(list(owners), np.uint64)
            asked = np.concatenate([rng.permutation(every)[:300], digests_of(rng, 300)])
            expected = [owners.get(pair, UNKNOWN) for pair in map(tuple, asked.tolist())]
            assert index_.find(asked).tolist() == expected
        assert index_.spilled_runs > 3
        save(store, index_, drafts)
    assert found_in(store, np.array(list(owners), np.uint64)) == list(owners.values())
    assert store.verify().is_sound


@pytest.mark.parametrize("counts", [[5_000], [350, 5_000], [5_000, 350], [5_000, 20, 3_000]])
def test_shards_are_those_that_come_of_entries_in_memory(
    store: Store, tmp_path: Path, counts: list[int], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(store, digests_of(np.random.default_rng(1), 1), 9)  # for the key, which is drawn
    shutil.copytree(store.path, tmp_path / "other")
    with Store.open(tmp_path / "other") as other:
        for place in (store, other):
            monkeypatch.setattr(index, "LOAD_IDENTITIES", KEPT if place is store else 1 << 20)
            rng = np.random.default_rng(seed)
            for count in counts:
                digests = digests_of(rng, count)
                with place.snapshot() as snapshot:
                    drafts = Drafts(place, lambda: None)
                    index_ = IdentityIndex(snapshot, drafts=drafts)
                    add(index_, digests, 10)
                    save(place, index_, drafts)
        assert records_of(store) == records_of(other)
        assert len(records_of(store)) > 5_000 // 40
        assert store.verify().is_sound and other.verify().is_sound


def test_shards_that_get_nothing_stay_where_they_are(store: Store) -> None:
    digests = digests_of(np.random.default_rng(3), 6_000)
    loaded(store, digests, 0)
    with store.snapshot() as snapshot:
        before = dict(snapshot.version.state.metas)
    # All of one sixteenth of the digests.
    more = digests_of(np.random.default_rng(4), 400)
    more[:, 0] = (more[:, 0] >> np.uint64(4)) | np.uint64(5 << 60)
    loaded(store, more, 6_000)
    with store.snapshot() as snapshot:
        after = dict(snapshot.version.state.metas)
    stayed = {name for name in before if after[name] == before[name]}
    moved = {name for name in before if name not in stayed}
    assert moved == {"identity"} | {name for name in before if name.startswith("identity/5")}
    assert found_in(store, np.concatenate([digests, more])) == list(range(6_400))


def test_halves_in_common_do_not_confuse(store: Store) -> None:
    """Digests of one high half in several runs, which chance will never bring together."""
    numbers = np.arange(2_000, dtype=np.uint64)
    digests = np.stack([(numbers % 3) << np.uint64(62), (numbers * 7919) % 2_003], axis=1)
    loaded(store, np.ascontiguousarray(digests), 0)
    with store.snapshot() as snapshot:
        table = shards.ShardTable(snapshot)
        pieces = [table.piece(number).run for number in range(table.shard_count)]
        stored = [pair for run in pieces for pair in zip(run.high, run.low, strict=True)]
    assert len(stored) == 2_000 and stored == sorted(stored)
    assert found_in(store, digests) == numbers.tolist()
    assert found_in(store, digests + np.uint64(5_000)) == [UNKNOWN] * 2_000
    assert store.verify().is_sound


def test_the_filter_lets_pass_all_that_are_there_and_few_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    there, others = digests_of(rng, 40_000), digests_of(rng, 40_000)
    filter_ = np.zeros((40_000 * 10 // 512, 8), np.uint64)
    assert not len(passed_filter(filter_, there))
    add_to_filter(filter_, there[:, 0].copy(), there[:, 1].copy())
    assert passed_filter(filter_, there).tolist() == list(range(40_000))
    passed = passed_filter(filter_, others)
    assert 0 < len(passed) < 40_000 * 0.03
    assert (passed[1:] > passed[:-1]).all()


def test_the_filter_grows_to_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spilled, "LOAD_IDENTITY_FILTER_BYTES", 8 * LINE_BYTES)
    runs, sizes, rng = SpilledRuns(tmp_path), [], np.random.default_rng(6)
    every = digests_of(rng, 600)
    for first in range(0, 600, 60):
        part = every[first : first + 60]
        rows = np.arange(first, first + 60, dtype=np.uint32)
        runs.add(DigestMap().with_entries(part, rows))
        sizes.append(runs.filter_bytes // LINE_BYTES)
        assert runs.find(every).tolist() == [
            number if number < first + 60 else UNKNOWN for number in range(600)
        ]
    assert sizes == [2, 4, 8, 8, 8, 8, 8, 8, 8, 8]
    assert runs.count == 600 and runs.run_count == 10
    runs.close()


def test_nothing_of_them_is_seen_in_the_folder(store: Store) -> None:
    before = sorted(os.listdir(store.path))
    drafts = Drafts(store, lambda: None)
    with store.snapshot() as snapshot:
        index_ = IdentityIndex(snapshot, drafts=drafts)
        add(index_, digests_of(np.random.default_rng(1), 2_000), 0)
        assert index_.spilled_runs
        assert sorted(os.listdir(store.path)) == before
        index_.close()


def test_records_named_meanwhile_leave_the_drafts_alone(store: Store) -> None:
    digests = digests_of(np.random.default_rng(1), 2_000)
    drafts = Drafts(store, lambda: None)
    with store.snapshot() as snapshot:
        index_ = IdentityIndex(snapshot, drafts=drafts)
        add(index_, digests, 0)
        index_.write_ahead()
        for number in range(5):
            with store.write() as writer:
                writer.put_meta(f"other/{number}", b"x" * 10_000)
            assert store.verify().is_sound
    # The visible state has moved on, and a write begins from the newest one.
    with store.write() as writer:
        drafts.hand_over(writer)
        index_.save(writer)
        writer.put_meta("other/last", b"y")
    index_.close()
    drafts.drop()
    assert store.verify().is_sound
    assert found_in(store, digests) == list(range(2_000))
    with store.snapshot() as snapshot:
        assert snapshot.meta("other/4") == b"x" * 10_000 and snapshot.meta("other/last") == b"y"
        numbers = {name: listing.id for name, listing in snapshot.version.state.metas.items()}
    assert len(set(numbers.values())) == len(numbers)
    assert numbers["other/4"] < min(numbers["identity/0000"], numbers["other/last"])


def test_numbers_given_out_beyond_the_drafts_end_the_write(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.drafts.NUMBERS_LEFT_FREE", 3)
    drafts = Drafts(store, lambda: None)
    drafts.put_named({"a": b"1", "b": b"2"})
    with store.write() as writer:
        for number in range(4):
            writer.put_meta(f"other/{number}", b"x")
    assert store.verify().is_sound
    with pytest.raises(InputInvalid, match="Load again"):
        drafts.put_named({"c": b"3"})
    drafts.drop()
    assert store.verify().is_sound
    with store.snapshot() as snapshot:
        assert snapshot.meta("other/3") == b"x" and snapshot.meta("a") is None


def test_one_write_at_a_time_has_drafts(store: Store) -> None:
    first, second = Drafts(store, lambda: None), Drafts(store, lambda: None)
    first.put_named({"a": b"1"})
    with pytest.raises(InputInvalid, match="another large load is under way"):
        second.put_named({"b": b"2"})
    second.drop()
    with store.write() as writer:
        first.hand_over(writer)
    first.drop()
    third = Drafts(store, lambda: None)
    third.put_named({"b": b"3"})
    third.drop()
    assert store.verify().is_sound
    with store.snapshot() as snapshot:
        assert snapshot.meta("a") == b"1" and snapshot.meta("b") is None


@pytest.mark.parametrize("size", [0, 1, (256 << 10) + 7])
def test_a_draft_takes_the_place_of_a_record_of_its_name(store: Store, size: int) -> None:
    def put(writer: Writer) -> None:
        writer.put_meta("a", b"old" * 200_000)
        writer.put_meta("b", b"stays")

    with store.write() as writer:
        put(writer)
    drafts = Drafts(store, lambda: None)
    drafts.put_named({"a": b"n" * size})
    with store.snapshot() as snapshot:
        assert snapshot.meta("a") == b"old" * 200_000
        root = snapshot.version.state.root
    with store.write() as writer:
        drafts.hand_over(writer)
    drafts.drop()
    assert store.verify().is_sound
    with store.snapshot() as snapshot:
        assert snapshot.meta("a") == b"n" * size and snapshot.meta("b") == b"stays"
        after = snapshot.version.state.root
    assert after.next_meta == root.next_meta + NUMBERS_LEFT_FREE + 1


def test_a_disk_that_takes_no_more_ends_the_load_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    load(store, [{"member": "before"}])
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(StoreUnwritable, match="No space left"):
            load(store, [{"member": f"m{number}"} for number in range(500)])
    assert store.verify().is_sound and store.snapshot().live_count == 1
    load(store, [{"member": f"m{number}"} for number in range(500)])
    assert store.verify().is_sound and store.snapshot().live_count == 501


@pytest.mark.parametrize("transaction", [0, 1, -1])
def test_shards_that_cannot_be_written_end_the_load(
    store: Store, transaction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    put = Drafts.put_named
    digests = digests_of(np.random.default_rng(1), 2_000)

    def fails(drafts: Drafts, records: dict[str, bytes]) -> None:
        calls.append(len(records))
        if len(calls) == failing:
            raise StoreUnwritable("full")
        put(drafts, records)

    monkeypatch.setattr(Drafts, "put_named", fails)
    drafts = Drafts(store, lambda: None)
    failing = 0
    with store.snapshot() as snapshot:
        index_ = IdentityIndex(snapshot, drafts=drafts)
        add(index_, digests, 0)
        index_.write_ahead()
        index_.close()
        drafts.drop()
        whole = len(calls)
        assert whole > 5 and min(calls[:-1]) > 0
        failing = range(1, whole + 1)[transaction]
        calls.clear()
        index_ = IdentityIndex(snapshot, drafts=drafts)
        add(index_, digests, 0)
        with pytest.raises(StoreUnwritable, match="full"):
            index_.write_ahead()
        # One more may have been on its way; none is begun after that.
        assert len(calls) == failing
        index_.close()
        drafts.drop()
    assert found_in(store, digests[:5]) == [UNKNOWN] * 5
    assert store.verify().is_sound


def test_runs_with_one_half_in_common_are_united_in_order() -> None:
    rng = np.random.default_rng(5)
    pairs = np.unique(rng.integers(0, 40, (900, 2)).astype(np.uint64), axis=0)
    numbers = np.arange(len(pairs), dtype=np.uint32)
    for count in range(1, 8):
        of_run = rng.integers(0, count, len(pairs))
        runs = [
            Run(pairs[of_run == run, 0], pairs[of_run == run, 1], numbers[of_run == run])
            for run in range(count)
        ]
        united = spilled.united(runs)
        assert united.numbers.tolist() == numbers.tolist()
        assert (united.high == pairs[:, 0]).all() and (united.low == pairs[:, 1]).all()


def test_writes_of_some_of_the_bytes_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: whole(file, data[:5], at))
    digests = digests_of(np.random.default_rng(1), 900)
    loaded(store, digests, 0)
    assert found_in(store, digests) == list(range(900))
