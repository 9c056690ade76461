"""Profiles as people read them: identifiers, attributes with typed values, and segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from dataclasses import field as default
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.bitmaps.containers import BLOCK_ROWS
from engine.core.one_row import read_cells
from engine.identity.digests import UNKNOWN
from engine.live.kept_shapes import KeptShapes
from engine.live.profile_events import EventsAsked, ProfileEvent, read_events
from engine.live.stored_values import AttributeValue, of_int
from engine.model.definitions import TAG, Model
from engine.store.catalog import (
    LIVE,
    UIDS,
    Catalog,
    Field,
    FieldKind,
    identifier_field,
    segment_field,
)
from engine.store.store import Snapshot

__all__ = ["ProfileRecord", "read_profiles"]


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """One profile. `row` is internal; `uid`, 16 bytes, is what is given out.

    `identifiers` maps kinds, strongest first, to sorted values. `attributes` maps names, in
    model order, to values; missing ones are absent, sets are sorted lists, times are aware
    and in UTC. `segments` names the stored segments that the profile is in, in model order.
    `recent_events` are those that were asked for.
    """

    uid: bytes
    row: int
    identifiers: Mapping[str, list[str]]
    attributes: Mapping[str, AttributeValue]
    segments: list[str] = default(default_factory=list)
    recent_events: list[ProfileEvent] = default(default_factory=list)

    @property
    def tags(self) -> list[str]:
        """The built-in set `tag`, sorted."""
        tags = self.attributes.get(TAG, [])
        assert isinstance(tags, list)
        return tags


def read_profiles(
    snapshot: Snapshot,
    model: Model,
    rows: Iterable[int],
    moved: Mapping[str, Set[int]] = MappingProxyType({}),
    recent: EventsAsked | None = None,
) -> list[ProfileRecord | None]:
    """The profiles of rows, in their order; None for UNKNOWN and for rows that are not alive.

    `moved` has the segments whose stored members are not to be read, with the rows in them, and
    `recent` says which events of each to bring.
    """
    reader = _Reader(snapshot, model, moved, recent)
    return [None if row == UNKNOWN else reader.read(row) for row in map(int, rows)]


class _Shape(NamedTuple):
    """What is read of every profile of a model, with the catalog of a state: the fields, their
    kinds and numbers; live rows and uids stand first, then identifiers, attributes and segments."""

    kinds: tuple[int, ...]
    ids: tuple[int, ...]
    identifiers: tuple[str, ...]
    attributes: tuple[Field, ...]
    segments: tuple[str, ...]


def _shape(model: Model, catalog: Catalog) -> _Shape:
    kinds = tuple(kind for kind in model.identifiers if identifier_field(kind) in catalog)
    # One that is computed may have a field from the time when it was not.
    attributes = tuple(
        catalog[name]
        for name, attribute in model.attributes.items()
        if name in catalog and attribute.computed is None
    )
    segments = tuple(name for name in model.segments if segment_field(name) in catalog)
    fields = [
        catalog[LIVE.name],
        catalog[UIDS.name],
        *(catalog[identifier_field(kind)] for kind in kinds),
        *attributes,
        *(catalog[segment_field(name)] for name in segments),
    ]
    return _Shape(
        tuple(int(field.kind) for field in fields),
        tuple(field.id for field in fields),
        kinds,
        attributes,
        segments,
    )


_shapes = KeptShapes(_shape)


class _Reader:
    """Reads row by row."""

    def __init__(
        self,
        snapshot: Snapshot,
        model: Model,
        moved: Mapping[str, Set[int]],
        recent: EventsAsked | None,
    ) -> None:
        self._snapshot = snapshot
        self._model = model
        self._recent = recent
        self._moved = moved
        self._shape = _shapes.of(model, snapshot.fields)

    def read(self, row: int) -> ProfileRecord | None:
        block, in_block = divmod(row, BLOCK_ROWS)
        if block >= self._snapshot.block_count:
            return None
        shape = self._shape
        cells = read_cells(shape.kinds, self._snapshot.places(shape.ids, block), in_block)
        is_live, uid, *rest = cells
        if not is_live:
            return None
        assert uid is not None, f"live row {row} has no uid"
        owned = {kind: found for kind, found in zip(shape.identifiers, rest, strict=False) if found}
        at = len(shape.identifiers)
        attributes = {}
        for field, cell in zip(shape.attributes, rest[at:], strict=False):
            if cell is not None:
                value = self._value(field, cell)
                if value is not None:
                    attributes[field.name] = value
        at += len(shape.attributes)
        segments = [
            name
            for name, is_in in zip(shape.segments, rest[at:], strict=True)
            if (row in self._moved[name] if name in self._moved else is_in)
        ]
        recent: list[ProfileEvent] = []
        if self._recent is not None:
            recent = read_events(self._snapshot, self._model, row, self._recent).events
        return ProfileRecord(uid, row, owned, attributes, segments, recent)

    def _value(self, field: Field, cell: Any) -> AttributeValue | None:
        """What people read, of what is stored; an empty set is missing."""
        match field.kind:
            case FieldKind.INTS:
                return of_int(field, cell)
            case FieldKind.CODES:
                return self._snapshot.dictionary(field.id).value(cell)
            case FieldKind.SET:
                dictionary = self._snapshot.dictionary(field.id)
                return sorted(map(dictionary.value, cell)) or None
        found: AttributeValue = cell
        return found
