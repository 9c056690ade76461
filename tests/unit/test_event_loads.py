"""Loads of events: what is kept, what an id does, and what a second load does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.events.decode import decode_chunk
from engine.events.encode import encode_events
from engine.events.field import encoded
from engine.limits import TIME_US
from engine.live import interning
from engine.live.batch import EventRows, Ints, ProfileBatch, Texts
from engine.live.bulk_load import BulkLoad
from engine.live.schema import change_fields
from engine.model.definitions import EventProperty, EventType
from engine.store.catalog import event_field
from engine.store.store import Store
from tests.event_batches import EVENT_MODEL
from tests.event_stores import brought, event_bytes, load_events, stored_events
from tests.loads import SOURCE, new_store, profile

BLOCK = 65_536


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "store", EVENT_MODEL) as store:
        yield store


FULL: dict[str, Any] = {
    "channel": "小程序",
    "amount": -250,
    "pieces": -(2**63),
    "rate": 0.1,
    "paid": False,
    "due": -719_162,
    "shipped": TIME_US[1],
    "note": "",
}


def test_events_of_every_type_come_back_as_they_went_in(store: Store) -> None:
    outcome = load_events(
        store,
        [
            {"member": "a", "order": {"time": 7, **FULL}, "ping": {"time": TIME_US[0]}},
            {"member": "b", "order": {"time": 5, "paid": True}, "city": "x"},
        ],
    )
    assert (outcome.accepted, outcome.created, outcome.profiles_changed) == (2, 2, 2)
    assert brought(outcome) == (3, 0, 0, 0)
    assert stored_events(store, "order") == [(0, 7, FULL), (1, 5, {"paid": True})]
    assert stored_events(store, "ping") == [(0, TIME_US[0], {})]
    assert stored_events(store, "visit") == []
    record = profile(store, "member", "b")
    assert record is not None and record.attributes == {"city": "x"}
    assert store.verify().faults == ()


def test_without_ids_a_second_load_adds_again(store: Store) -> None:
    events = [{"member": "a", "ping": {"time": 1}}] * 2
    assert brought(load_events(store, events)) == (2, 0, 0, 0)
    outcome = load_events(store, events)
    assert (brought(outcome), outcome.profiles_changed) == ((2, 0, 0, 0), 1)
    assert stored_events(store, "ping") == [(0, 1, {})] * 4


def test_with_ids_a_second_load_changes_nothing(store: Store) -> None:
    events = [
        {"member": "a", "order": {"time": 2, "id": "1", **FULL}},
        {"member": "a", "order": {"time": 1, "id": "2"}},
        {"member": "b", "ping": {"time": 1, "id": "1"}},
    ]
    first = load_events(store, events)
    again = load_events(store, events[::-1], events)
    assert brought(again) == (0, 0, 3, 0)
    assert (again.profiles_changed, again.blocks_written) == (0, 0)
    assert again.data_version == first.data_version


def test_of_one_id_the_last_event_stays(store: Store) -> None:
    def order(time: int, identity: str, **cells: Any) -> dict[str, Any]:
        return {"member": "a", "order": {"time": time, "id": identity, **cells}}

    first = load_events(
        store, [order(3, "1", amount=1), order(9, "2")], [order(1, "1", channel="web")]
    )
    assert brought(first) == (2, 0, 0, 0)
    assert stored_events(store, "order") == [(0, 1, {"channel": "web"}), (0, 9, {})]
    second = load_events(store, [order(5, "1"), order(6, "3"), order(6, "1", paid=True)])
    assert brought(second) == (1, 1, 0, 0)
    assert stored_events(store, "order") == [(0, 6, {"paid": True}), (0, 6, {}), (0, 9, {})]
    assert second.profiles_changed == 1


@pytest.mark.parametrize(
    "change",
    [
        {"time": 2},
        {"channel": "app"},
        {"amount": 0},
        {"rate": 0.2},
        {"paid": True},
        {"note": "x"},
        {"note": None},
        {"pieces": None},
        {"channel": None},
        {"rate": None},
    ],
)
def test_whatever_differs_replaces(store: Store, change: dict[str, Any]) -> None:
    event = {"time": 1, "id": "1", **FULL}
    load_events(store, [{"member": "a", "order": event}, {"member": "b", "order": event}])
    outcome = load_events(store, [{"member": "a", "order": event | change}])
    assert (brought(outcome), outcome.profiles_changed) == ((0, 1, 0, 0), 1)
    after = {k: v for k, v in (FULL | change).items() if k != "time" and v is not None}
    assert stored_events(store, "order") == sorted(
        [(0, change.get("time", 1), after), (1, 1, FULL)], key=repr
    )


def test_a_property_that_was_missing_replaces(store: Store) -> None:
    load_events(store, [{"member": "a", "order": {"time": 1, "id": "1"}}])
    changed = {"member": "a", "order": {"time": 1, "id": "1", "amount": 0}}
    assert brought(load_events(store, [changed])) == (0, 1, 0, 0)
    assert brought(load_events(store, [changed])) == (0, 0, 1, 0)


def test_an_id_is_of_its_profile_its_type_and_its_source(store: Store) -> None:
    events = [
        {"member": "a", "order": {"time": 1, "id": "1"}, "ping": {"time": 1, "id": "1"}},
        {"member": "b", "order": {"time": 1, "id": "1"}},
    ]
    assert brought(load_events(store, events)) == (3, 0, 0, 0)
    other = replace(SOURCE, name="web")
    assert brought(load_events(store, events, source=other)) == (3, 0, 0, 0)
    later = {"member": "b", "order": {"time": 2, "id": "1"}}
    assert brought(load_events(store, [later])) == (0, 1, 0, 0)
    assert [row for row, *_ in stored_events(store, "order")] == [0, 0, 1, 1]


def test_an_event_is_taken_away_by_its_id(store: Store) -> None:
    def ping(identity: str, **more: Any) -> dict[str, Any]:
        return {"member": "a", "ping": {"id": identity, **more}}

    outcome = load_events(
        store,
        [ping("1", time=1), ping("2", time=2), ping("2", gone=True), ping("3", gone=True)],
        [ping("3", time=3), ping("4", time=4)],
        [ping("4", gone=True), ping("5", gone=True), ping("5", time=5)],
    )
    assert brought(outcome) == (3, 0, 0, 0)
    assert [time for _, time, _ in stored_events(store, "ping")] == [1, 3, 5]
    outcome = load_events(store, [ping("1", gone=True), ping("9", gone=True), ping("3", time=3)])
    assert (brought(outcome), outcome.profiles_changed) == ((0, 0, 1, 1), 1)
    assert [time for _, time, _ in stored_events(store, "ping")] == [3, 5]
    outcome = load_events(store, [ping("3", gone=True), ping("5", gone=True)])
    assert (brought(outcome), outcome.profiles_changed) == ((0, 0, 0, 2), 1)
    assert stored_events(store, "ping") == []
    assert store.verify().faults == ()


def test_profiles_changed_are_those_with_other_events(store: Store) -> None:
    events = [{"member": f"m{i}", "ping": {"time": i, "id": "1"}} for i in range(9)]
    load_events(store, events)
    events[3] = {"member": "m3", "ping": {"time": 99, "id": "1"}}
    outcome = load_events(store, [*events, {"member": "m5", "visit": {"time": 1}, "size": 1}])
    assert (brought(outcome), outcome.profiles_changed) == ((1, 1, 8, 0), 2)


def test_chunks_that_nothing_happened_to_stay_as_they_are(store: Store) -> None:
    count = 40_000
    _load_many(store, np.zeros(count, np.int64), np.arange(count))
    (before,) = event_bytes(store, "ping")
    assert len(before) == 3
    one = ProfileBatch(
        1,
        {"member": Strings.from_list(["m0"])},
        events=(
            EventRows(
                "ping",
                np.zeros(1, np.intp),
                np.array([-1], np.int64),
                np.ones(1, np.bool_),
                Strings.from_list(["20000"]),
            ),
        ),
    )
    with BulkLoad(store, EVENT_MODEL, SOURCE) as bulk:
        bulk.add(one)
        outcome = bulk.finish()
    assert brought(outcome) == (0, 1, 0, 0)
    (after,) = event_bytes(store, "ping")
    assert [before[0], before[2]] == [after[0], after[2]] and before[1] != after[1]
    assert [len(decode_chunk(part)) for part in after[1:]] == [len(decode_chunk(before[1])) - 1,
        len(decode_chunk(before[2])), 1]  # fmt: skip


def _load_many(
    store: Store, profiles: np.ndarray[Any, Any], times: np.ndarray[Any, Any], step: int = 10_000
) -> Any:
    """Loads pings with an id of their number each, in batches."""
    with BulkLoad(store, EVENT_MODEL, SOURCE) as bulk:
        for start in range(0, len(times), step):
            at = np.arange(start, min(start + step, len(times)))
            rows = EventRows(
                "ping",
                np.arange(len(at), dtype=np.intp),
                times[at].astype(np.int64),
                np.ones(len(at), np.bool_),
                Strings.from_list([str(number) for number in at]),
            )
            members = Strings.from_list([f"m{number}" for number in profiles[at]])
            bulk.add(ProfileBatch(len(at), {"member": members}, events=(rows,)))
        return bulk.finish()


def test_the_open_tail_is_sealed_by_a_load(store: Store) -> None:
    load_events(store, [{"member": "a", "ping": {"time": 1}}, {"member": "b", "size": 1}])
    with store.write() as writer:
        field = writer.fields[event_field("ping")]
        (part,) = writer.snapshot.payloads(field.id, 0)
        tail = encode_events(decode_chunk(part), is_tail=True)
        writer.put_field(field.id, 0, encoded([bytes(part), *tail]))
    assert brought(load_events(store, [{"member": "b", "ping": {"time": 0}}])) == (1, 0, 0, 0)
    assert stored_events(store, "ping") == [(0, 1, {}), (0, 1, {}), (1, 0, {})]
    assert store.verify().faults == ()


def test_columns_of_properties_that_are_gone_are_left_out(store: Store) -> None:
    load_events(store, [{"member": "a", "order": {"time": 1, "id": "1", "amount": 5, "pieces": 2}}])
    order = EVENT_MODEL.events["order"]
    kept = {name: order.properties[name] for name in ("pieces", "channel")}
    kept["amount"] = EventProperty("amount", "decimal", 3)
    model = replace(EVENT_MODEL, events={**EVENT_MODEL.events, "order": EventType("order", kept)})
    with store.write() as writer:
        change_fields(writer, model)
    assert store.verify().faults == ()
    same = {"member": "a", "order": {"time": 1, "id": "1", "pieces": 2}}
    assert brought(load_events(store, [same], model=model)) == (0, 0, 1, 0)
    more = {"member": "a", "order": {"time": 2, "amount": 7}}
    assert brought(load_events(store, [more], model=model)) == (1, 0, 0, 0)
    assert stored_events(store, "order") == [(0, 1, {"pieces": 2}), (0, 2, {"amount": 7})]
    ((part,),) = event_bytes(store, "order")
    assert len(decode_chunk(part).properties) == 2


def test_events_of_many_blocks_in_any_order(store: Store) -> None:
    count = 3 * BLOCK + 5
    rng = np.random.default_rng(1)
    profiles = np.concatenate([np.arange(BLOCK + 2), rng.integers(0, BLOCK + 2, count - BLOCK - 2)])
    times = rng.integers(0, 50, count)
    outcome = _load_many(store, profiles, times)
    assert brought(outcome) == (count, 0, 0, 0)
    expected = sorted((int(r), int(t), {}) for r, t in zip(profiles, times, strict=True))  # type: ignore[type-var]
    assert sorted((r, t) for r, t, _ in stored_events(store, "ping")) == [
        (r, t) for r, t, _ in expected
    ]
    again = _load_many(store, profiles, times, step=50_000)
    assert (brought(again), again.blocks_written) == ((0, 0, count, 0), 0)


def test_too_many_values_of_a_property_name_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interning, "DICTIONARY_VALUES", 2)
    visits = [{"member": "a", "visit": {"time": 1, "channel": f"c{i}"}} for i in range(3)]
    with pytest.raises(InputInvalid, match="property channel would have more than 2 different"):
        load_events(store, visits)
    assert stored_events(store, "visit") == []


def test_texts_and_numbers_of_a_refused_update_are_not_kept(store: Store) -> None:
    rows = EventRows(
        "order",
        np.arange(2, dtype=np.intp),
        np.array([1, 2]),
        np.array([True, False]),
        properties={
            "note": Texts(Strings.from_list(["a", "b"])),
            "amount": Ints(np.array([1, 2]), np.ones(2, np.bool_)),
        },
    )
    batch = ProfileBatch(2, {"member": Strings.from_list(["a", "b"])}, events=(rows,))
    with BulkLoad(store, EVENT_MODEL, SOURCE) as bulk:
        assert bulk.add(batch).refused == [(1, "order has no time")]
        assert bulk.finish().created == 1
    assert stored_events(store, "order") == [(0, 1, {"note": "a", "amount": 1})]
