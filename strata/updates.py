"""Updates of profiles as programs write them, and as messages."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from strata import messages
from strata.answers import Value
from strata.v1 import ingest_pb2, value_pb2

__all__ = ["Event", "Update", "batch_message", "update_message"]


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


def update_message(update: Update) -> ingest_pb2.ProfileUpdate:
    """The message of an update. TypeError for a value of another type than answers have, ValueError
    for a number of more than 64 bits; both name the attribute or property."""
    message = ingest_pb2.ProfileUpdate(giver=update.giver, time=messages.timestamp(update.time))
    for kind, value in update.identifiers.items():
        message.identifiers.add(kind=kind, value=value)
    for name, given in update.attributes.items():
        if given is None:
            message.unset.append(name)
        else:
            message.attributes.add(name=name, value=_value(name, given))
    for operation, changes in (
        (ingest_pb2.SET_OPERATION_ADD, update.added),
        (ingest_pb2.SET_OPERATION_REMOVE, update.removed),
    ):
        for name, values in changes.items():
            message.set_changes.add(attribute=name, operation=operation, values=values)
    for event in update.events:
        added = message.events.add(
            type=event.type, id=event.id, time=messages.timestamp(event.time), gone=event.gone
        )
        for name, given in event.properties.items():
            if given is not None:
                added.properties.add(name=name, value=_value(f"{event.type}.{name}", given))
    return message


def batch_message(
    updates: Iterable[Update] | bytes,
    *,
    first_offset: int | None = None,
    offsets: Sequence[int] | None = None,
    giver: str = "",
) -> ingest_pb2.UpdateBatch:
    """The message of a batch: updates, or the bytes of one Arrow IPC stream.

    Records are numbered one after the other from `first_offset`, or by `offsets`, or not at all.
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
        batch.rows.updates.extend(map(update_message, updates))
    return batch


def _value(name: str, given: Value) -> value_pb2.Value:
    match given:
        case bool():
            return value_pb2.Value(bool_value=given)
        case int():
            if not -(1 << 63) <= given < 1 << 63:
                raise ValueError(f"{name}: {given} is beyond the 64 bits of a whole number")
            return value_pb2.Value(int_value=given)
        case float():
            return value_pb2.Value(float_value=given)
        case str():
            return value_pb2.Value(string_value=given)
        case Decimal():
            return value_pb2.Value(decimal_value=f"{given:f}")
        case datetime.datetime():
            return value_pb2.Value(time_value=messages.timestamp(given))
        case datetime.date():
            return value_pb2.Value(date_value=given.isoformat())
        case tuple():
            return value_pb2.Value(set_value=value_pb2.StringSet(values=given))
    hint = "; the values of a set are a tuple" if isinstance(given, list | set | frozenset) else ""
    raise TypeError(f"{name}: {given!r} is no value of an attribute{hint}")
