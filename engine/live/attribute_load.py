"""The attribute cells of a load: which field each goes to."""

from __future__ import annotations

from engine.live.field_load import FieldLoad
from engine.live.mentions import Mentions
from engine.live.set_field import GiverField, SetUnion
from engine.live.text_field import TextField
from engine.live.time_field import TimeField
from engine.live.update import ProfileUpdate, SetCells
from engine.live.vector_field import VectorField
from engine.store.catalog import Field, time_field
from engine.store.store import Snapshot

__all__ = ["AttributeLoad"]


class AttributeLoad:
    """The change of a load to all attributes; fields are opened when first written."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._times: dict[int, TimeField] = {}
        self._vectors: dict[int, VectorField] = {}
        self._texts: dict[int, TextField] = {}
        self._sets: dict[int, tuple[SetUnion, GiverField]] = {}

    def fields(self) -> list[FieldLoad]:
        """All fields that the load has touched; givers before the sets they make."""
        pairs = [field for pair in self._sets.values() for field in reversed(pair)]
        return [
            *self._vectors.values(),
            *self._texts.values(),
            *self._times.values(),
            *pairs,
        ]

    def stage(self, update: ProfileUpdate) -> None:
        """Takes the cells of an update, after those of the updates before."""
        for cells in update.vectors:
            if cells.field_id not in self._vectors:
                field = self._field(cells.field_id)
                times = self._times_of(field)
                self._vectors[field.id] = VectorField(self._snapshot, field, times)
            self._vectors[cells.field_id].stage(cells)
        for texts in update.texts:
            if texts.field_id not in self._texts:
                field = self._field(texts.field_id)
                self._texts[field.id] = TextField(self._snapshot, field, self._times_of(field))
            self._texts[texts.field_id].stage(texts)
        for mentions in update.sets:
            self._givers(mentions).stage(
                Mentions(
                    mentions.rows,
                    mentions.givers,
                    mentions.offsets,
                    mentions.values,
                    mentions.modes,
                )
            )

    def _field(self, field_id: int) -> Field:
        field = self._snapshot.fields.by_id(field_id)
        assert field is not None, "a load resolves its updates against its own snapshot"
        return field

    def _times_of(self, field: Field) -> TimeField | None:
        companion = self._snapshot.fields.get(time_field(field.name))
        if companion is None:
            return None
        self._times[field.id] = TimeField(self._snapshot, companion)
        return self._times[field.id]

    def _givers(self, cells: SetCells) -> GiverField:
        if cells.field_id not in self._sets:
            union = SetUnion(self._snapshot, self._field(cells.field_id))
            givers = GiverField(self._snapshot, self._field(cells.giver_field_id), union)
            self._sets[cells.field_id] = union, givers
        return self._sets[cells.field_id][1]
