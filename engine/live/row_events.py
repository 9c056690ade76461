"""The events of one row, type by type, read in place from the chunks and the open tails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.bitmaps.containers import BLOCK_ROWS
from engine.events.one_row import events_of_row
from engine.live.kept_shapes import KeptShapes
from engine.live.moved_key import NamedEvent
from engine.live.stored_values import AttributeValue, of_int
from engine.model.definitions import EventType, Model
from engine.model.hidden_events import hidden_events
from engine.store.catalog import Catalog, Field, event_field, property_field
from engine.store.snapshot import Snapshot

__all__ = ["ProfileEvent", "RowEvents"]


@dataclass(frozen=True, slots=True)
class ProfileEvent:
    """One event: `time_us` microseconds from 1970; `properties` maps names, in model order, to
    values, missing ones absent."""

    type: str
    time_us: int
    properties: Mapping[str, Any] = field(default_factory=dict)


class _Type(NamedTuple):
    """A type of event that the store has: its place among the types, and the properties that it has
    fields for: names, their numbers, and what their values are."""

    declared: EventType
    place: int
    names: tuple[str, ...]
    numbers: tuple[int, ...]
    fields: tuple[Field, ...]


class _Shape(NamedTuple):
    """All types of events of a model, declared and hidden, by name; those that the store has have
    their fields in `ids`."""

    declared: Mapping[str, EventType]
    types: Mapping[str, _Type]
    ids: tuple[int, ...]


def _shape(model: Model, catalog: Catalog) -> _Shape:
    declared = {**hidden_events(model), **model.events}
    types: dict[str, _Type] = {}
    ids: list[int] = []
    for name, one in declared.items():
        if event_field(name) in catalog:
            known = [
                (what, catalog[of])
                for what, said in one.properties.items()
                if (of := property_field(what, said.type, said.scale)) in catalog
            ]
            names, fields = tuple(what for what, _ in known), tuple(of for _, of in known)
            numbers = tuple(of.id for of in fields)
            types[name] = _Type(one, len(ids), names, numbers, fields)
            ids.append(catalog[event_field(name)].id)
    return _Shape(declared, types, tuple(ids))


_shapes = KeptShapes(_shape)


class RowEvents:
    """The events of one row of a snapshot, each type read when it is first asked for."""

    def __init__(self, snapshot: Snapshot, model: Model, row: int) -> None:
        self._snapshot = snapshot
        self._shape = _shapes.of(model, snapshot.fields)
        block, self._in_block = divmod(row, BLOCK_ROWS)
        self._places: list[tuple[int, ...]] = [()] * len(self._shape.ids)
        if block < snapshot.block_count:
            self._places = snapshot.places(self._shape.ids, block)
        self._known: dict[str, list[tuple[int, ProfileEvent]]] = {}

    def declared(self, type_: str) -> EventType:
        """A declared or a hidden type of event; KeyError for a name of neither."""
        return self._shape.declared[type_]

    def of(self, type_: str) -> list[tuple[int, ProfileEvent]]:
        """All events of a type in the order in which they are stored, those dated ahead among
        them, each behind the digest of its id (0: none)."""
        found = self._known.get(type_)
        if found is None:
            found = self._known[type_] = self._read(type_)
        return found

    def named(self, named: NamedEvent) -> ProfileEvent | None:
        """The event that an entry of the feed names, as it is now: by its id where it has one, else
        by its time. None where it is no more, and for a type that is no more."""
        if named.type not in self._shape.declared:
            return None
        before = named.count
        for id_, event in self.of(named.type):
            if id_ == named.id and (named.id or event.time_us == named.time_us):
                if not before:
                    return event
                before -= 1
        return None

    def _read(self, type_: str) -> list[tuple[int, ProfileEvent]]:
        shape = self._shape.types.get(type_)
        if shape is None:
            return []
        raw = events_of_row(self._places[shape.place], self._in_block, shape.numbers)
        if not raw:
            return []
        readers = [self._reader(field) for field in shape.fields]
        return [
            (
                id_,
                ProfileEvent(
                    type_,
                    time_us,
                    {
                        name: value if read is None else read(value)
                        for name, read, value in zip(shape.names, readers, values, strict=True)
                        if value is not None
                    },
                ),
            )
            for time_us, id_, values in raw
        ]

    def _reader(self, field: Field) -> Callable[[Any], AttributeValue] | None:
        """What makes the value that people read of one that is stored; None where it is that."""
        match field.type:
            case "category":
                fields = self._snapshot.fields
                return self._snapshot.dictionary(fields.dictionary_of(field)).value
            case "bool":
                return _is_true
            case "decimal" | "date" | "time":
                return lambda number: of_int(field, number)
            case _:
                return None


def _is_true(code: int) -> bool:
    return code == _TRUE


# The code of true among those of a bool; of false it is 1.
_TRUE = 2
