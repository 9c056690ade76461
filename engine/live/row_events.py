"""The events of one row, read in place from the chunks and the open tails."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from engine.live.kept_shapes import KeptShapes
from engine.live.moved_key import NamedEvent
from engine.live.profile_event import ProfileEvent, named_events, since
from engine.live.stored_values import AttributeValue, of_int
from engine.model.definitions import EventType, Model
from engine.model.hidden_events import hidden_events
from engine.rules.retention import kept_from_us
from engine.store.catalog import Catalog, Field, event_field, property_field
from engine.store.snapshot import Snapshot

__all__ = ["RowEvents"]


# The name of a property, and what makes the value that people read of one that is stored; None
# where it is that.
_Reader = tuple[str, Callable[[Any], AttributeValue] | None]


@dataclass(slots=True)
class _Type:
    """A type of event that the store has: the properties that it has fields for, with their names.
    `readers` are made when the first event is read: strings are looked up in tables that all states
    of a store share, as they share its catalog."""

    names: tuple[str, ...]
    fields: tuple[Field, ...]
    readers: list[_Reader] | None = None


class _Shape(NamedTuple):
    """All types of events of a model, declared and hidden, by name. Of those that the store has,
    `stored`, the fields are in `ids`, and the numbers of their properties in `numbers`."""

    declared: Mapping[str, EventType]
    types: Mapping[str, _Type]
    stored: tuple[str, ...]
    ids: tuple[int, ...]
    numbers: tuple[tuple[int, ...], ...]


def _shape(model: Model, catalog: Catalog) -> _Shape:
    declared = {**hidden_events(model), **model.events}
    types: dict[str, _Type] = {}
    ids: list[int] = []
    numbers: list[tuple[int, ...]] = []
    for name, one in declared.items():
        if event_field(name) in catalog:
            known = [
                (what, catalog[of])
                for what, said in one.properties.items()
                if (of := property_field(what, said.type, said.scale)) in catalog
            ]
            fields = tuple(field for _, field in known)
            types[name] = _Type(tuple(what for what, _ in known), fields)
            ids.append(catalog[event_field(name)].id)
            numbers.append(tuple(field.id for field in fields))
    return _Shape(declared, types, tuple(types), tuple(ids), tuple(numbers))


_shapes = KeptShapes(_shape)


class RowEvents:
    """The events of one row of a snapshot, of all types that a model has."""

    def __init__(self, snapshot: Snapshot, model: Model, row: int) -> None:
        shape = _shapes.of(model, snapshot.fields)
        self._fill(snapshot, model, shape, snapshot.events_of_row(shape.ids, row, shape.numbers))

    @classmethod
    def at_hand(cls, snapshot: Snapshot, model: Model, row: int, most: int) -> Self | None:
        """The same where it takes microseconds, see Snapshot.events_at_hand; None else."""
        shape = _shapes.of(model, snapshot.fields)
        found = snapshot.events_at_hand(shape.ids, row, shape.numbers, most)
        if found is None:
            return None
        made = cls.__new__(cls)
        made._fill(snapshot, model, shape, found)
        return made

    def _fill(self, snapshot: Snapshot, model: Model, shape: _Shape, found: Sequence[Any]) -> None:
        self._snapshot = snapshot
        self._zone = model.time_zone
        self._shape = shape
        # What is stored of the types that the row has events of.
        self._raw: dict[str, list[Any]] = {
            name: events
            for name, events in zip(shape.stored, found, strict=True)
            if events is not None
        }
        self._known: dict[str, list[tuple[int, ProfileEvent]]] = {}

    def declared(self, type_: str) -> EventType:
        """A declared or a hidden type of event; KeyError for a name of neither."""
        return self._shape.declared[type_]

    def there(self, types: Collection[str]) -> list[str]:
        """Those of some types that the row has events of, in the order of the model."""
        return [name for name in self._raw if name in types]

    def of(self, type_: str) -> list[tuple[int, ProfileEvent]]:
        """All events of a type in the order in which they are stored, those dated ahead among
        them, each behind the digest of its id (0: none)."""
        found = self._known.get(type_)
        if found is None:
            raw = self._raw.get(type_)
            if raw is None:
                return []
            found = self._known[type_] = named_events(type_, raw, self._readers(type_))
        return found

    def kept(self, type_: str, latest_us: int) -> list[ProfileEvent]:
        """Those that are not dropped by an instant."""
        first_us = kept_from_us(self._shape.declared[type_], latest_us, self._zone)
        return since(self.of(type_), first_us)

    def count_at(self, type_: str, time_us: int) -> int:
        """How many events of a type have a time."""
        return sum(one[0] == time_us for one in self._raw.get(type_, ()))

    def latest(
        self, type_: str, first_us: int, last_us: int, most: int
    ) -> list[tuple[int, ProfileEvent]]:
        """The same from one instant to another, both included; no more than the latest `most`, and
        those of the same time as the earliest of them."""
        raw = [one for one in self._raw.get(type_, ()) if first_us <= one[0] <= last_us]
        if not raw:
            return []
        if len(raw) > most:
            since_us = sorted(one[0] for one in raw)[-most]
            raw = [one for one in raw if one[0] >= since_us]
        return named_events(type_, raw, self._readers(type_))

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

    def _readers(self, type_: str) -> list[_Reader]:
        shape = self._shape.types[type_]
        if shape.readers is None:
            shape.readers = [
                (name, self._reader(field))
                for name, field in zip(shape.names, shape.fields, strict=True)
            ]
        return shape.readers

    def _reader(self, field: Field) -> Callable[[Any], AttributeValue] | None:
        """What makes the value that people read of one that is stored; None where it is that."""
        match field.type:
            case "category":
                fields = self._snapshot.fields
                return self._snapshot.dictionary_table(fields.dictionary_of(field)).value
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
