"""Loading a set attribute: who gives which values to whom, and the union that rules read.

The (row, value, giver) triples are the truth; the set itself is their union over givers. What
several mentions of a row come down to stands in mentions.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.givers import decode_givers
from engine.columns.sets import encode_set_pairs
from engine.live.field_load import FieldLoad
from engine.live.giver_changes import change_givers, decode_or_none
from engine.live.mentions import Mentions, join_mentions, settle
from engine.store.catalog import Field
from engine.store.store import Snapshot

__all__ = ["GiverField", "SetUnion"]


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
        self._waiting: list[Mentions] = []

    def stage(self, mentions: Mentions) -> None:
        """Mentions, in the order of the updates."""
        if len(mentions.rows):
            self._waiting.append(mentions)

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad."""
        return sum(column.nbytes for mentions in self._waiting for column in mentions)

    def fold(self) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        settled = settle(join_mentions(self._waiting))
        self._waiting = []
        for block, in_block in settled.each_block():
            change = change_givers(self.parts(block), in_block)
            if change is not None:
                self.encoded[block] = change.encoded
                triples = decode_givers(change.encoded.parts)
                self._union.encoded[block] = encode_set_pairs(triples.rows, triples.values)

    def differing(self, before: Sequence[Buffer], after: Sequence[Buffer]) -> NDArray[np.bool_]:
        """See FieldLoad."""
        old, new = decode_or_none(before), decode_or_none(after)
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
