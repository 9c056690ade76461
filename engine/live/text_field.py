"""Loading a text attribute: one string a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.strings import Strings, concat
from engine.columns.texts import decode_texts, encode_texts
from engine.columns.zone import Encoded
from engine.live.event_times import join_times
from engine.live.field_load import FieldLoad, cut_length, each_block, first_held
from engine.live.time_field import TimeField
from engine.live.update import TextCells
from engine.store.catalog import Field
from engine.store.store import Snapshot

__all__ = ["TextField", "lay_texts", "read_texts", "texts_differ", "whole_texts"]


def lay_texts(parts: Sequence[Buffer], rows: NDArray[np.uint16], texts: Strings) -> Encoded:
    """A block with texts (n,) laid over it; missing ones erase, and later ones win."""
    old = _decode(parts)
    both = concat((old, texts))
    # The place of each row's string in `both`; of cells of one row numpy keeps the last one.
    places = np.full(BLOCK_ROWS, -1, np.int64)
    places[: len(old)] = np.arange(len(old))
    places[rows] = len(old) + np.arange(len(rows))
    whole = both.take(places)
    return encode_texts(whole.slice(0, cut_length(whole.valid)))


def read_texts(parts: Sequence[Buffer], rows: NDArray[np.uint16]) -> Strings:
    """The texts of some rows (n,) of a block."""
    stored = _decode(parts)
    return stored.take(np.where(rows < len(stored), rows.astype(np.int64), -1))


def texts_differ(left: Strings, right: Strings) -> NDArray[np.bool_]:
    """Which of n pairs of strings differ."""
    differ: NDArray[np.bool_] = left.valid != right.valid
    both = left.valid & right.valid
    differ |= both & (left.lengths() != right.lengths())
    # What is left has the same length on both sides, so that bytes stand opposite each other.
    alike = np.flatnonzero(both & ~differ & (left.lengths() > 0))
    if len(alike):
        ours, theirs = left.take(alike), right.take(alike)
        unequal = (ours.data != theirs.data).astype(np.int64)
        differ[alike] = np.add.reduceat(unequal, ours.offsets[:-1]) > 0
    return differ


class TextField(FieldLoad):
    """A load's change to a text attribute; `times` is that to its event times, if any are kept."""

    def __init__(self, snapshot: Snapshot, field: Field, times: TimeField | None = None) -> None:
        super().__init__(snapshot, field)
        self._times = times
        self._waiting: list[TextCells] = []

    def stage(self, cells: TextCells) -> None:
        """Cells in the order of the updates."""
        if len(cells.rows):
            self._waiting.append(cells)

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(12 * len(cells.rows) + len(cells.values.data) for cells in self._waiting)

    def fold(self, hold: int | None = None) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        rows = np.concatenate([cells.rows for cells in self._waiting])
        texts = concat([cells.values for cells in self._waiting])
        times = join_times([(cells.rows, cells.times) for cells in self._waiting])
        self._waiting = []
        held = first_held(rows, hold)
        if held < len(rows):
            later = None if times is None else times[held:]
            kept = texts.take(np.arange(held, len(rows)))
            self._waiting.append(TextCells(self.field.id, rows[held:], kept, later))
            rows, times = rows[:held], None if times is None else times[:held]
        places: NDArray[np.intp] = np.arange(len(rows))
        if self._times is not None:
            places = places[self._times.fold_with(rows, times)]
        for block, in_block, at in each_block(rows[places]):
            self.keep(block, lay_texts(self.parts(block), in_block, texts.take(places[at])))

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad."""
        return texts_differ(_padded(_decode(before)), _padded(_decode(after)))


def _decode(parts: Sequence[Buffer]) -> Strings:
    return decode_texts(parts) if parts else Strings.missing(0)


def whole_texts(parts: Sequence[Buffer]) -> Strings:
    """The texts of all rows of a block."""
    return _padded(_decode(parts))


def _padded(texts: Strings) -> Strings:
    return concat((texts, Strings.missing(BLOCK_ROWS - len(texts))))
