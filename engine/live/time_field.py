"""Loading the event times of an attribute's cells, which say which of its cells are taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.live.event_times import are_taken, change_times, lasting
from engine.live.field_load import FieldLoad, each_block

__all__ = ["TimeField"]


class TimeField(FieldLoad):
    """A load's change to the event times of one attribute, folded along with its cells."""

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad; nothing waits here."""
        return 0

    def fold(self, hold: int | None = None) -> None:
        """See FieldLoad; nothing to do."""

    def fold_with(
        self, rows: NDArray[np.uint32], times: NDArray[np.int64] | None
    ) -> slice | NDArray[np.intp]:
        """Which of the cells (n,) of the attribute are taken, the later ones winning."""
        if times is None:
            for block, in_block, _ in each_block(rows):
                if self.parts(block):
                    self._change(block, np.unique(in_block), None)
            return slice(None)
        at, always = lasting(rows, times)
        taken = [np.zeros(0, np.intp)]
        for block, in_block, cells in each_block(rows[at]):
            brought = times[at[cells]]
            kept = are_taken(self.parts(block), in_block, brought, always[cells])
            self._change(block, in_block[kept], brought[kept])
            taken.append(at[cells][kept])
        return np.concatenate(taken)

    def _change(
        self, block: int, rows: NDArray[np.uint16], times: NDArray[np.int64] | None
    ) -> None:
        encoded = change_times(self.parts(block), rows, times)
        if encoded is not None:
            self.keep(block, encoded)

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad. An event time is no part of a profile, only what it decided."""
        return np.zeros(BLOCK_ROWS, np.bool_)
