"""Events of a batch: what is refused, and what a record says of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.events.events import Codes, Floats, Ints, Texts
from engine.limits import EVENT_TEXT_BYTES, EVENTS_AHEAD_US, TEXT_BYTES, TIME_US
from engine.live import batch as batches
from engine.live.batch import EventRows, ProfileBatch
from engine.live.event_ids import event_digests
from engine.live.resolving import Resolved
from engine.live.update import EventCells
from engine.store.catalog import event_field, property_field
from tests.event_batches import EVENT_MODEL, event_rows
from tests.updates import Log, update_batch

NOW = 1_790_000_000_000_000
Brought = Sequence[Mapping[str, Any] | None]


def batch_with(updates: Sequence[Mapping[str, Any]], *events: EventRows) -> ProfileBatch:
    return replace(update_batch(updates, EVENT_MODEL), events=events)


def resolved(log: Log, batch: ProfileBatch, source: str | None = None) -> Resolved:
    return log.resolver.resolve(batch, "crm", 1, source=source, now_us=NOW)


def cells_of(log: Log, event: str, brought: Brought, source: str | None = None) -> EventCells:
    """What a record says of events, one for each of as many new profiles."""
    updates = [{"member": f"m{i}"} for i in range(len(brought))]
    answer = resolved(log, batch_with(updates, event_rows(event, brought)), source)
    assert answer.refused == [] and answer.update is not None
    (cells,) = answer.update.events
    assert cells.field_id == log.fields[event_field(event)].id
    return cells


def property_of(log: Log, cells: EventCells, name: str) -> Any:
    found = EVENT_MODEL.events["order"].properties[name]
    return cells.properties.get(log.fields[property_field(name, found.type, found.scale)].id)


@pytest.fixture
def log() -> Log:
    return Log(EVENT_MODEL)


FULL = {
    "time": 5,
    "channel": "web",
    "amount": -250,
    "pieces": -(2**63),
    "rate": -0.0,
    "paid": False,
    "due": -719_162,
    "shipped": TIME_US[1],
    "note": "x",
}


def test_every_type_of_property_is_what_chunks_take(log: Log) -> None:
    cells = cells_of(log, "order", [FULL, {"time": 6, "paid": True}])
    assert (cells.rows.tolist(), cells.times.tolist()) == ([0, 1], [5, 6])
    assert (cells.ids, cells.gone) == (None, None)
    for name in ("amount", "pieces", "due", "shipped"):
        values = property_of(log, cells, name)
        assert isinstance(values, Ints)
        assert values.values.tolist() == [FULL[name], 0]
        assert values.present.tolist() == [True, False]
    rate, paid, channel, note = (
        property_of(log, cells, name) for name in ("rate", "paid", "channel", "note")
    )
    assert isinstance(rate, Floats) and rate.present.tolist() == [True, False]
    assert not np.signbit(rate.values).any()
    assert isinstance(paid, Codes) and paid.codes.tolist() == [1, 2]
    assert isinstance(channel, Codes) and channel.codes.tolist() == [1, 0]
    assert isinstance(note, Texts) and note.strings.to_list() == ["x", None]


def test_types_that_declare_a_property_alike_share_its_codes(log: Log) -> None:
    updates = [{"member": "m1"}, {"member": "m2"}]
    orders = event_rows("order", [{"time": 1, "channel": "web"}, {"time": 1, "channel": "shop"}])
    visits = event_rows("visit", [None, {"time": 2, "channel": "shop"}])
    update = resolved(log, batch_with(updates, orders, visits)).update
    assert update is not None
    of_orders, of_visits = update.events
    assert of_visits.rows.tolist() == [1]
    assert list(of_visits.properties) == list(of_orders.properties)
    assert [cells.codes.tolist() for cells in of_orders.properties.values()] == [[1, 2]]  # type: ignore[union-attr]
    assert [cells.codes.tolist() for cells in of_visits.properties.values()] == [[2]]  # type: ignore[union-attr]


def test_a_property_that_no_event_has_is_no_column(log: Log) -> None:
    cells = cells_of(log, "order", [{"time": 1, "amount": None, "channel": None, "note": None}])
    assert cells.properties == {}


def test_events_of_a_nobody_make_a_profile_and_of_somebody_do_not(log: Log) -> None:
    ping = event_rows("ping", [{"time": 1}, {"time": 2}, None, {"time": 3}])
    updates = [{"member": "a"}, {"member": "a"}, {"member": "b"}, {"phone": "p"}]
    answer = resolved(log, batch_with(updates, ping))
    assert (answer.created, answer.accepted) == (3, 4)
    assert answer.update is not None
    (cells,) = answer.update.events
    assert cells.rows.tolist() == [0, 0, 2]
    again = resolved(log, batch_with([{"phone": "p"}], event_rows("ping", [{"time": 9}])))
    assert again.update is not None
    assert (again.created, again.update.events[0].rows.tolist()) == (0, [2])


def test_a_refused_update_takes_its_event_with_it(log: Log) -> None:
    ping = event_rows("ping", [{"time": 1}, {"time": 2}, {"time": 3}])
    answer = resolved(log, batch_with([{"member": "a"}, {"phone": ""}, {"member": "c"}], ping))
    assert answer.refused == [(1, "no identifier")]
    assert answer.update is not None
    (cells,) = answer.update.events
    assert (cells.rows.tolist(), cells.times.tolist()) == ([0, 1], [1, 3])


def test_a_type_of_which_nothing_is_left_is_not_there(log: Log) -> None:
    ping = event_rows("ping", [None, {"time": 2}])
    answer = resolved(log, batch_with([{"member": "a"}, {"phone": ""}], ping))
    assert answer.update is not None and answer.update.events == ()


# ------------------------------------------------------------------------------- ids


def test_ids_are_digests_of_source_and_id(log: Log) -> None:
    events = [{"time": 1, "id": "7"}, {"time": 2, "id": ""}, {"time": 3}, {"time": 4, "id": "8"}]
    first = cells_of(log, "ping", events, "shop")
    assert first.ids is not None
    assert (
        first.ids.tolist()
        == event_digests(log.key, "shop", Strings.from_list(["7", "", None, "8"])).tolist()
    )
    assert (first.ids == 0).tolist() == [False, True, True, False]
    assert first.ids[0] != first.ids[3]
    other = cells_of(log, "ping", events, "web")
    assert other.ids is not None and not set(other.ids.tolist()[::3]) & set(first.ids.tolist()[::3])
    unnamed, named = cells_of(log, "ping", events), cells_of(log, "ping", events, "crm")
    assert unnamed.ids is not None and named.ids is not None
    assert unnamed.ids.tolist() == named.ids.tolist()


def test_digests_depend_on_the_key_of_the_store() -> None:
    ids = Strings.from_list(["a"])
    assert event_digests(bytes(16), "s", ids) != event_digests(b"k" * 16, "s", ids)


def test_events_without_any_id_have_none(log: Log) -> None:
    assert cells_of(log, "ping", [{"time": 1, "id": ""}]).ids is None


def test_an_event_that_is_taken_away_needs_its_id_and_nothing_else(log: Log) -> None:
    events: Brought = [{"id": "7", "gone": True}, {"gone": True}, {"gone": True, "id": ""}]
    answer = resolved(log, batch_with([{"member": "a"}] * 3, event_rows("ping", events)))
    told = "ping is taken away by its id, and has none"
    assert answer.refused == [(1, told), (2, told)]
    assert answer.update is not None
    (cells,) = answer.update.events
    assert cells.gone is not None and cells.gone.tolist() == [True]
    kept = cells_of(log, "ping", [{"time": 1, "gone": False}])
    assert kept.gone is None


# ------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({}, "order has no time"),
        ({"time": TIME_US[0] - 1}, "the time of order is outside the years 1 to 9999"),
        ({"time": TIME_US[1] + 1}, "the time of order is outside the years 1 to 9999"),
        (
            {"time": NOW + EVENTS_AHEAD_US + 1},
            "the time of order, 2026-09-22T14:13:20.000001+00:00, is more than a day ahead of the "
            "clock",
        ),
        ({"time": 1, "id": "i" * 257}, "the id of order is longer than 256 bytes"),
        ({"time": 1, "amount": 10**18}, "order.amount has more than 18 digits"),
        ({"time": 1, "rate": float("inf")}, "order.rate is not a finite number"),
        ({"time": 1, "due": -719_163}, "order.due is a day outside the years 1 to 9999"),
        ({"time": 1, "shipped": TIME_US[1] + 1}, "order.shipped is a time outside the years 1 to "
         "9999"),
        ({"time": 1, "channel": "c" * 4097}, "order.channel is longer than 4,096 bytes"),
        ({"time": 1, "note": "n" * (TEXT_BYTES + 1)}, "order.note is longer than 65,536 bytes"),
    ],
)  # fmt: skip
def test_what_no_event_can_be_refuses_its_update(
    log: Log, event: Mapping[str, Any], told: str
) -> None:
    updates = [{"member": "a"}, {"member": "b", "size": 1}, {"member": "c"}]
    brought = event_rows("order", [None, event, {"time": NOW + EVENTS_AHEAD_US}])
    answer = resolved(log, batch_with(updates, brought))
    assert answer.refused == [(1, told)]
    assert answer.update is not None and answer.update.vectors == ()
    assert answer.update.events[0].rows.tolist() == [1]


def test_texts_of_an_event_are_counted_together(log: Log) -> None:
    names = ("a", "b")
    order = EVENT_MODEL.events["order"]
    texts = {name: replace(order.properties["note"], name=name) for name in names}
    model = replace(EVENT_MODEL, events={"order": replace(order, properties=texts)})
    half = EVENT_TEXT_BYTES // 2
    cells = Strings.from_list(["x" * half, "x" * half])
    coded = CodedStrings.of(Strings.from_list(["x" * half, "x" * (half + 1)]), np.array([0, 1]))
    rows = EventRows(
        "order",
        np.arange(2),
        np.zeros(2, np.int64),
        np.ones(2, np.bool_),
        properties={"a": batches.Texts(cells), "b": batches.Texts(coded)},
    )
    log = Log(model)
    batch = replace(update_batch([{"member": "a"}, {"member": "b"}], model), events=(rows,))
    told = "the texts of order are together longer than 98,304 bytes"
    assert resolved(log, batch).refused == [(1, told)]


def test_the_first_reason_of_an_update_stays(log: Log) -> None:
    updates = [{"member": "a", "rate": float("nan")}]
    answer = resolved(log, batch_with(updates, event_rows("ping", [{}])))
    assert answer.refused == [(0, "rate is not a finite number")]


def _rows(**changes: Any) -> EventRows:
    rows = event_rows("order", [{"time": 1, "amount": 1}, {"time": 2, "amount": 2}])
    return replace(rows, **changes)


_ONE = np.ones(1, np.bool_)
_AMOUNT = batches.Ints(np.array([1, 2]), np.ones(2, np.bool_))


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([_rows(event="ordr")], "the model has no event ordr; did you mean order"),
        ([_rows(event="x")], "the model has no event x$"),
        ([_rows(), _rows()], "brings events of the type order twice"),
        ([_rows(at=np.array([1, 0]))], "the events order do not say in order whose they are"),
        ([_rows(at=np.array([0, 0]))], "the events order do not say in order whose they are"),
        ([_rows(at=np.array([0, 2]))], "the events order do not say in order whose they are"),
        ([_rows(at=np.array([-1, 0]))], "the events order do not say in order whose they are"),
        ([_rows(times=np.zeros(1, np.int64))], "the time of order has 1 cells"),
        ([_rows(timed=_ONE)], "the time of order has 1 cells"),
        ([_rows(ids=Strings.missing(1))], "the id of order has 1 cells"),
        ([_rows(gone=_ONE)], "order, taken away, has 1 cells"),
        ([_rows(properties={"amuont": _AMOUNT})], "no property amuont; did you mean amount"),
        (
            [_rows(properties={"channel": _AMOUNT})],
            "property order.channel is of type category, and the batch brings it as Ints",
        ),
        (
            [_rows(properties={"amount": replace(_AMOUNT, unset=np.zeros(2, np.bool_))})],
            "order.amount is unset; a property that an event lacks is missing",
        ),
    ],
)
def test_what_does_not_fit_the_model_refuses_the_batch(
    log: Log, events: Sequence[EventRows], told: str
) -> None:
    with pytest.raises(InputInvalid, match=told):
        resolved(log, batch_with([{"member": "a"}, {"member": "b"}], *events))
    assert log.resolver.next_row == 0
