"""Loading what makes a profile: that it lives, its uid, and the values of its identifiers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS, mask_of_rows, rows_of_mask
from engine.columns.sets import decode_rows, encode_rows
from engine.columns.strings import Strings, concat
from engine.columns.uids import UID_BYTES, decode_uids, encode_uids
from engine.columns.values import decode_values, encode_values, read_head
from engine.columns.zone import Encoded
from engine.live.field_load import FieldLoad, are_ascending, each_block, first_held
from engine.store.catalog import Field
from engine.store.store import Snapshot

__all__ = [
    "IdentifierField",
    "LiveField",
    "UidField",
    "add_rows",
    "add_uids",
    "add_values",
    "count_values",
    "count_values_of",
]


def add_rows(parts: Sequence[Buffer], rows: NDArray[np.uint16]) -> Encoded:
    """The live rows of a block, and more."""
    if parts or not are_ascending(rows):
        words = mask_of_rows(np.concatenate((_decode_rows(parts), rows)))
        rows = rows_of_mask(words)
    return encode_rows(rows)


def add_uids(parts: Sequence[Buffer], rows: NDArray[np.uint16], uids: NDArray[np.uint8]) -> Encoded:
    """The uids of a block with those of some rows (n,), uint8 (n, 16)."""
    if not parts and int(rows[0]) == 0 and int(rows[-1]) == len(rows) - 1 and are_ascending(rows):
        return encode_uids(uids)
    old = _decode_uids(parts)
    whole = np.zeros((max(len(old), int(rows.max()) + 1), UID_BYTES), np.uint8)
    whole[: len(old)] = old
    whole[rows] = uids
    return encode_uids(whole)


def add_values(parts: Sequence[Buffer], rows: NDArray[np.uint16], values: Strings) -> Encoded:
    """The identifiers of one kind in a block, and those that some rows (n,) got."""
    if not parts:
        return encode_values(rows, values)
    old_rows, old_values = _decode_values(parts)
    return encode_values(np.concatenate((old_rows, rows)), concat((old_values, values)))


def count_values(parts: Sequence[Buffer]) -> NDArray[np.int64]:
    """How many identifiers of one kind each row of a block has, int64 (65536,)."""
    return np.bincount(_decode_values(parts)[0], minlength=BLOCK_ROWS)


def count_values_of(parts: Sequence[Buffer], rows: NDArray[np.uint16]) -> NDArray[np.int64]:
    """How many identifiers of one kind some rows (n,) of a block have, int64 (n,)."""
    counts = np.zeros(len(rows), np.int64)
    for part in parts:
        head = read_head(part)
        owners = np.frombuffer(part, np.uint16, head.pair_count, head.rows_offset)
        counts += np.searchsorted(owners, rows, side="right") - np.searchsorted(owners, rows)
    return counts


class LiveField(FieldLoad):
    """New live rows."""

    def __init__(self, snapshot: Snapshot, field: Field) -> None:
        super().__init__(snapshot, field)
        self._waiting: list[NDArray[np.uint32]] = []

    def stage(self, rows: NDArray[np.uint32]) -> None:
        """Rows (n,) of new profiles."""
        if len(rows):
            self._waiting.append(rows)

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(rows.nbytes for rows in self._waiting)

    def fold(self, hold: int | None = None) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        held = first_held(rows, hold)
        self._waiting = [rows[held:]] if held < len(rows) else []
        for block, in_block, _ in each_block(rows[:held]):
            self.keep(block, add_rows(self.parts(block), in_block))

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad."""
        changed = np.zeros(BLOCK_ROWS, np.bool_)
        changed[np.setxor1d(_decode_rows(before), _decode_rows(after))] = True
        return changed


class UidField(FieldLoad):
    """Uids of new profiles."""

    def __init__(self, snapshot: Snapshot, field: Field) -> None:
        super().__init__(snapshot, field)
        self._waiting: list[tuple[NDArray[np.uint32], NDArray[np.uint8]]] = []

    def stage(self, rows: NDArray[np.uint32], uids: NDArray[np.uint8]) -> None:
        """Rows (n,) of new profiles and their uids (n, 16)."""
        if len(rows):
            self._waiting.append((rows, uids))

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(rows.nbytes + uids.nbytes for rows, uids in self._waiting)

    def fold(self, hold: int | None = None) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        rows, uids = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
        held = first_held(rows, hold)
        self._waiting = [(rows[held:], uids[held:])] if held < len(rows) else []
        for block, in_block, cells in each_block(rows[:held]):
            self.keep(block, add_uids(self.parts(block), in_block, uids[cells]))

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad."""
        states = np.zeros((2, BLOCK_ROWS, UID_BYTES), np.uint8)
        for state, parts in zip(states, (before, after), strict=True):
            uids = _decode_uids(parts)
            state[: len(uids)] = uids
        differs: NDArray[np.bool_] = (states[0] != states[1]).any(axis=1)
        return differs


class IdentifierField(FieldLoad):
    """Identifiers of one kind that got an owner."""

    def __init__(self, snapshot: Snapshot, field: Field) -> None:
        super().__init__(snapshot, field)
        self._rows: list[NDArray[np.uint32]] = []
        self._values: list[Strings] = []
        # Identifiers by row, for the blocks that somebody asked about.
        self._counts: dict[int, NDArray[np.int64]] = {}

    def stage(self, rows: NDArray[np.uint32], values: Strings) -> None:
        """Rows (n,) and the identifiers (n,) that each got; none has them already."""
        if not len(rows):
            return
        self._rows.append(rows)
        self._values.append(values)
        for block, counts in self._counts.items():
            in_block = rows[rows >> 16 == block].astype(np.uint16)
            np.add.at(counts, in_block, 1)

    def count_owned(self, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
        """How many identifiers of this kind each row owns, staged ones included."""
        owned = np.zeros(len(rows), np.int64)
        for block, in_block, cells in each_block(rows):
            if block not in self._counts:
                self.fold()
                self._counts[block] = count_values(self.parts(block))
            owned[cells] = self._counts[block][in_block]
        return owned

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(12 * len(values) + len(values.data) for values in self._values)

    def fold(self, hold: int | None = None) -> None:
        """See FieldLoad."""
        if not self._rows:
            return
        rows, values = np.concatenate(self._rows), concat(self._values)
        self._rows, self._values = [], []
        held = first_held(rows, hold if are_ascending(rows) else None)
        if held < len(rows):
            self._rows, self._values = [rows[held:]], [values.take(np.arange(held, len(rows)))]
        for block, in_block, cells in each_block(rows[:held]):
            of_block = (
                values.slice(cells.start, cells.stop)
                if isinstance(cells, slice)
                else values.take(cells)
            )
            self.keep(block, add_values(self.parts(block), in_block, of_block))

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad. Identifiers only ever join a row, so their number tells."""
        differs: NDArray[np.bool_] = count_values(before) != count_values(after)
        return differs


def _decode_rows(parts: Sequence[Buffer]) -> NDArray[np.uint16]:
    return decode_rows(parts) if parts else np.zeros(0, np.uint16)


def _decode_uids(parts: Sequence[Buffer]) -> NDArray[np.uint8]:
    return decode_uids(parts) if parts else np.zeros((0, UID_BYTES), np.uint8)


def _decode_values(parts: Sequence[Buffer]) -> tuple[NDArray[np.uint16], Strings]:
    return decode_values(parts) if parts else (np.zeros(0, np.uint16), Strings.missing(0))
