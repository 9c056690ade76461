"""Events of records, applied, equal the same events brought one by one to a list.

Tails are sealed when they are small, states are saved and opened again between records, and older
states stay as they were.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.strings import Strings
from engine.events.chains import NOT_FOUND, Chains
from engine.events.check import check_events
from engine.events.chunks import Chunks
from engine.events.decode import decode_chunk
from engine.events.encode import encode_events
from engine.events.events import Codes, Events, Floats, Ints, Texts
from engine.events.field import zone_of_heads
from engine.events.head import CHUNK_EVENTS
from engine.live.log_record import pack_update, unpack_update
from engine.live.same_events import same_events
from engine.live.update import EventCells, ProfileUpdate
from engine.store.catalog import Catalog, FieldKind, event_field, property_field
from engine.store.hot import HotFields
from tests.block_contents import decoded
from tests.made_events import as_tuples, drawn_events
from tests.sample_stores import events_at
from tests.updates import HeapMutation, HeapState

_UIDS, _DIGESTS = np.zeros((0, 16), np.uint8), np.zeros((0, 2), np.uint64)
# On both sides of a border, and few, so that each has many events.
_ROWS = (65_533, 65_534, 65_535, 65_536, 65_540)


def _catalog() -> Catalog:
    catalog = Catalog.new()
    for name, type_ in (("amount", "int"), ("sku", "category"), ("note", "text"), ("gone", "int")):
        catalog = catalog.with_field(property_field(name, type_, 0), FieldKind.PROPERTY, type_, 0)
    catalog = catalog.with_field(event_field("order"), FieldKind.EVENTS, "", 0)
    return catalog.without(catalog[property_field("gone", "int", 0)].id)


FIELDS = _catalog()
ORDER = FIELDS[event_field("order")].id
AMOUNT, SKU, NOTE, GONE = 3, 4, 5, 6


def _random_event(chance: random.Random) -> tuple[Any, ...]:
    """Few rows, ids, times and values, so that many are sent again or corrected."""
    return (
        chance.choice(_ROWS),
        chance.choice([0, 1, 2, 3]),
        chance.choice([0, 7]),
        chance.random() < 0.2,
        chance.choice([None, 0, 5]),
        chance.choice([None, 1, 300]),
        chance.choice(["", "ü"]),
    )


def _cells(events: list[Any], given: set[int], has_ids: bool) -> EventCells:
    """A column of events; properties that are not given are on none."""
    rows, ids, times, gone, amounts, skus, notes = zip(*events, strict=True)
    held = np.array([amount is not None for amount in amounts], np.bool_)
    values = np.array([amount or 0 for amount in amounts], np.int64)
    columns: dict[int, Any] = {
        AMOUNT: Ints(values, held),
        SKU: Codes(np.array([sku or 0 for sku in skus], np.uint32)),
        NOTE: Texts(Strings.from_list(list(notes))),
        # A property that was taken from the model since.
        GONE: Ints(values, held),
    }
    known = np.array(ids, np.uint64)
    return EventCells(
        ORDER,
        np.array(rows, np.uint32),
        np.array(times, np.int64),
        known if has_ids else None,
        {number: column for number, column in columns.items() if number in given},
        np.array(gone, np.bool_) & (known != 0) if has_ids else None,
    )


def _bring(world: list[Any], events: list[Any], given: set[int], has_ids: bool) -> set[int]:
    """The same, one by one; the rows that differ after it."""
    before = {row: sorted(e for e in world if e[0] == row) for row in _ROWS}
    for row, id_, time, gone, *values in events:
        id_ = id_ if has_ids else 0
        numbers = (AMOUNT, SKU, NOTE)
        pairs = zip(numbers, values, strict=True)
        said = tuple((n, v) for n, v in pairs if n in given and v is not None)
        if id_:
            world[:] = [e for e in world if (e[0], e[2]) != (row, id_)]
        if not (id_ and gone):
            world.append((row, time, id_, *said))
    return {r for r in _ROWS if sorted(e for e in world if e[0] == r) != before[r]}


def _check(state: HeapState, world: list[Any]) -> None:
    found: dict[Any, int] = {}
    for block in (0, 1):
        parts = state.payloads(ORDER, block)
        assert not parts or check_events(parts) == ""
        found.update(decoded(FieldKind.EVENTS, parts, block))
        zone = state.zone(ORDER, block)
        assert zone == zone_of_heads(parts)
        assert zone.present_count == sum(1 for e in world if e[0] >> 16 == block)
    expected: dict[Any, int] = {}
    for event in world:
        expected[event] = expected.get(event, 0) + 1
    assert found == expected


@given(st.integers(0, 2**32), st.sampled_from([3, 8, 30, CHUNK_EVENTS]))
def test_events_applied_equal_events_brought_one_by_one(seed: int, sealed: int) -> None:
    chance = random.Random(seed)
    state = HeapState(FIELDS, 65_541)
    world: list[Any] = []
    older: list[tuple[HeapState, Any]] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("engine.store.open_events.SEALED_EVENTS", sealed)
        patched.setattr("engine.store.hot.EVENT_CHAINS_BYTES", chance.choice([0, 1 << 30]))
        for sequence in range(1, chance.randint(3, 10)):
            events = [_random_event(chance) for _ in range(chance.randint(1, 12))]
            given_numbers = set(chance.choice([(AMOUNT, SKU), (SKU,), (AMOUNT, NOTE, GONE)]))
            has_ids = chance.random() < 0.8
            absorbing = chance.choice([{0, 1}, {0, 1}, {0}])
            cells = _cells(events, given_numbers, has_ids)
            update = ProfileUpdate(65_541, _UIDS, _DIGESTS, events=(cells,))
            mutation = HeapMutation(state, sequence)
            applied, after = mutation.apply(
                unpack_update(pack_update(update)), absorbing.__contains__
            )
            if chance.random() < 0.15:
                continue  # as if it had been interrupted: the next one begins from the same state
            taken = [event for event in events if event[0] >> 16 in absorbing]
            changed = _bring(world, taken, given_numbers, has_ids)
            touched = applied.touched.fields.get(ORDER, np.zeros(0, np.uint32))
            assert touched.tolist() == sorted(changed)
            assert mutation.blocks == {row >> 16 for row in changed}
            _check(after, world)
            older.append((state, _seen(state)))
            state = after
            match chance.choice(["", "", "", "save", "forget"]):
                case "save":
                    state = state.saved()
                case "forget":
                    state.hot = HotFields()
        for old, seen in older:
            assert _seen(old) == seen


def _seen(state: HeapState) -> Any:
    """All events of a state, as bytes and as kernels see them."""
    heaps = [state.on_heap(ORDER, block) for block in (0, 1)]
    return [bytes(part) for block in (0, 1) for part in state.payloads(ORDER, block)], [
        events_at(*place)
        for heap in heaps
        if heap is not None
        for place in zip(heap.addresses, heap.lengths, strict=True)
    ]


@given(st.lists(drawn_events(st.integers(1, 200)), min_size=1, max_size=3), st.integers(0, 2**32))
def test_chains_find_what_a_scan_finds(pieces: list[Events], seed: int) -> None:
    parts = [part for piece in pieces for part in encode_events(piece)]
    chunks = Chunks(parts)
    chains = Chains(chunks)
    chance = random.Random(seed)
    there = [
        (row, id_, part * CHUNK_EVENTS + place)
        for part, chunk in enumerate(parts)
        for place, (_, row, id_, *_) in enumerate(as_tuples(decode_chunk(chunk)))
        if id_
    ]
    wanted = [(row, id_) for row, id_, _ in chance.choices(there, k=9)] if there else []
    wanted += [(row ^ 1, id_) for row, id_ in wanted[:3]] + [(5, 2**64 - 1)]
    rows = np.array([row for row, _ in wanted], np.uint16)
    found = chains.find(chunks, rows, np.array([id_ for _, id_ in wanted], np.uint64))
    for (row, id_), at in zip(wanted, found.tolist(), strict=True):
        places = [place for r, i, place in there if (r, i) == (row, id_)]
        assert at == max(places, default=NOT_FOUND)


def test_events_differ_by_time_and_by_each_property() -> None:
    def events(time: int = 1, **values: Any) -> Events:
        one = {
            "amount": Ints(np.array([5]), np.ones(1, np.bool_)),
            "sku": Codes(np.ones(1, np.uint32)),
            "note": Texts(Strings.from_list(["a"])),
            **values,
        }
        numbers = {"amount": AMOUNT, "sku": SKU, "note": NOTE, "gone": GONE}
        given = {numbers[name]: value for name, value in one.items() if value is not None}
        return Events(np.zeros(1, np.uint16), np.array([time]), None, None, given)

    def is_same(**other: Any) -> bool:
        numbers = {AMOUNT, SKU, NOTE}
        same = same_events(events(), events(**other), numbers)
        assert same.tolist() == same_events(events(**other), events(), numbers).tolist()
        return bool(same[0])

    none = np.zeros(1, np.bool_)
    assert is_same()
    assert is_same(gone=Ints(np.array([5]), ~none)), "the type had it once"
    assert is_same(gone=Floats(np.zeros(1), none))
    assert not is_same(time=2)
    assert not is_same(amount=None)
    assert not is_same(amount=Ints(np.array([0]), none))
    assert not is_same(amount=Ints(np.array([6]), ~none))
    assert not is_same(sku=Codes(np.array([2], np.uint32)))
    assert not is_same(sku=Codes(np.zeros(1, np.uint32)))
    assert not is_same(note=Texts(Strings.from_list([None])))
    assert not is_same(note=Texts(Strings.from_list([""])))
