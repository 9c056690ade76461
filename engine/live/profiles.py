"""Profiles as people read them: identifiers, attributes with typed values, and segments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from dataclasses import field as default
from types import MappingProxyType

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns import bools, codes, floats, ints, sets, texts, uids, values
from engine.core.memberships import has_row, holds_row
from engine.identity.digests import UNKNOWN
from engine.live.profile_events import EventsAsked, ProfileEvent, read_events
from engine.live.stored_values import AttributeValue, of_int
from engine.model.definitions import TAG, Model
from engine.store.catalog import LIVE, UIDS, Field, FieldKind, identifier_field, segment_field
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


class _Reader:
    """Reads row by row, and keeps the payloads that it has seen."""

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
        self._parts: dict[tuple[int, int], Sequence[Buffer]] = {}
        fields = snapshot.fields
        self._live = fields[LIVE.name]
        self._uid = fields[UIDS.name]
        self._identifiers = {
            kind: fields[identifier_field(kind)]
            for kind in model.identifiers
            if identifier_field(kind) in fields
        }
        # One that is computed may have a field from the time when it was not.
        self._attributes = [
            fields[name]
            for name, attribute in model.attributes.items()
            if name in fields and attribute.computed is None
        ]
        self._segments = {
            name: fields[segment_field(name)]
            for name in model.segments
            if segment_field(name) in fields
        }

    def read(self, row: int) -> ProfileRecord | None:
        block, in_block = divmod(row, BLOCK_ROWS)
        if block >= self._snapshot.block_count:
            return None
        live = self._payloads(self._live, block)
        if not live or not has_row(live[0], in_block):
            return None
        uid = uids.read_row(self._payloads(self._uid, block), in_block)
        assert uid is not None, f"live row {row} has no uid"
        identifiers = {
            kind: values.read_row(self._payloads(field, block), in_block)
            for kind, field in self._identifiers.items()
        }
        attributes = {}
        for field in self._attributes:
            parts = self._payloads(field, block)
            value = self._value(field, parts, in_block) if parts else None
            if value is not None:
                attributes[field.name] = value
        owned = {kind: found for kind, found in identifiers.items() if found}
        segments = [
            name
            for name, field in self._segments.items()
            if (
                row in self._moved[name]
                if name in self._moved
                else holds_row(self._snapshot.addresses(field.id), row)
            )
        ]
        recent: list[ProfileEvent] = []
        if self._recent is not None:
            recent = read_events(self._snapshot, self._model, row, self._recent).events
        return ProfileRecord(uid, row, owned, attributes, segments, recent)

    def _payloads(self, field: Field, block: int) -> Sequence[Buffer]:
        key = field.id, block
        if key not in self._parts:
            self._parts[key] = self._snapshot.payloads(field.id, block)
        return self._parts[key]

    def _value(self, field: Field, parts: Sequence[Buffer], row: int) -> AttributeValue | None:
        match field.kind:
            case FieldKind.INTS:
                number = ints.read_row(parts, row)
                return None if number is None else of_int(field, number)
            case FieldKind.FLOATS:
                return floats.read_row(parts, row)
            case FieldKind.BOOL:
                return bools.read_row(parts, row)
            case FieldKind.TEXTS:
                return texts.read_row(parts, row)
            case FieldKind.CODES:
                code = codes.read_row(parts, row)
                return self._snapshot.dictionary(field.id).value(code) if code else None
            case FieldKind.SET:
                dictionary = self._snapshot.dictionary(field.id)
                members = sets.read_row(parts, row).tolist()
                return sorted(dictionary.value(code) for code in members if code) or None
        raise AssertionError(f"field {field.name} is not an attribute")
