"""The bytes of ticks, in the log and in the feed."""

from __future__ import annotations

import random

import numpy as np
import pytest

from engine.live import clock_record
from engine.live.change import Cause, Flips
from engine.live.clock_record import ClockEntries, ClockRecord, pack_clock_record
from engine.live.flip_order import in_order
from engine.live.log_entry import Tick, pack_tick, unpack_entry

DEFINITIONS = [("segments.a", 1), ("segments.nobody", 2), ('segments."客户"', 3)]
INSTANT_US = 1_760_000_000_000_000


def flips(*entries: tuple[int, int, int, bool]) -> Flips:
    """(instant, definition, row, entered) of each."""
    columns = list(zip(*entries, strict=True))
    return Flips(
        np.array(columns[0], np.int64),
        np.array(columns[1], np.uint32),
        np.array(columns[2], np.uint32),
        np.array(columns[3], np.bool_),
    )


SMALL = flips(
    (INSTANT_US - 9, 0, 3, True),
    (INSTANT_US - 9, 0, 4_000_000_000, True),
    (INSTANT_US - 9, 0, 3, False),
    (INSTANT_US - 9, 2, 3, False),
    (INSTANT_US, 0, 3, False),
)
PACKED = pack_clock_record(ClockRecord(7, 5, INSTANT_US, DEFINITIONS, SMALL))
# Many at once, of several blocks, in few and in most rows of one.
MANY = flips(
    *((INSTANT_US - 9, 0, row, True) for row in (3, 70_000, *range(131_072, 136_000))),
    *((INSTANT_US - 9, 0, row, False) for row in (4, 4_000_000_000)),
    *((INSTANT_US - 9, 2, row, False) for row in range(30)),
    *((INSTANT_US, 0, row, False) for row in range(40)),
)
IN_RUNS = pack_clock_record(ClockRecord(7, 5, INSTANT_US, DEFINITIONS, MANY))


def told(entries: ClockEntries, ordinal: int = 0) -> list[tuple[str, int, bool, int, int]]:
    return [
        (run.definition, run.version, run.entered, run.instant_us, row)
        for run in entries.runs_from(ordinal)
        for row in run.rows(max(ordinal - run.first_ordinal, 0), run.count).tolist()
    ]


def test_what_is_packed_is_read() -> None:
    entries = ClockEntries(PACKED)
    assert (entries.sequence, entries.previous, entries.count) == (7, 5, 5)
    assert (entries.cause, entries.instant_us) == (Cause.CLOCK, INSTANT_US)
    expected = [
        ("segments.a", 1, True, INSTANT_US - 9, 3),
        ("segments.a", 1, True, INSTANT_US - 9, 4_000_000_000),
        ("segments.a", 1, False, INSTANT_US - 9, 3),
        ('segments."客户"', 3, False, INSTANT_US - 9, 3),
        ("segments.a", 1, False, INSTANT_US, 3),
    ]
    for ordinal in range(6):
        assert told(entries, ordinal) == expected[ordinal:] or ordinal == 5
    assert [run.count for run in entries.runs_from(0)] == [2, 1, 1, 1]


def test_many_at_once_are_kept_in_runs() -> None:
    """In less than two bytes for each entry, and read from any of them."""
    entries = ClockEntries(IN_RUNS)
    assert IN_RUNS[0] == 4 and len(IN_RUNS) < 2 * len(MANY)
    assert (entries.sequence, entries.previous, entries.count) == (7, 5, len(MANY))
    expected = [
        (*DEFINITIONS[number], entered, at, row)
        for number, entered, at, row in zip(
            MANY.definitions.tolist(),
            MANY.entered.tolist(),
            MANY.instants.tolist(),
            MANY.rows.tolist(),
            strict=True,
        )
    ]
    assert [run.count for run in entries.runs_from(0)] == [4930, 2, 30, 40]
    for ordinal in (0, 1, 2, 3, 4929, 4930, 4931, 4932, len(MANY) - 1):
        assert told(entries, ordinal) == expected[ordinal:]


def test_runs_and_entries_one_by_one_are_read_alike(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(100):
        count = int(chance.integers(1, 400))
        wide = 1 << int(chance.choice([3, 17, 32]))
        some = {
            (
                INSTANT_US - int(chance.integers(0, 3)),
                int(chance.integers(0, 3)),
                int(chance.integers(0, wide)),
                bool(chance.integers(0, 2)),
            )
            for _ in range(count)
        }
        ordered = in_order(flips(*some))
        record = ClockRecord(7, 5, INSTANT_US, DEFINITIONS, ordered)
        found = []
        # Always, and never.
        for least in (0, count + 1):
            with monkeypatch.context() as patched:
                patched.setattr(clock_record, "_RUN_ENTRIES", least)
                packed = pack_clock_record(record)
            assert packed[0] == (2 if least else 4)
            entries = ClockEntries(packed)
            at = int(chance.integers(0, entries.count))
            found.append((told(entries), told(entries, 0)[at:]))
            assert told(entries, at) == found[-1][1]
        assert found[0][0] == found[1][0]


@pytest.mark.parametrize("size", range(len(PACKED)))
def test_a_record_that_is_cut_short(size: int) -> None:
    with pytest.raises(ValueError, match="a feed record"):
        ClockEntries(PACKED[:size])


def test_a_record_in_runs_that_is_cut_short() -> None:
    for size in (*range(400), len(IN_RUNS) - 1):
        with pytest.raises(ValueError, match="a feed record"):
            ClockEntries(IN_RUNS[:size])


@pytest.mark.parametrize("packed", [PACKED, IN_RUNS], ids=["one by one", "in runs"])
def test_damage_is_refused_or_read_as_something_else(packed: bytes, seed: int) -> None:
    """Never an exception of another kind, and never entries out of order."""
    chance = random.Random(seed)
    for _ in range(2000):
        changed = bytearray(packed)
        changed[chance.randrange(2, min(len(changed), 500))] ^= 1 << chance.randrange(8)
        try:
            entries = ClockEntries(bytes(changed))
            entries_told = told(entries)
        except ValueError:
            continue
        instants = [at for _, _, _, at, _ in entries_told]
        assert instants == sorted(instants) and instants[-1] <= entries.instant_us


def test_ticks_of_the_log() -> None:
    tick = Tick(INSTANT_US, INSTANT_US + 1)
    packed = pack_tick(tick)
    assert len(packed) == 24 and unpack_entry(packed) == tick
    with pytest.raises(AssertionError):
        pack_tick(Tick(INSTANT_US, INSTANT_US))
    backwards = packed[:8] + packed[16:] + packed[8:16]
    later = packed[:1] + b"\x02" + packed[2:]
    for wrong in (packed[:-1], packed + b"\0", backwards, later, packed[:2] + b"\x01" + packed[3:]):
        with pytest.raises(ValueError, match="a tick in the log"):
            unpack_entry(wrong)
