"""Digests in memory: the search in shards, runs, and maps with sequences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.identity import digest_map as map_module
from engine.identity.digest_map import DigestMap
from engine.identity.digest_search import rows_in_shards
from engine.identity.digests import UNKNOWN, Run, unite_runs

LARGEST = (1 << 64) - 1


def _digests(pairs: list[tuple[int, int]]) -> NDArray[np.uint64]:
    return np.array(pairs, np.uint64).reshape(-1, 2)


def _sorted(digests: NDArray[np.uint64], numbers: NDArray[np.uint32] | None = None) -> Run:
    """The naive twin of a map's `as_run`."""
    if numbers is None:
        numbers = np.arange(len(digests), dtype=np.uint32)
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    return Run(digests[order, 0], digests[order, 1], numbers[order])


def _entries(run: Run) -> list[tuple[int, int, int]]:
    columns = (run.high.tolist(), run.low.tolist(), run.numbers.tolist())
    return list(zip(*columns, strict=True))


def _map(*records: list[tuple[int, int]]) -> DigestMap:
    """A map of records of sequences from 1 on; numbers count up."""
    digests = DigestMap()
    for sequence, pairs in enumerate(records, 1):
        numbers = np.arange(digests.count, digests.count + len(pairs), dtype=np.uint32)
        digests = digests.with_entries(_digests(pairs), numbers, sequence)
    return digests


def _rows(digests: DigestMap, pairs: list[tuple[int, int]], at: int | None = None) -> list[int]:
    rows: list[int] = digests.find(_digests(pairs), at)[0].tolist()
    return rows


def _one_by_one(
    digests: DigestMap, asked: NDArray[np.uint64], at: int | None = None
) -> tuple[list[int], list[int]]:
    """What `find` gives, asked of one digest after the other."""
    rows = [digests.find_one(one.tobytes(), at) for one in asked]
    missing = [place for place, row in enumerate(rows) if row is None]
    return [UNKNOWN if row is None else row for row in rows], missing


def _rows_in(run: Run, asked: NDArray[np.uint64], depth: int = 0) -> NDArray[np.uint32]:
    """Looks in a run as in a stored shard, one byte off: columns need no alignment."""
    data = b"".join(column.tobytes() for column in (run.high, run.low, run.numbers))
    kept = np.frombuffer(b"x" + data, np.uint8)
    address = kept.__array_interface__["data"][0] + 1
    return rows_in_shards(
        asked,
        np.ones(len(asked), np.uint32),
        np.array([0, address], np.uint64),
        np.array([0, run.count], np.int64),
        np.array([0, depth], np.uint8),
    )


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
    run = _sorted(pairs[known])
    asked = np.concatenate(
        (random.permutation(pairs), _digests([(0, 0), (LARGEST, LARGEST), (LARGEST, 0)]))
    )
    places = {(high, low): row for high, low, row in _entries(run)}
    expected = [places.get((high, low), UNKNOWN) for high, low in asked.tolist()]
    assert _rows_in(run, asked).tolist() == expected
    # A table in the order of digests finds the same, however they crowd.
    digests = DigestMap().with_entries(pairs[known], np.arange(known.sum(), dtype=np.uint32))
    rows, missing = digests.find(asked)
    assert rows.tolist() == expected
    assert missing.tolist() == [i for i, row in enumerate(expected) if row == UNKNOWN]
    assert _one_by_one(digests, asked) == (rows.tolist(), missing.tolist())
    assert _entries(digests.as_run()) == _entries(run)


@pytest.mark.parametrize("depth", [0, 1, 5, 16])
def test_search_in_a_shard_guesses_by_what_follows_its_prefix(depth: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    high = random.integers(0, LARGEST, 2_000, np.uint64, endpoint=True) >> np.uint64(depth)
    high |= np.uint64(((1 << depth) - 1) << (64 - depth) if depth else 0)
    asked = np.stack((high, high), 1)
    run = _sorted(asked)
    asked[::2, 1] ^= np.uint64(1)
    rows = _rows_in(run, asked, depth)
    assert rows[1::2].tolist() == list(range(1, 2_000, 2))
    assert (rows[::2] == UNKNOWN).all()


def test_map_finds_what_was_added_at_any_sequence(seed: int) -> None:
    random = np.random.default_rng(seed)
    # High halves collide on purpose: the low half has to tell them apart.
    pool = np.unique(random.integers(0, 40, (900, 2)).astype(np.uint64), axis=0)
    pool[:, 0] <<= np.uint64(58)
    random.shuffle(pool)
    known, unknown = pool[:500], pool[500:]
    numbers = random.permutation(500).astype(np.uint32)
    digests = DigestMap()
    cuts = np.split(np.arange(500), [1, 2, 4, 100, 101, 350])
    for sequence, cut in enumerate(cuts, 1):
        digests = digests.with_entries(known[cut], numbers[cut], sequence)
        assert digests.find(known[cut])[0].tolist() == numbers[cut].tolist()
    assert digests.find(known)[0].tolist() == numbers.tolist()
    for sequence in range(len(cuts) + 1):
        rows, missing = digests.find(known, sequence)
        seen = sum(len(cut) for cut in cuts[:sequence])
        assert not len(missing)
        assert rows.tolist() == [*numbers[:seen].tolist(), *[UNKNOWN] * (500 - seen)]
        assert _one_by_one(digests, known, sequence) == (rows.tolist(), [])
    rows, missing = digests.find(unknown)
    assert (rows == UNKNOWN).all() and missing.tolist() == list(range(len(unknown)))
    assert digests.count == 500
    assert _entries(digests.as_run()) == _entries(_sorted(known, numbers))
    parts = list(digests.parts())
    together = _sorted(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))
    assert _entries(together) == _entries(digests.as_run())


