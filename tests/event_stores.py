"""Events of a small store: loaded from dictionaries, and read back as such."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.events.check import check_events
from engine.events.decode import decode_events
from engine.events.events import Codes, Texts
from engine.live.batch import LoadOutcome, ProfileBatch
from engine.live.bulk_load import BulkLoad
from engine.model.definitions import Model, Source
from engine.store.catalog import event_field
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from tests.event_batches import EVENT_MODEL, event_rows
from tests.loads import SOURCE
from tests.updates import update_batch

__all__ = ["brought", "event_batch", "event_bytes", "load_events", "stored_events"]

Update = Mapping[str, Any]


def event_batch(updates: Sequence[Update], model: Model = EVENT_MODEL) -> ProfileBatch:
    """A batch of updates as `update_batch` takes them, where the name of a type of event stands
    for an event as `event_rows` takes it."""
    plain = [{k: v for k, v in update.items() if k not in model.events} for update in updates]
    events = tuple(
        event_rows(name, [update.get(name) for update in updates], model)
        for name in model.events
        if any(name in update for update in updates)
    )
    return replace(update_batch(plain, model), events=events)


def load_events(
    store: Store,
    *batches: Sequence[Update],
    source: Source = SOURCE,
    model: Model = EVENT_MODEL,
) -> LoadOutcome:
    """Loads batches, of which nothing may be refused."""
    with BulkLoad(store, model, source) as bulk:
        for batch in batches:
            assert bulk.add(event_batch(batch, model)).refused == []
        return bulk.finish()


def brought(outcome: LoadOutcome) -> tuple[int, int, int, int]:
    """Events added, replaced, unchanged and removed."""
    return (
        outcome.events_added,
        outcome.events_replaced,
        outcome.events_unchanged,
        outcome.events_removed,
    )


def event_bytes(store: Store, event: str) -> list[list[bytes]]:
    """The chunks of a type, by block."""
    with store.snapshot() as snapshot:
        number = snapshot.fields[event_field(event)].id
        blocks = range(snapshot.block_count)
        return [[bytes(part) for part in snapshot.payloads(number, block)] for block in blocks]


def stored_events(store: Store, event: str) -> list[tuple[int, int, dict[str, Any]]]:
    """(row, time, properties that are there) of the events of a type, sorted; checked before."""
    with store.snapshot() as snapshot:
        number = snapshot.fields[event_field(event)].id
        found = []
        for block in range(snapshot.block_count):
            parts = snapshot.payloads(number, block)
            if not parts:
                assert snapshot.zone(number, block) is None
                continue
            assert check_events(parts) == ""
            found += _events(snapshot, block, parts)
    return sorted(found, key=repr)


def _events(snapshot: Snapshot, block: int, parts: Any) -> list[tuple[int, int, dict[str, Any]]]:
    events = decode_events(parts)
    rows = [(block << 16) + row for row in events.rows.tolist()]
    cells: list[dict[str, Any]] = [{} for _ in rows]
    for number, values in events.properties.items():
        field = snapshot.fields.by_id(number)
        if field is None:
            continue
        name = field.name.rsplit(":", 1)[1]
        if isinstance(values, Texts):
            listed: list[Any] = values.strings.to_list()
        elif isinstance(values, Codes) and field.type == "category":
            dictionary = snapshot.dictionary(number)
            listed = [dictionary.value(code) if code else None for code in values.codes.tolist()]
        elif isinstance(values, Codes):
            listed = [None if not code else code == 2 for code in values.codes.tolist()]
        else:
            listed = values.values.tolist()
        for cell, value, there in zip(cells, listed, values.present.tolist(), strict=True):
            if there:
                cell[name] = value
    return list(zip(rows, events.times.tolist(), cells, strict=True))
