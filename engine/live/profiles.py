"""Profiles as people read them: identifiers, attributes with typed values, and segments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as default
from functools import partial
from itertools import compress
from typing import Any

from engine.bitmaps.containers import BLOCK_ROWS
from engine.core.one_row import read_cells
from engine.identity.digests import UNKNOWN
from engine.live.kept_shapes import KeptShapes
from engine.live.profile_event import ProfileEvent
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

__all__ = ["ProfileRecord", "is_at_hand", "read_profile", "read_profiles"]


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
    snapshot: Snapshot, model: Model, rows: Iterable[int]
) -> list[ProfileRecord | None]:
    """The profiles of rows, in their order; None for UNKNOWN and for rows that are not alive."""
    return [
        None if row == UNKNOWN else read_profile(snapshot, model, row) for row in map(int, rows)
    ]


# What makes of a cell what people read; None where it is that.
_Reader = Callable[[Any], AttributeValue | None] | None


@dataclass(slots=True)
class _Shape:
    """What is read of every profile of a model, with the catalog of a state: the fields, their
    kinds and numbers; live rows and uids stand first, then identifiers, attributes and segments.
    `readers` of attributes are made when the first profile is read: strings are looked up in tables
    that all states of a store share, as they share its catalog."""

    kinds: tuple[int, ...]
    ids: tuple[int, ...]
    identifiers: tuple[str, ...]
    attributes: tuple[Field, ...]
    segments: tuple[str, ...]
    readers: list[tuple[str, _Reader]] | None = None


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


def is_at_hand(snapshot: Snapshot, model: Model, row: int) -> bool:
    """Whether `read_profile` takes microseconds: where its block lies was looked up in this state
    already."""
    return snapshot.has_places(_shapes.of(model, snapshot.fields).ids, row // BLOCK_ROWS)


def read_profile(
    snapshot: Snapshot,
    model: Model,
    row: int,
    recent_events: list[ProfileEvent] | None = None,
) -> ProfileRecord | None:
    """The profile of one row, with these events; None where it is not alive."""
    block, in_block = divmod(row, BLOCK_ROWS)
    if block >= snapshot.block_count:
        return None
    shape = _shapes.of(model, snapshot.fields)
    cells = read_cells(shape.kinds, snapshot.places(shape.ids, block), in_block)
    is_live, uid = cells[:2]
    if not is_live:
        return None
    assert uid is not None, f"live row {row} has no uid"
    readers = shape.readers
    if readers is None:
        readers = shape.readers = [
            (field.name, _reader(snapshot, field)) for field in shape.attributes
        ]
    first, last = 2 + len(shape.identifiers), 2 + len(shape.identifiers) + len(readers)
    owned = {
        kind: found for kind, found in zip(shape.identifiers, cells[2:first], strict=True) if found
    }
    attributes = {
        name: value
        for (name, read), cell in zip(readers, cells[first:last], strict=True)
        if cell is not None and (value := cell if read is None else read(cell)) is not None
    }
    segments = [*compress(shape.segments, cells[last:])]
    return ProfileRecord(uid, row, owned, attributes, segments, recent_events or [])


def _reader(snapshot: Snapshot, field: Field) -> _Reader:
    """What makes of a cell of a field what people read; an empty set is missing."""
    match field.kind:
        case FieldKind.INTS if field.type != "int":
            return partial(of_int, field)
        case FieldKind.CODES:
            return snapshot.dictionary_table(field.id).value
        case FieldKind.SET:
            value = snapshot.dictionary_table(field.id).value
            return lambda codes: sorted(map(value, codes)) or None
    return None
