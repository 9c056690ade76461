"""The fields that a model's attributes and identifiers are stored in.

Which fields a store has follows from its model alone: an apply adds what is new and drops
what is gone, in the same write that puts the model in force.
"""

from __future__ import annotations

from engine.model.definitions import Attribute, Model
from engine.store.catalog import LIVE, UIDS, FieldKind, giver_field, identifier_field
from engine.store.snapshot import Snapshot
from engine.store.writer import Writer

__all__ = ["change_fields", "holds_data"]

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
# Fields of the store itself; they are there from its creation.
_BUILT_IN = {LIVE.name, UIDS.name}


def change_fields(writer: Writer, model: Model) -> None:
    """Gives the store the fields of a model, and drops those that no longer belong to it.

    A field whose type or scale changed is dropped and added again, empty.
    """
    wanted = dict(_fields(model))
    for name, field in list(writer.fields.items()):
        if name not in _BUILT_IN and wanted.get(name) != (field.kind, field.type, field.scale):
            writer.drop_field(field.id)
    for name, (kind, type_, scale) in wanted.items():
        if name not in writer.fields:
            writer.add_field(name, kind, type_, scale)


def _fields(model: Model) -> list[tuple[str, tuple[FieldKind, str, int]]]:
    fields = [(identifier_field(kind), (FieldKind.VALUES, "", 0)) for kind in model.identifiers]
    for attribute in model.attributes.values():
        fields.append((attribute.name, _field(attribute)))
        if attribute.type == "set":
            fields.append((giver_field(attribute.name), (FieldKind.GIVERS, "", 0)))
    return fields


def _field(attribute: Attribute) -> tuple[FieldKind, str, int]:
    return _KINDS[attribute.type], attribute.type, attribute.scale


def holds_data(snapshot: Snapshot, key: str) -> bool:
    """Whether any profile has the attribute or identifier of a key path such as
    `attributes.city` or `identifiers.phone`."""
    section, _, name = key.partition(".")
    name = name.strip('"')
    field = snapshot.fields.get(identifier_field(name) if section == "identifiers" else name)
    if field is None:
        return False
    return any(snapshot.zone(field.id, block) is not None for block in range(snapshot.block_count))
