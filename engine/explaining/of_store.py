"""One profile of a snapshot, with the events and lists that an explanation asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from engine.explaining.one_profile import OneEvent, OneProfile, PlainValue
from engine.live.lists import entries_of
from engine.live.profiles import ProfileRecord
from engine.live.row_events import RowEvents
from engine.model.definitions import Model
from engine.model.hidden_events import history_events, history_value
from engine.store.snapshot import Snapshot

__all__ = ["as_it_was", "as_one_profile"]


def as_one_profile(
    snapshot: Snapshot,
    model: Model,
    record: ProfileRecord,
    types: Collection[str],
    lists: Sequence[str],
    latest_us: int,
    known: RowEvents | None = None,
) -> OneProfile:
    """A profile with its events of some types, and its identifiers in some lists. Events that are
    dropped by `latest_us` are left out. `known` has the events that were read already."""
    read = known or RowEvents(snapshot, model, record.row)
    events: dict[str, list[OneEvent]] = {
        name: read.kept(name, latest_us) for name in read.there(types)
    }
    owned = {}
    if lists:
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


def as_it_was(
    profile: OneProfile, snapshot: Snapshot, model: Model, row: int, at_us: int
) -> OneProfile:
    """A profile with the values that its attributes with history had at an instant."""
    events = RowEvents(snapshot, model, row)
    for attribute, changes in history_events(model).items():
        value = history_value(model.attributes[attribute]).name
        past = [one for _, one in events.of(changes.name) if one.time_us <= at_us]
        last = max(past, key=lambda one: one.time_us, default=None)
        known = {} if last is None else _plain(last.properties)
        profile = profile.with_value(attribute, known.get(value))
    return profile


def _plain(values: Any) -> dict[str, PlainValue]:
    return {
        name: frozenset(value) if isinstance(value, list) else value
        for name, value in values.items()
    }
