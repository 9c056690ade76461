"""Chunks of events give back what was given, and the check reads any bytes.

Numbers of events lean on the borders of words and chunks, spans of time on those of widths.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.bitmaps.directory import PART_BYTES
from engine.events import head
from engine.events.check import check_chunk, check_events
from engine.events.decode import decode_chunk, decode_events
from engine.events.encode import encode_events
from engine.events.events import Events
from tests.made_events import CHUNKS, as_tuples, damaged, drawn_events


@given(drawn_events(), st.booleans())
def test_events_come_back_in_the_order_of_time_and_row(events: Events, is_tail: bool) -> None:
    parts = encode_events(events, is_tail=is_tail)
    assert check_events(parts) == ""
    found = decode_events([memoryview(part) for part in parts])
    assert as_tuples(found) == sorted(as_tuples(events), key=lambda event: event[:2])
    sizes = [head.read_head(part).event_count for part in parts]
    assert sum(sizes) == len(events) and max(sizes) <= head.CHUNK_EVENTS
    assert max(map(len, parts)) <= PART_BYTES
    flags = {head.read_head(part).flags for part in parts}
    assert flags == {head.SORTED | (head.TAIL if is_tail else 0)}


@given(drawn_events(st.integers(1, 300)))
def test_columns_state_their_bounds(events: Events) -> None:
    (part,) = encode_events(events)
    columns = {
        (column.role, column.property): column
        for column in head.read_columns(part, head.read_head(part))
    }
    time, row = columns[head.TIME, 0], columns[head.ROW, 0]
    assert (time.low, time.high) == (events.times.min(), events.times.max())
    assert (row.low, row.high) == (events.rows.min(), events.rows.max())
    held = {number for number, values in events.properties.items() if values.present.any()}
    assert {number for role, number in columns if role == head.PROPERTY} == held
    for number in held:
        column, values = columns[head.PROPERTY, number], events.properties[number]
        assert column.present_count == values.present.sum()
        if column.kind == head.INTS:
            known = values.values[values.present]  # type: ignore[union-attr]
            assert (column.low, column.high) == (known.min(), known.max())


@given(st.data())
def test_the_check_reads_any_bytes(data: st.DataObject) -> None:
    part = damaged(data)
    fault = check_chunk(part)
    assert isinstance(fault, str)
    if not fault:
        again = encode_events(decode_chunk(part))
        assert as_tuples(decode_events(again)) == as_tuples(decode_chunk(part))


@given(st.binary(max_size=600))
def test_the_check_reads_bytes_that_never_were_a_chunk(noise: bytes) -> None:
    assert check_chunk(noise)
    assert check_chunk((CHUNKS[0][:32] + noise)[: len(noise)])
