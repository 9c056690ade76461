"""One profile of a snapshot, with the events and lists that an explanation asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.explaining.one_profile import OneEvent, OneProfile, PlainValue
from engine.explaining.outline import Outline
from engine.live.lists import entries_of
from engine.live.profile_events import events_of_row
from engine.live.profiles import read_profiles
from engine.model.definitions import Model
from engine.rules.retention import kept_from_us
from engine.store.snapshot import Snapshot

__all__ = ["read_one"]


def read_one(
    snapshot: Snapshot, model: Model, row: int, outlines: Sequence[Outline], latest_us: int
) -> OneProfile | None:
    """The profile of a row, with what these expressions ask for; None where it is not alive. Events
    that are dropped by `latest_us` are left out."""
    (record,) = read_profiles(snapshot, model, [row])
    if record is None:
        return None
    types = dict.fromkeys(type_ for one in outlines for type_ in one.types)
    lists = dict.fromkeys(name for one in outlines for name in one.lists)
    events = {
        type_: [
            OneEvent(type_, event.time_us, _plain(event.properties))
            for event in events_of_row(snapshot, model.events[type_], row)
            if event.time_us >= kept_from_us(model.events[type_], latest_us, model.time_zone)
        ]
        for type_ in types
    }
    identifiers = [*((kind, v) for kind, some in record.identifiers.items() for v in some)]
    identifiers.append(("uid", record.uid.hex()))
    owned = {name: entries_of(snapshot, model, name, identifiers) for name in lists}
    return OneProfile(
        record.uid,
        model.time_zone,
        _plain(record.attributes),
        events,
        {name: found for name, found in owned.items() if found},
    )


def _plain(values: Any) -> dict[str, PlainValue]:
    return {
        name: frozenset(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
