"""The fields that a model's attributes, identifiers and events are stored in.

Which fields a store has follows from its model alone: an apply adds what is new and drops
what is gone, in the same write that puts the model in force.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

from engine.events import head
from engine.live.definitions import hidden_name
from engine.model.definitions import Attribute, EventType, Model
from engine.model.hidden_events import hidden_events, history_name, tag_places, told_event
from engine.store.catalog import (
    LIVE,
    UIDS,
    Catalog,
    Field,
    FieldKind,
    event_field,
    giver_field,
    identifier_field,
    points_field,
    property_field,
    segment_field,
    time_field,
)
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = ["change_fields", "holds_data", "segment_versions"]

# Kind, type and scale of a field.
_Declared = tuple[FieldKind, str, int]

_KINDS: dict[str, FieldKind] = {
    "category": FieldKind.CODES,
    "set": FieldKind.SET,
    "int": FieldKind.INTS,
    "decimal": FieldKind.INTS,
    "date": FieldKind.INTS,
    "time": FieldKind.INTS,
    "float": FieldKind.FLOATS,
    "bool": FieldKind.BOOL,
    "text": FieldKind.TEXTS,
}
# events.NAME and events.NAME.properties.NAME, each name bare or in double quotes.
_NAME = r'(?:"([^"]*)"|([^".]+))'
_EVENT_KEY = re.compile(rf"events\.{_NAME}(?:\.properties\.{_NAME})?")
# Fields of the store itself; they are there from its creation.
_BUILT_IN = {LIVE.name, UIDS.name}


def change_fields(
    writer: Writer, model: Model, segments: Mapping[str, int] = MappingProxyType({})
) -> None:
    """Gives the store the fields of a model, and drops those that no longer belong to it.

    `segments` maps each segment whose members are stored to the version of its definition. A
    field whose type or scale changed is dropped and added again, empty; a segment whose
    definition changed keeps its members until they are found anew.
    """
    wanted = dict(_fields(model))
    for name, version in segments.items():
        wanted[segment_field(name)] = FieldKind.MEMBERSHIP, str(version), 0
    wanted.update(_told(model, segments))
    for name, field in list(writer.fields.items()):
        if field.kind == FieldKind.MEMBERSHIP and name in wanted:
            # The members before the edit tell who enters and leaves by it.
            if field.type != wanted[name][1]:
                writer.retype_field(field.id, wanted[name][1])
        elif name not in _BUILT_IN and wanted.get(name) != (field.kind, field.type, field.scale):
            writer.drop_field(field.id)
            # What it was before is of another type.
            past = writer.fields.get(event_field(history_name(name)))
            if past is not None:
                writer.drop_field(past.id)
    for name, (kind, type_, scale) in wanted.items():
        if name not in writer.fields:
            writer.add_field(name, kind, type_, scale)


def _fields(model: Model) -> list[tuple[str, _Declared]]:
    fields: list[tuple[str, _Declared]] = [
        (identifier_field(kind), (FieldKind.VALUES, "", 0)) for kind in model.identifiers
    ]
    for attribute in model.attributes.values():
        fields.append((attribute.name, _field(attribute)))
        if attribute.type == "set":
            fields.append((giver_field(attribute.name), (FieldKind.GIVERS, "", 0)))
        elif attribute.computed is None:
            fields.append((time_field(attribute.name), (FieldKind.INTS, "time", 0)))
    for name, score in model.scores.items():
        if "feed" in score:
            fields.append((points_field(name), (FieldKind.INTS, "decimal", 3)))
    for event in (*model.events.values(), *hidden_events(model).values()):
        fields += _of_event(event)
    return fields


def _told(model: Model, kept: Collection[str]) -> list[tuple[str, _Declared]]:
    """What is told of rules whose tags properties name, where they are `kept`."""
    return [
        field
        for rule in model.tag_rules
        if tag_places(rule["tag"]) and hidden_name("tags", rule["tag"]) in kept
        for field in _of_event(told_event(model, rule))
    ]


def _of_event(event: EventType) -> list[tuple[str, _Declared]]:
    fields: list[tuple[str, _Declared]] = [(event_field(event.name), (FieldKind.EVENTS, "", 0))]
    for found in event.properties.values():
        name = property_field(found.name, found.type, found.scale)
        fields.append((name, (FieldKind.PROPERTY, found.type, found.scale)))
    return fields


def segment_versions(catalog: Catalog) -> dict[str, int]:
    """Segments whose members are stored, with the version of the definition: see Field.type."""
    prefix = segment_field("")
    return {
        name.removeprefix(prefix): int(field.type)
        for name, field in catalog.items()
        if field.kind == FieldKind.MEMBERSHIP
    }


def _field(attribute: Attribute) -> tuple[FieldKind, str, int]:
    return _KINDS[attribute.type], attribute.type, attribute.scale


def holds_data(snapshot: Snapshot, key: str) -> bool:
    """Whether any profile has the attribute, the identifier or the event of a key path such as
    `attributes.city`, `identifiers.phone`, `events.order` or `events.order.properties.amount`."""
    if found := _EVENT_KEY.fullmatch(key):
        event, inner = (first or second for first, second in (found.group(1, 2), found.group(3, 4)))
        return _holds_events(snapshot, event, inner)
    section, _, name = key.partition(".")
    name = name.strip('"')
    field = snapshot.fields.get(identifier_field(name) if section == "identifiers" else name)
    if field is None:
        return False
    return bool(_blocks_with(snapshot, field))


def _blocks_with(snapshot: Snapshot, field: Field) -> list[int]:
    zones = {block: snapshot.zone(field.id, block) for block in range(snapshot.block_count)}
    return [block for block, zone in zones.items() if zone is not None and zone.present_count]


def _holds_events(snapshot: Snapshot, event: str, inner: str | None) -> bool:
    """Whether there is an event of a type, or one that has a property."""
    field = snapshot.fields.get(event_field(event))
    if field is None:
        return False
    blocks = _blocks_with(snapshot, field)
    if inner is None:
        return bool(blocks)
    numbers = {
        each.id
        for name, each in snapshot.fields.items()
        if each.kind == FieldKind.PROPERTY and name == property_field(inner, each.type, each.scale)
    }
    return any(
        not numbers.isdisjoint(head.property_numbers(part))
        for block in blocks
        for part in snapshot.payloads(field.id, block)
    )