def test_map_of_nothing() -> None:
    digests = DigestMap()
    assert digests.with_entries(_digests([]), np.zeros(0, np.uint32), 3) is digests
    assert _rows(digests, [(1, 2)]) == [UNKNOWN] and _rows(digests, []) == []
    assert digests.as_run().count == digests.nbytes == 0
    assert digests.until(9).count == digests.only(lambda high, _: high > 0).count == 0


def test_an_addition_leaves_the_map_before_it_as_it_was() -> None:
    before = _map([(1, 1), (5, 5)])
    after = before.with_entries(_digests([(3, 3)]), np.array([2], np.uint32), 2)
    assert _rows(before, [(3, 3), (5, 5)]) == [UNKNOWN, 1]
    assert _rows(after, [(3, 3), (5, 5)]) == [2, 1]
    assert _entries(before.as_run()) == [(1, 1, 0), (5, 5, 1)]


def test_two_additions_to_one_map_know_nothing_of_each_other() -> None:
    before = _map([(1, 1), (5, 5)])
    one, other = (
        before.with_entries(_digests([(3, 3), (4, low)]), np.array([low, 9], np.uint32), 2)
        for low in (7, 8)
    )
    assert _rows(one, [(3, 3), (4, 7), (4, 8), (1, 1)]) == [7, 9, UNKNOWN, 0]
    assert _rows(other, [(3, 3), (4, 7), (4, 8), (1, 1)]) == [8, UNKNOWN, 9, 0]
    assert _rows(one, [(3, 3)], 1) == _rows(other, [(3, 3)], 1) == [UNKNOWN]
    assert before.count == 2 and other.count == 4


def test_entries_between_two_bounds_and_those_wanted() -> None:
    digests = _map([(9, 0), (1, 0), (4, 0), (4, 1)], [(3, 0)], [(0, 7)])
    assert digests.between(1, 4).high.tolist() == [1, 3, 4, 4]
    assert digests.counts_between(1, 4).tolist() == [4]
    assert digests.between(0, LARGEST, digests.first_of(2)).high.tolist() == [0, 3]
    assert digests.between(0, LARGEST, digests.first_of(4)).count == 0
    assert digests.between(5, 8).count == 0
    odd = digests.only(lambda _, sequences: sequences % 2 == 1)
    assert odd.count == 5 and odd.as_run().high.tolist() == [0, 1, 4, 4, 9]
    assert odd.between(0, LARGEST, odd.first_of(2)).high.tolist() == [0]
    assert _rows(odd, [(0, 7), (3, 0), (9, 0)], 2) == [UNKNOWN, UNKNOWN, 0]
    low = digests.only(lambda high, _: high < 4)
    assert low.as_run().high.tolist() == [0, 1, 3]
    assert digests.only(lambda _, sequences: sequences > 9).nbytes == 0


def test_borders_of_parts_and_of_the_last_slot(seed: int) -> None:
    edges = [i << 56 for i in (0, 1, 127, 128, 255)]
    highs = [edge + off for edge in edges for off in (0, 1, (1 << 56) - 2, (1 << 56) - 1)]
    pairs = [(high, low) for high in highs for low in range(6)]
    digests = DigestMap()
    order = np.random.default_rng(seed).permutation(len(pairs))
    for at in np.array_split(order, 7):
        digests = digests.with_entries(_digests(pairs)[at], at.astype(np.uint32), 1)
    assert _rows(digests, pairs) == list(range(len(pairs)))
    for first in highs:
        for last in highs:
            inside = [pair for pair in sorted(pairs) if first <= pair[0] <= last]
            if last < first:
                continue
            run = digests.between(first, last)
            assert list(zip(run.high.tolist(), run.low.tolist(), strict=True)) == inside
            counts = digests.counts_between(first, last).tolist()
            tops = [(high >> 48) - (first >> 48) for high, _ in inside]
            assert sum(counts) == len(inside) and all(counts[top] for top in tops)


def test_later_sequences_are_left_out_and_come_again() -> None:
    digests = _map([(1, 1)], [(2, 2)], [(3, 3)])
    earlier = digests.until(2)
    assert earlier.count == 2 and _rows(earlier, [(1, 1), (2, 2), (3, 3)]) == [0, 1, UNKNOWN]
    again = earlier.with_entries(_digests([(3, 3)]), np.array([7], np.uint32), 3)
    assert _rows(again, [(1, 1), (3, 3)]) == [0, 7]
    assert _rows(again, [(3, 3)], 2) == [UNKNOWN] and _rows(digests, [(3, 3)]) == [2]
    first = digests.until(1).with_entries(_digests([(4, 4)]), np.array([8], np.uint32), 2)
    assert _rows(first, [(1, 1), (2, 2), (4, 4)]) == [0, UNKNOWN, 8]
    assert _rows(first, [(4, 4)], 1) == [UNKNOWN]


