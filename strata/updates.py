"""Updates of profiles as programs write them, and as messages."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from strata import messages
from strata.answers import Value
from strata.v1 import ingest_pb2, value_pb2

__all__ = ["Event", "Update", "batch_message"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a profile did.

    `type` is as the model declares it, and `properties` maps names to values, as answers bring
    them. `time` (with a time zone) is when it happened; None: the time of the update. An event with
    the `id` of an earlier one of the same source, profile and type takes its place; `gone` takes
    that one away.
    """

    type: str
    properties: Mapping[str, Value] = field(default_factory=dict)
    time: datetime.datetime | None = None
    id: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """What is new about one profile.

    `identifiers` maps kinds to values and finds the profile. `attributes` maps names to new
    values, as answers bring them; a tuple replaces what this giver gave to a set ("tag" for the
    tags), and None takes the value away. `added` and `removed` map sets to values. `giver` says
    who gives set values where it is not the source; `time` (with a time zone) when it happened.
    `events` are what the profile did, at most one of a type.
    """

    identifiers: Mapping[str, str]
    attributes: Mapping[str, Value] = field(default_factory=dict)
    added: Mapping[str, Sequence[str]] = field(default_factory=dict)
    removed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    giver: str = ""
    time: datetime.datetime | None = None
    events: Sequence[Event] = ()


def batch_message(
    updates: Iterable[Update] | bytes,
    *,
    first_offset: int | None = None,
    offsets: Sequence[int] | None = None,
    giver: str = "",
) -> ingest_pb2.UpdateBatch:
    """The message of a batch: updates, or the bytes of one Arrow IPC stream.

    Records are numbered one after the other from `first_offset`, or by `offsets`, or not at all.
    TypeError for a value of another type than answers have, ValueError for a number of more than 64
    bits; both name the attribute or property.
    """
    if first_offset is not None and offsets is not None:
        raise ValueError("give first_offset or offsets, not both")
    batch = ingest_pb2.UpdateBatch(giver=giver)
    if first_offset is not None:
        batch.first_offset = first_offset
    elif offsets is not None:
        batch.offsets.SetInParent()
        batch.offsets.values.extend(offsets)
    if isinstance(updates, bytes):
        batch.arrow = updates
    else:
        batch.rows.SetInParent()
        added = batch.rows.updates.add
        for update in updates:
            _write_update(added(), update)
    return batch


def _write_update(message: ingest_pb2.ProfileUpdate, update: Update) -> None:
    """Writes in place: to make messages and have them copied takes twice as long."""
    if update.giver:
        message.giver = update.giver
    if update.time is not None:
        messages.write_timestamp(message.time, update.time)
    for kind, value in update.identifiers.items():
        identifier = message.identifiers.add()
        identifier.kind, identifier.value = kind, value
    for name, given in update.attributes.items():
        if given is None:
            message.unset.append(name)
        else:
            attribute = message.attributes.add()
            attribute.name = name
            _write_value(attribute.value, name, given)
    for operation, changes in (
        (ingest_pb2.SET_OPERATION_ADD, update.added),
        (ingest_pb2.SET_OPERATION_REMOVE, update.removed),
    ):
        for name, values in changes.items():
            message.set_changes.add(attribute=name, operation=operation, values=values)
    for event in update.events:
        added = message.events.add(type=event.type, id=event.id, gone=event.gone)
        if event.time is not None:
            messages.write_timestamp(added.time, event.time)
        for name, given in event.properties.items():
            if given is not None:
                has = added.properties.add()
                has.name = name
                _write_value(has.value, f"{event.type}.{name}", given)


def _write_value(message: value_pb2.Value, name: str, given: Value) -> None:
    match given:
        case str():
            message.string_value = given
        case bool():
            message.bool_value = given
        case int():
            if not -(1 << 63) <= given < 1 << 63:
                raise ValueError(f"{name}: {given} is beyond the 64 bits of a whole number")
            message.int_value = given
        case float():
            message.float_value = given
        case Decimal():
            message.decimal_value = f"{given:f}"
        case datetime.datetime():
            messages.write_timestamp(message.time_value, given)
        case datetime.date():
            message.date_value = given.isoformat()
        case tuple():
            message.set_value.SetInParent()
            message.set_value.values.extend(given)
        case _:
            hint = ""
            if isinstance(given, list | set | frozenset):
                hint = "; the values of a set are a tuple"
            raise TypeError(f"{name}: {given!r} is no value of an attribute{hint}")
