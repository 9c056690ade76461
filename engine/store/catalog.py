"""The catalog: which fields a store has, by name and by number.

A field's number is given once and never used again, so that a record left from a removed
field can not be taken for one of a new field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum

from engine.model.hidden_events import history_of

__all__ = [
    "GIVERS",
    "LIVE",
    "UIDS",
    "Catalog",
    "Field",
    "FieldKind",
    "event_field",
    "giver_field",
    "identifier_field",
    "points_field",
    "property_field",
    "property_name",
    "segment_field",
    "time_field",
]

# Number of the dictionary in which the givers of set values stand; no field has it.
GIVERS = 0


class FieldKind(IntEnum):
    """How the payloads of a field are laid out (structures of engine/bitmaps/layout.h)."""

    LIVE = 1  # strata_set, code 0 alone
    UIDS = 2  # strata_column
    CODES = 3  # strata_column, with a dictionary
    SET = 4  # strata_set, with a dictionary
    INTS = 5  # strata_column
    FLOATS = 6  # strata_column
    BOOL = 7  # strata_set, code 1 false, code 2 true
    TEXTS = 8  # strata_text
    VALUES = 9  # strata_values
    GIVERS = 10  # strata_givers
    MEMBERSHIP = 11  # strata_set, code 0 alone
    EVENTS = 12  # strata_chunk (engine/events/layout.h), one a part
    PROPERTY = 13  # nothing in blocks: what events know a property by, and its dictionary


@dataclass(frozen=True, slots=True)
class Field:
    """One field of every block.

    `name` is an attribute's name or one of the store's own (below). `type` is the type in the
    model and `scale` its decimal places; properties of events have both, too. Of the store's own
    fields, times have the type `time` and memberships the version of the definition, in digits;
    others have ''.
    """

    id: int
    name: str
    kind: FieldKind
    type: str = ""
    scale: int = 0


# Names of the store's own fields begin with a colon, which no attribute's name does.
LIVE = Field(1, ":live", FieldKind.LIVE)
UIDS = Field(2, ":uid", FieldKind.UIDS)


def identifier_field(kind: str) -> str:
    """Name of the field that holds the identifiers of a kind."""
    return f":id:{kind}"


def giver_field(attribute: str) -> str:
    """Name of the field that holds the (value, giver) pairs of a set."""
    return f":giver:{attribute}"


def time_field(attribute: str) -> str:
    """Name of the field that holds the event times at which an attribute was last written."""
    return f":time:{attribute}"


def points_field(score: str) -> str:
    """Name of the field that holds the thousandths of a score whose changes the feed tells."""
    return f":points:{score}"


def segment_field(segment: str) -> str:
    """Name of the field that holds the members of a stored segment."""
    return f":segment:{segment}"


def event_field(event: str) -> str:
    """Name of the field that holds the events of a type."""
    return f":event:{event}"


def property_field(name: str, type_: str, scale: int) -> str:
    """Name of the field that events know a property by: one for all types of events that declare
    it alike, so that its codes are of one dictionary."""
    return f":property:{type_}:{scale}:{name}"


def property_name(field: Field) -> str:
    """What the model calls a property; see `property_field`."""
    return field.name.removeprefix(property_field("", field.type, field.scale))


class Catalog(Mapping[str, Field]):
    """The fields of one state of the store: name -> Field; immutable."""

    __slots__ = ("_by_id", "_by_name", "next_id")

    def __init__(self, fields: Iterable[Field], next_id: int) -> None:
        self._by_name = {field.name: field for field in fields}
        self._by_id = {field.id: field for field in self._by_name.values()}
        self.next_id = next_id

    @classmethod
    def new(cls) -> Catalog:
        """What an empty store has."""
        return cls((LIVE, UIDS), UIDS.id + 1)

    def __getitem__(self, name: str) -> Field:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def by_id(self, field_id: int) -> Field | None:
        """The field with that number, if there is one."""
        return self._by_id.get(field_id)

    def with_field(self, name: str, kind: FieldKind, type_: str, scale: int) -> Catalog:
        """This catalog and one new field, under the next number."""
        field = Field(self.next_id, name, kind, type_, scale)
        return Catalog((*self._by_name.values(), field), self.next_id + 1)

    def retyped(self, field_id: int, type_: str) -> Catalog:
        """This catalog with another type of one field, whose payloads stay as they are."""
        fields = (
            replace(field, type=type_) if field.id == field_id else field
            for field in self._by_name.values()
        )
        return Catalog(fields, self.next_id)

    def without(self, field_id: int) -> Catalog:
        """This catalog less one field; its number stays used."""
        kept = (field for field in self._by_name.values() if field.id != field_id)
        return Catalog(kept, self.next_id)

    def dictionary_of(self, field: Field) -> int:
        """Number of the field whose dictionary the codes of a property are of: its own, and in the
        history of an attribute that of the attribute."""
        attribute = history_of(property_name(field))
        found = None if attribute is None else self.get(attribute)
        return field.id if found is None else found.id

    def pack(self) -> bytes:
        """The payload of the catalog's section, JSON."""
        document = {"next_id": self.next_id, "fields": [asdict(f) for f in self.values()]}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, payload: bytes) -> Catalog:
        """Read what `pack` wrote; ValueError, KeyError or TypeError on anything else."""
        document = json.loads(payload)
        fields = [Field(**{**f, "kind": FieldKind(f["kind"])}) for f in document["fields"]]
        return cls(fields, int(document["next_id"]))