def test_entries_of_a_load_become_those_of_one_sequence() -> None:
    load = DigestMap().with_entries(_digests([(1, 1), (2, 2)]), np.arange(2, dtype=np.uint32))
    saved = load.of_sequence(9)
    assert _rows(saved, [(1, 1)], 8) == [UNKNOWN] and _rows(saved, [(2, 2)], 9) == [1]
    after = saved.with_entries(_digests([(3, 3)]), np.array([2], np.uint32), 10)
    assert _rows(after, [(3, 3)], 9) == [UNKNOWN] and _rows(after, [(1, 1), (3, 3)]) == [0, 2]
    other = load.with_entries(_digests([(4, 4)]), np.array([7], np.uint32))
    assert _rows(other, [(1, 1), (4, 4)]) == [0, 7] and _rows(saved, [(4, 4)]) == [UNKNOWN]
    assert _rows(after, [(4, 4)]) == [UNKNOWN]


def test_ordinals_that_are_used_up_are_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_module, "_ORDINALS", 40)
    digests, alive = DigestMap(), list[int]()
    for sequence in range(1, 60):
        pair = [((sequence * 37 % 256) << 56, sequence)]
        digests = digests.with_entries(_digests(pair), np.array([sequence], np.uint32), sequence)
        alive.append(sequence)
        if sequence % 10 == 0:
            digests = digests.only(lambda _, sequences: sequences % 4 == 0)
            alive = [number for number in alive if number % 4 == 0]
    assert sorted(digests.as_run().numbers.tolist()) == alive and digests.known <= 40
    pairs = [((number * 37 % 256) << 56, number) for number in alive]
    for at in (0, 3, 4, 40, 58, 59):
        seen = [number if number <= at else UNKNOWN for number in alive]
        assert _rows(digests, pairs, at) == seen


def test_an_entry_takes_between_34_and_48_bytes(seed: int) -> None:
    random = np.random.default_rng(seed)
    digests = DigestMap()
    for first in range(0, 100_000, 5_000):
        pairs = random.integers(0, LARGEST, (5_000, 2), np.uint64)
        numbers = np.arange(first, first + 5_000, dtype=np.uint32)
        digests = digests.with_entries(pairs, numbers)
    assert 34 <= digests.nbytes / digests.count <= 50


def test_a_map_with_room_does_not_grow_and_finds_the_same(seed: int) -> None:
    pairs = np.random.default_rng(seed).integers(0, LARGEST, (400_000, 2), np.uint64)
    numbers = np.arange(len(pairs), dtype=np.uint32)
    empty = DigestMap.with_room_for(len(pairs))
    assert not empty.count and empty.find(pairs[:9])[1].tolist() == list(range(9))
    digests = empty
    for first in range(0, len(pairs), 70_000):
        part = slice(first, first + 70_000)
        digests = digests.with_entries(pairs[part], numbers[part])
    assert digests.nbytes == empty.nbytes < 40 * len(pairs)
    assert (digests.find(pairs)[0] == numbers).all()
    assert _entries(digests.as_run()) == _entries(_sorted(pairs, numbers))


def test_a_map_with_too_little_room_grows() -> None:
    pairs = np.random.default_rng(1).integers(0, LARGEST, (5_000, 2), np.uint64)
    digests = DigestMap.with_room_for(300).with_entries(pairs, np.arange(5_000, dtype=np.uint32))
    assert (digests.find(pairs)[0] == np.arange(5_000)).all()


def test_an_entry_of_two_runs_is_united_once() -> None:
    left = _sorted(_digests([(1, 1), (2, 2)]), np.array([10, 20], np.uint32))
    right = _sorted(_digests([(2, 2), (2, 1)]), np.array([20, 30], np.uint32))
    assert _entries(unite_runs(left, right)) == [(1, 1, 10), (2, 1, 30), (2, 2, 20)]
    assert (
        unite_runs(left, Run(*(column[:0] for column in (left.high, left.low, left.numbers))))
        is left
    )
    moved = _sorted(_digests([(2, 2)]), np.array([21], np.uint32))
    with pytest.raises(AssertionError, match="moved"):
        unite_runs(left, moved)


def test_runs_are_united_as_sets_are(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(50):
        sizes = random.integers(0, 30, 2)
        pools = [random.integers(0, 5, (size, 2)).astype(np.uint64) for size in sizes]
        pools = [np.unique(pool, axis=0) for pool in pools]
        runs = [_sorted(pool, (pool[:, 0] * 7 + pool[:, 1]).astype(np.uint32)) for pool in pools]
        united = unite_runs(*runs)
        assert _entries(united) == sorted({*_entries(runs[0]), *_entries(runs[1])})
