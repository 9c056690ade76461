"""Records of the log that bring updates: what is packed comes back, and nothing else is read."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.limits import TIME_US
from engine.live.lagging import LagStep
from engine.live.log_entry import LogEntry, Mark, Tick, pack_entry, pack_tick, unpack_entry
from engine.live.positions import StoredPosition

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
u64 = st.integers(0, 2**64 - 1)
marks = st.builds(Mark, names, names, st.builds(StoredPosition, u64, u64))
entries = st.builds(
    LogEntry, st.integers(-(2**63), 2**63 - 1), st.none() | marks, st.binary(max_size=40)
)


@given(entries)
def test_entries_come_back(entry: LogEntry) -> None:
    record = pack_entry(entry)
    again = unpack_entry(record)
    assert again is not None
    assert (again.instant_us, again.mark, bytes(again.update)) == (
        entry.instant_us,
        entry.mark,
        entry.update,
    )
    assert (len(record) - len(entry.update)) % 8 == 0, "the update is aligned"


instants = st.integers(*TIME_US)


@given(
    st.lists(instants, min_size=3, max_size=3).map(sorted),
    st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3).map(sorted),
    st.booleans(),
)
def test_ticks_come_back(times: list[int], blocks: list[int], is_sliced: bool) -> None:
    since_us, before_us, at_us = times
    step = LagStep(since_us, *blocks) if is_sliced else None
    tick = Tick(before_us, at_us if is_sliced else max(at_us, before_us + 1), step)
    if tick.instant_us <= TIME_US[1]:
        assert unpack_entry(pack_tick(tick)) == tick


@pytest.mark.parametrize(
    "broken",
    [
        pack_tick(Tick(5, 7, LagStep(3, 0, 1, 2)))[:-1],
        pack_tick(Tick(5, 7, LagStep(3, 0, 1, 2)))[:-1] + b"x",
        pack_tick(Tick(5, 7, LagStep(3, 0, 1, 2))).replace(b"\x03", b"\x06", 1),
        pack_tick(Tick(5, 7, LagStep(3, 1, 1, 2))).replace(b"\x01\0\0\0\x01", b"\x03\0\0\0\x01"),
        pack_tick(Tick(5, 7)).replace(b"\x07", b"\x05"),
    ],
)
def test_ticks_that_make_no_sense_are_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="a tick in the log"):
        unpack_entry(broken)


def test_a_barrier_brings_nothing() -> None:
    assert unpack_entry(b"B") is None


@given(entries, st.data())
def test_foreign_bytes_are_refused_or_read_as_something(
    entry: LogEntry, data: st.DataObject
) -> None:
    record = bytearray(pack_entry(entry))
    at = data.draw(st.integers(0, len(record) - 1))
    record[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(record)))
    for bytes_read in (bytes(record), bytes(record[:cut])):
        with contextlib.suppress(ValueError):
            unpack_entry(bytes_read)


@pytest.mark.parametrize("record", [b"", b"X" * 40, b"U", b"U\x02" + bytes(38)])
def test_what_is_no_entry(record: bytes) -> None:
    with pytest.raises(ValueError):
        unpack_entry(record)
