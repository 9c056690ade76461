"""Loading a set attribute: who gives which values to whom, and the union that rules read.

The (row, value, giver) triples are the truth; the set itself is their union over givers. A
mention (row, giver, values) replaces all that this giver had given to that row. Of several
mentions of one row and giver the last one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.givers import Givers, decode_givers, encode_givers
from engine.columns.sets import encode_set_pairs
from engine.live.field_load import FieldLoad, each_block
from engine.store.catalog import Field
from engine.store.store import Snapshot

__all__ = ["GiverField", "SetUnion", "stretches"]


class _Mentions(NamedTuple):
    """Mentions: rows uint32 (m,), givers uint32 (m,), and the values of each, packed.

    Mention i has `values[offsets[i]:offsets[i + 1]]`, offsets int64 (m + 1,).
    """

    rows: NDArray[np.uint32]
    givers: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    values: NDArray[np.uint32]


class SetUnion(FieldLoad):
    """The set field itself; its blocks come out of the folding of the givers."""

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad; nothing waits here."""
        return 0

    def fold(self) -> None:
        """See FieldLoad; nothing to do."""

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad. What differs here differs in the givers too, which are asked."""
        return np.zeros(BLOCK_ROWS, np.bool_)


class GiverField(FieldLoad):
    """A load's change to the givers of a set, and through them to the set."""

    def __init__(self, snapshot: Snapshot, field: Field, union: SetUnion) -> None:
        super().__init__(snapshot, field)
        self._union = union
        self._waiting: list[_Mentions] = []

    def stage(
        self,
        rows: NDArray[np.uint32],
        givers: NDArray[np.uint32],
        offsets: NDArray[np.int64],
        values: NDArray[np.uint32],
    ) -> None:
        """Mentions, in the order of the updates; see _Mentions. One may have no values."""
        if len(rows):
            self._waiting.append(_Mentions(rows, givers, offsets, values))

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(column.nbytes for mentions in self._waiting for column in mentions)

    def fold(self) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        mentions = _last_mentions(_joined(self._waiting))
        self._waiting = []
        sizes = np.diff(mentions.offsets)
        for block, in_block, cells in each_block(mentions.rows):
            mentioned = in_block.astype(np.uint64) << np.uint64(32) | mentions.givers[cells]
            old = _decode(self.parts(block))
            keys = old.rows.astype(np.uint64) << np.uint64(32) | old.givers
            kept = ~np.isin(keys, mentioned)
            picked = stretches(mentions.offsets[:-1][cells], sizes[cells])
            new_givers = np.repeat(mentions.givers[cells], sizes[cells])
            rows = np.concatenate((old.rows[kept], np.repeat(in_block, sizes[cells])))
            values = np.concatenate((old.values[kept], mentions.values[picked]))
            givers = np.concatenate((old.givers[kept], new_givers))
            self.encoded[block] = encode_givers(rows, values, givers)
            self._union.encoded[block] = encode_set_pairs(rows, values)

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad."""
        old, new = _decode(before), _decode(after)
        changed = np.zeros(BLOCK_ROWS, np.bool_)
        rows = np.concatenate((old.rows, new.rows))
        values = np.concatenate((old.values, new.values))
        givers = np.concatenate((old.givers, new.givers))
        order = np.lexsort((givers, values, rows))
        rows, values, givers = rows[order], values[order], givers[order]
        # Each side has a triple once, so one that both have stands twice in a row.
        twice = (rows[1:] == rows[:-1]) & (values[1:] == values[:-1]) & (givers[1:] == givers[:-1])
        alone = ~(np.append(twice, False) | np.append(False, twice))
        changed[rows[alone[: len(rows)]]] = True
        return changed


def _decode(parts: Sequence[Buffer]) -> Givers:
    if not parts:
        empty = np.zeros(0, np.uint32)
        return Givers(np.zeros(0, np.uint16), empty, empty)
    return decode_givers(parts)


def _joined(waiting: Sequence[_Mentions]) -> _Mentions:
    sizes = np.concatenate([np.diff(mentions.offsets) for mentions in waiting])
    return _Mentions(
        np.concatenate([mentions.rows for mentions in waiting]),
        np.concatenate([mentions.givers for mentions in waiting]),
        np.append(np.int64(0), np.cumsum(sizes)),
        np.concatenate([mentions.values for mentions in waiting]),
    )


def _last_mentions(mentions: _Mentions) -> _Mentions:
    """Only the last mention of each row and giver, in their order."""
    keys = mentions.rows.astype(np.uint64) << np.uint64(32) | mentions.givers
    _, from_end = np.unique(keys[::-1], return_index=True)
    if len(from_end) == len(keys):
        return mentions
    last = np.sort(len(keys) - 1 - from_end)
    sizes = np.diff(mentions.offsets)[last]
    return _Mentions(
        mentions.rows[last],
        mentions.givers[last],
        np.append(np.int64(0), np.cumsum(sizes)),
        mentions.values[stretches(mentions.offsets[last], sizes)],
    )


def stretches(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions start, start + 1, ... of several stretches, one after the other."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()), dtype=np.int64)
