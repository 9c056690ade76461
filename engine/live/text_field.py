"""Loading a text attribute: one string a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.strings import Strings, concat
from engine.columns.texts import decode_texts, encode_texts
from engine.live.field_load import FieldLoad, cut_length, each_block
from engine.store.catalog import Field
from engine.store.store import Snapshot

__all__ = ["TextField"]


class TextField(FieldLoad):
    """A load's change to a text attribute."""

    def __init__(self, snapshot: Snapshot, field: Field) -> None:
        super().__init__(snapshot, field)
        self._rows: list[NDArray[np.uint32]] = []
        self._texts: list[Strings] = []

    def stage(self, rows: NDArray[np.uint32], texts: Strings) -> None:
        """Cells of rows (n,); a missing string erases. Later cells win."""
        if len(rows):
            self._rows.append(rows)
            self._texts.append(texts)

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(12 * len(texts) + len(texts.data) for texts in self._texts)

    def fold(self) -> None:
        """See FieldLoad."""
        if not self._rows:
            return
        rows, texts = np.concatenate(self._rows), concat(self._texts)
        self._rows, self._texts = [], []
        for block, in_block, cells in each_block(rows):
            old = _decode(self.parts(block))
            both = concat((old, texts.take(np.arange(len(texts))[cells])))
            # The place of each row's string in `both`; of cells of one row the last one stays.
            places = np.full(BLOCK_ROWS, -1, np.int64)
            places[: len(old)] = np.arange(len(old))
            places[in_block] = len(old) + np.arange(len(in_block))
            whole = both.take(places)
            self.encoded[block] = encode_texts(whole.slice(0, cut_length(whole.valid)))

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad."""
        old, new = _padded(_decode(before)), _padded(_decode(after))
        changed: NDArray[np.bool_] = old.valid != new.valid
        both = old.valid & new.valid
        changed |= both & (old.lengths() != new.lengths())
        for row in np.flatnonzero(both & ~changed).tolist():
            changed[row] = old[row] != new[row]
        return changed


def _decode(parts: Sequence[Buffer]) -> Strings:
    return decode_texts(parts) if parts else Strings.missing(0)


def _padded(texts: Strings) -> Strings:
    return concat((texts, Strings.missing(BLOCK_ROWS - len(texts))))
