"""Digests in memory: the search in sorted columns, runs, and maps with sequences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.identity.digest_search import places_in_run, rows_in_shards
from engine.identity.digests import UNKNOWN, DigestMap, Run, merge_runs, sort_run, unite_runs

LARGEST = (1 << 64) - 1


def _digests(pairs: list[tuple[int, int]]) -> NDArray[np.uint64]:
    return np.array(pairs, np.uint64).reshape(-1, 2)


def _run(pairs: list[tuple[int, int]], sequence: int = 0) -> Run:
    return sort_run(_digests(pairs), np.arange(len(pairs), dtype=np.uint32), sequence)


def _naive_places(run: Run, digests: NDArray[np.uint64]) -> list[int]:
    places = {pair: i for i, pair in enumerate(zip(run.high, run.low, strict=True))}
    return [places.get((high, low), -1) for high, low in digests]


@pytest.mark.parametrize(
    ("count", "spread"),
    [(n, s) for n in (0, 1, 2, 31, 33, 64, 3_000) for s in ("uniform", "low", "high", "tied")],
)
def test_search_finds_what_a_plain_look_finds(count: int, spread: str, seed: int) -> None:
    # Guesses come from uniform digests; all others have to be found as well.
    random = np.random.default_rng(seed)
    high = random.integers(0, LARGEST, count, np.uint64, endpoint=True)
    if spread == "low":
        high >>= np.uint64(40)
    elif spread == "high":
        high |= np.uint64(LARGEST ^ 0xFFFF)
    elif spread == "tied":
        high %= np.uint64(3)
    pairs = np.unique(np.stack((high, random.integers(0, 50, count, np.uint64)), 1), axis=0)
    known = random.random(len(pairs)) < 0.5
    run = sort_run(pairs[known], np.arange(known.sum(), dtype=np.uint32))
    asked = np.concatenate(
        (random.permutation(pairs), _digests([(0, 0), (LARGEST, LARGEST), (LARGEST, 0)]))
    )
    assert places_in_run(run.high, run.low, asked).tolist() == _naive_places(run, asked)


@pytest.mark.parametrize("depth", [0, 1, 5, 16])
def test_search_in_a_shard_guesses_by_what_follows_its_prefix(depth: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    high = random.integers(0, LARGEST, 2_000, np.uint64, endpoint=True) >> np.uint64(depth)
    high |= np.uint64(((1 << depth) - 1) << (64 - depth) if depth else 0)
    run = sort_run(np.stack((high, high), 1), np.arange(2_000, dtype=np.uint32))
    data = b"".join(column.tobytes() for column in (run.high, run.low, run.numbers))
    # One byte off: columns need no alignment.
    kept = np.frombuffer(b"x" + data, np.uint8)
    address = kept.__array_interface__["data"][0] + 1
    asked = np.stack((high, high), 1)
    asked[::2, 1] ^= np.uint64(1)
    rows = rows_in_shards(
        asked,
        np.ones(2_000, np.uint32),
        np.array([0, address], np.uint64),
        np.array([0, 2_000], np.int64),
        np.array([0, depth], np.uint8),
    )
    assert rows[1::2].tolist() == list(range(1, 2_000, 2))
    assert (rows[::2] == UNKNOWN).all()


def test_map_finds_what_was_added_in_any_number_of_runs(seed: int) -> None:
    random = np.random.default_rng(seed)
    # High halves collide on purpose: the low half has to tell them apart.
    pool = np.unique(random.integers(0, 40, (900, 2)).astype(np.uint64), axis=0)
    random.shuffle(pool)
    known, unknown = pool[:500], pool[500:]
    numbers = random.permutation(500).astype(np.uint32)
    digests = DigestMap()
    cuts = np.split(np.arange(500), [1, 2, 4, 100, 101, 350])
    for sequence, cut in enumerate(cuts, 1):
        digests = digests.with_run(sort_run(known[cut], numbers[cut], sequence))
        assert digests.find(known[cut])[0].tolist() == numbers[cut].tolist()
    assert digests.find(known)[0].tolist() == numbers.tolist()
    for sequence in range(len(cuts) + 1):
        rows, there = digests.find(known, sequence)
        seen = sum(len(cut) for cut in cuts[:sequence])
        assert there.all()
        assert rows.tolist() == [*numbers[:seen].tolist(), *[UNKNOWN] * (500 - seen)]
    rows, there = digests.find(unknown)
    assert (rows == UNKNOWN).all() and not there.any()
    run = digests.as_run()
    assert digests.count == run.count == 500 and len(digests.runs) < 9
    assert list(zip(run.high, run.low, strict=True)) == sorted(map(tuple, known))


def test_map_of_nothing() -> None:
    digests = DigestMap().with_run(_run([]))
    assert digests == DigestMap()
    assert digests.find(_digests([(1, 2)]))[0].tolist() == [UNKNOWN]
    assert digests.find(_digests([]))[0].tolist() == []
    assert digests.as_run().count == digests.nbytes == 0


def test_an_addition_leaves_the_map_before_it_as_it_was() -> None:
    before = DigestMap().with_run(_run([(1, 1), (5, 5)], 1))
    after = before.with_run(_run([(3, 3)], 2))
    assert before.find(_digests([(3, 3), (5, 5)]))[0].tolist() == [UNKNOWN, 1]
    assert after.find(_digests([(3, 3), (5, 5)]))[0].tolist() == [0, 1]


def test_entries_between_two_bounds_and_those_wanted() -> None:
    digests = DigestMap()
    for sequence, pairs in enumerate(([(9, 0), (1, 0), (4, 0), (4, 1)], [(3, 0)], [(0, 7)]), 1):
        digests = digests.with_run(_run(pairs, sequence))
    assert digests.between(1, 4).high.tolist() == [1, 3, 4, 4]
    assert digests.between(0, LARGEST).sequences.tolist() == [3, 1, 2, 1, 1, 1]
    assert digests.between(5, 8).count == 0
    odd = digests.only(lambda run: run.sequences % 2 == 1)
    assert sorted(odd.as_run().high.tolist()) == [0, 1, 4, 4, 9]
    assert digests.only(lambda run: run.sequences > 9) == DigestMap()


def test_sequences_of_a_whole_load_take_no_memory() -> None:
    run = _run([(i, i) for i in range(100)], 7)
    assert run.nbytes == 2_008
    assert merge_runs(run, _run([(200, 0)], 7)).nbytes == 20 * 101 + 8
    assert merge_runs(run, _run([(200, 0)], 8)).nbytes == 28 * 101
    assert run.take(run.numbers % 2 == 0).nbytes == 1_008
    assert run.of_sequence(9).sequences.tolist() == [9] * 100


def test_an_entry_of_two_runs_is_united_once() -> None:
    left = sort_run(_digests([(1, 1), (2, 2)]), np.array([10, 20], np.uint32))
    right = sort_run(_digests([(2, 2), (2, 1)]), np.array([20, 30], np.uint32))
    united = unite_runs(left, right)
    assert united.low.tolist() == [1, 1, 2] and united.numbers.tolist() == [10, 30, 20]
    moved = sort_run(_digests([(2, 2)]), np.array([21], np.uint32))
    with pytest.raises(AssertionError, match="moved"):
        unite_runs(left, moved)
