"""Loading attributes with one fixed-width value a row: numbers, dates, bools, categories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.live.block_cells import lay_cells, whole_block
from engine.live.event_times import join_times
from engine.live.field_load import FieldLoad, each_block, first_held
from engine.live.time_field import TimeField
from engine.live.update import VectorCells
from engine.store.catalog import Field
from engine.store.store import Snapshot

__all__ = ["VectorField"]


class VectorField(FieldLoad):
    """A load's change to an int, decimal, date, time, float, bool or category attribute.

    `times` is the load's change to the event times of its cells, None where none are kept.
    """

    def __init__(self, snapshot: Snapshot, field: Field, times: TimeField | None = None) -> None:
        super().__init__(snapshot, field)
        self._times = times
        self._waiting: list[VectorCells] = []

    def stage(self, cells: VectorCells) -> None:
        """Cells in the order of the updates."""
        if len(cells.rows):
            self._waiting.append(cells)

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(
            cells.rows.nbytes + cells.values.nbytes + cells.present.nbytes
            for cells in self._waiting
        )

    def fold(self, hold: int | None = None) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        rows = np.concatenate([cells.rows for cells in self._waiting])
        values = np.concatenate([cells.values for cells in self._waiting])
        present = np.concatenate([cells.present for cells in self._waiting])
        times = join_times([(cells.rows, cells.times) for cells in self._waiting])
        self._waiting = []
        held = first_held(rows, hold)
        if held < len(rows):
            later = None if times is None else times[held:]
            kept = VectorCells(self.field.id, rows[held:], values[held:], present[held:], later)
            self._waiting.append(kept)
            rows, values, present = rows[:held], values[:held], present[:held]
            times = None if times is None else times[:held]
        if self._times is not None:
            taken = self._times.fold_with(rows, times)
            rows, values, present = rows[taken], values[taken], present[taken]
        kind = self.field.kind
        for block, in_block, at in each_block(rows):
            encoded = lay_cells(kind, self.parts(block), in_block, values[at], present[at])
            if encoded is not None:
                self.keep(block, encoded)

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad."""
        old_values, old_present = whole_block(self.field.kind, before)
        new_values, new_present = whole_block(self.field.kind, after)
        changed: NDArray[np.bool_] = old_present != new_present
        changed |= old_present & new_present & (old_values != new_values)
        return changed
