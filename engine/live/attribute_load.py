"""The attribute cells of a load: which field each goes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.live.event_load import EventField
from engine.live.field_load import FieldLoad
from engine.live.histories import history_in
from engine.live.history_load import HistoryLoad
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
    """The change of a load, which began at `now_us`, to all attributes; fields are opened when
    first written. `events` are those of the store, by number: histories go there."""

    def __init__(self, snapshot: Snapshot, events: Mapping[int, EventField], now_us: int) -> None:
        self._snapshot = snapshot
        self._events = events
        self._now_us = now_us
        self._histories: dict[int, HistoryLoad] = {}
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
                self._remember(self._vectors[field.id], times)
            history = self._histories.get(cells.field_id)
            self._vectors[cells.field_id].stage(cells if history is None else history.stage(cells))
        for texts in update.texts:
            if texts.field_id not in self._texts:
                field = self._field(texts.field_id)
                times = self._times_of(field)
                self._texts[field.id] = TextField(self._snapshot, field, times)
                self._remember(self._texts[field.id], times)
            history = self._histories.get(texts.field_id)
            self._texts[texts.field_id].stage(texts if history is None else history.stage(texts))
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

    def finish_histories(self, blocks: Iterable[int]) -> None:
        """Works out, once all cells are folded, what those without a time changed."""
        for history in self._histories.values():
            history.finish(blocks)

    def _remember(self, field: FieldLoad, times: TimeField | None) -> None:
        history = history_in(self._snapshot.fields, field.field)
        if history is not None and times is not None:
            events = self._events[history.events]
            made = HistoryLoad(history, field, times, events, self._now_us)
            self._histories[field.field.id] = made

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
