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
from engine.columns.cell_pairs import cell_triples
from engine.columns.giver_pieces import encode_giver_pieces
from engine.columns.givers import Givers, decode_givers
from engine.columns.sets import encode_set_pairs
from engine.columns.zone import Encoded
from engine.live.field_load import FieldLoad, are_ascending, each_block, first_held
from engine.live.giver_changes import change_givers, decode_or_none
from engine.live.mentions import Mentions, Settled, join_mentions, settle
from engine.live.update import REMOVE
from engine.store.catalog import Field
from engine.store.store import Snapshot

__all__ = ["GiverField", "SetUnion"]


class SetUnion(FieldLoad):
    """The set field itself; its blocks come out of the folding of the givers."""

    @property
    def staged_bytes(self) -> int:
        """See FieldLoad; nothing waits here."""
        return 0

    def fold(self, hold: int | None = None) -> None:
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

    def fold(self, hold: int | None = None) -> None:
        """See FieldLoad."""
        if not self._waiting:
            return
        mentions = join_mentions(self._waiting)
        self._waiting = []
        if not are_ascending(mentions.rows):
            for block, in_block in settle(mentions).each_block():
                self._change(block, in_block)
            return
        held = first_held(mentions.rows, hold)
        if held < len(mentions.rows):
            self._waiting.append(mentions.between(held, len(mentions.rows)))
        for block, _, at in each_block(mentions.rows[:held]):
            assert isinstance(at, slice), "the rows ascend"
            self._fold_in_order(block, mentions.between(at.start, at.stop))

    def _fold_in_order(self, block: int, mentions: Mentions) -> None:
        """Works mentions of one block in, each of another row, in the order of these rows: what
        they name is what the rows have, where nobody had given them anything."""
        held = (mentions.modes != REMOVE).view(np.uint8)
        made = Givers(*cell_triples(*mentions[:3], held, mentions.values))
        parts = self.parts(block)
        if not parts:
            if len(made.rows):
                self._keep_both(block, encode_giver_pieces([made]))
        elif not _are_same(decode_givers(parts), made):
            self._change(block, settle(mentions))

    def _change(self, block: int, settled: Settled) -> None:
        change = change_givers(self.parts(block), settled)
        if change is not None:
            self._keep_both(block, change.encoded)

    def _keep_both(self, block: int, encoded: Encoded) -> None:
        self.keep(block, encoded)
        triples = decode_givers(encoded.parts)
        self._union.keep(block, encode_set_pairs(triples.rows, triples.values))

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


def _are_same(old: Givers, new: Givers) -> bool:
    return (
        np.array_equal(old.rows, new.rows)
        and np.array_equal(old.values, new.values)
        and np.array_equal(old.givers, new.givers)
    )
