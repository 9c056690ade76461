"""Cells, rows and set values written into the blocks of a mutation.

Each call takes what is to be written in all blocks at once. Where blocks can be written in place
(engine.store.mutation) that is one compiled pass, and a second one for those that must be copied
first because a snapshot sees them. Every other block is made anew from what stands in it, and is
written in place from the next record on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.hot_block import HotField
from engine.columns.hot_cells import HotCells
from engine.columns.hot_rows import HotRows, move_rows
from engine.columns.hot_sets import HotGivers, HotSet
from engine.columns.patch_set import patch_codes_set
from engine.columns.zone import Encoded
from engine.live.block_changes import change_cells, change_rows
from engine.live.change import Moves
from engine.live.giver_changes import change_givers
from engine.live.mentions import Settled
from engine.store.catalog import Field
from engine.store.mutation import Mutation

__all__ = ["BlockWriter", "Pairs", "blocks_of"]

_BLOCK_BITS = 16

# Which of some rows.
_Places = slice | NDArray[np.intp]
# What a block becomes, None where it stays; which of the rows given differ from before.
_Changed = tuple[Encoded | None, NDArray[np.bool_]]


class Pairs(NamedTuple):
    """Changes of a set, sorted by row and value: row `rows[i]` uint32 has the value `codes[i]`
    uint32 from now on where `held[i]` bool, and no more where not."""

    rows: NDArray[np.uint32]
    codes: NDArray[np.uint32]
    held: NDArray[np.bool_]

    def of_block(self, block: int) -> Pairs:
        """Those of one block."""
        chosen = _stretch(self.rows, block)
        return Pairs(self.rows[chosen], self.codes[chosen], self.held[chosen])


def blocks_of(rows: NDArray[np.uint32]) -> list[int]:
    """The blocks that sorted rows are in."""
    blocks = rows >> np.uint32(_BLOCK_BITS)
    first = np.append(True, blocks[1:] != blocks[:-1])[: len(blocks)]
    return cast("list[int]", blocks[first].tolist())


class BlockWriter:
    """Writes for one mutation."""

    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation
        self._snapshot = mutation.snapshot
        # What may be written in place, and what then changed it.
        self._as_of = mutation.newest_open, mutation.sequence

    def parts(self, field_id: int, block: int) -> Sequence[Buffer]:
        """The parts of a field in a block as they stand; none where it is a new block."""
        if block >= self._snapshot.block_count:
            return ()
        return self._snapshot.payloads(field_id, block)

    def write_cells(
        self,
        field: Field,
        rows: NDArray[np.uint32],  # sorted, each once
        values: NDArray[Any],
        present: NDArray[np.bool_],  # False erases
    ) -> NDArray[np.bool_]:
        """Lays cells over a field of fixed width; which of them differ from what stood there."""
        hot = cast("HotCells", self._mutation.field(field.id))
        as_of = self._as_of

        def write(at: _Places) -> tuple[NDArray[np.bool_], list[int]]:
            return hot.write(rows[at], values[at], present[at], *as_of)

        def change(parts: Sequence[Buffer], inside: NDArray[np.uint16], at: slice) -> _Changed:
            return change_cells(field.kind, parts, inside, values[at], present[at])

        changed, _ = self._write(field.id, rows, write, change)
        return changed

    def write_rows(
        self,
        field_id: int,
        rows: NDArray[np.uint32],  # sorted, each once
        entered: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Puts rows into a field of rows (`entered`) or takes them out; which of them moved."""
        hot = cast("HotRows", self._mutation.field(field_id))
        as_of = self._as_of

        def write(at: _Places) -> tuple[NDArray[np.bool_], list[int]]:
            return hot.write(rows[at], entered[at], *as_of)

        def change(parts: Sequence[Buffer], inside: NDArray[np.uint16], at: slice) -> _Changed:
            return change_rows(parts, inside, entered[at])

        changed, in_place = self._write(field_id, rows, write, change)
        # Rows of blocks that become others are counted with these.
        moved = entered[in_place]
        self._mutation.grown(field_id, 2 * int(np.count_nonzero(moved)) - len(moved))
        return changed

    def write_moves(self, moves: Moves) -> None:
        """Puts rows into memberships and takes them out: all in one pass, and a second one for the
        blocks that cannot be written in place as they are."""
        mutation = self._mutation
        hot = [cast("HotRows", mutation.field(field_id)) for field_id in moves.fields]
        grown, changed, refused = move_rows(
            hot, moves.starts, moves.rows, moves.entered, *self._as_of
        )
        mutation.changed(changed)
        for field_id, added in zip(moves.fields, grown.tolist(), strict=True):
            mutation.grown(field_id, added)
        if not refused:
            return
        # Whatever may not be written as it stands is copied, and is then: rows of its own take any.
        starts, pieces = np.zeros(len(hot) + 1, np.int64), []
        for field, start, stop in refused:
            block = int(moves.rows[start]) >> _BLOCK_BITS
            if not mutation.renew(moves.fields[field], [block]):
                mutation.heat(moves.fields[field], block, self.parts(moves.fields[field], block))
            starts[field + 1] += stop - start
            pieces.append(slice(start, stop))
        rows = np.concatenate([moves.rows[piece] for piece in pieces])
        entered = np.concatenate([moves.entered[piece] for piece in pieces])
        # By how many rows copies have grown is counted with what they replace.
        _, changed, again = move_rows(hot, np.cumsum(starts).tolist(), rows, entered, *self._as_of)
        assert not again, "a block that was copied may be written"
        mutation.changed(changed)

    def _write(
        self,
        field_id: int,
        rows: NDArray[np.uint32],
        write: Callable[[_Places], tuple[NDArray[np.bool_], list[int]]],
        change: Callable[[Sequence[Buffer], NDArray[np.uint16], slice], _Changed],
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Writes some of the rows by `write`, and by `change` the blocks that it refuses; which
        rows differ from before, and which of them were written where the block stood."""
        mutation = self._mutation
        in_place, refused = write(slice(None))
        changed = in_place.copy()
        if renewed := mutation.renew(field_id, refused):
            at = _places(rows, renewed)
            changed[at], again = write(at)
            refused = _still_refused(refused, renewed, again)
        mutation.changed(blocks_of(rows[changed]))
        for block in refused:
            chosen = _stretch(rows, block)
            inside = rows[chosen].astype(np.uint16)
            encoded, changed[chosen] = change(self.parts(field_id, block), inside, chosen)
            if encoded is not None:
                mutation.put(field_id, block, encoded)
        return changed, in_place

    def write_givers(self, field_id: int, settled: Settled) -> Pairs:
        """Carries out what mentions came down to; what it changes of the set itself."""
        mutation = self._mutation
        hot = cast("HotGivers", mutation.field(field_id))
        rows, codes, held, refused = hot.settle(*settled, *self._as_of)
        pieces = [Pairs(rows, codes, held)]
        if renewed := mutation.renew(field_id, refused):
            rows, codes, held, again = hot.settle(*settled.of_blocks(renewed), *self._as_of)
            pieces.append(Pairs(rows, codes, held))
            refused = _still_refused(refused, renewed, again)
        blocks = blocks_of(np.union1d(settled.rows, _rows_of(settled.replaced)))
        mutation.changed(self._changed_in_place(hot, blocks))
        for block, of_block in settled.of_blocks(refused).each_block() if refused else ():
            change = change_givers(self.parts(field_id, block), of_block)
            if change is not None:
                mutation.put(field_id, block, change.encoded)
                rows = change.rows + np.uint32(block << _BLOCK_BITS)
                pieces.append(Pairs(rows, change.codes, change.held))
        if len(pieces) == 1:
            return pieces[0]
        joined = Pairs(*(np.concatenate(column) for column in zip(*pieces, strict=True)))
        order = np.lexsort((joined.codes, joined.rows))
        return Pairs(joined.rows[order], joined.codes[order], joined.held[order])

    def write_pairs(self, field_id: int, giver_field_id: int, pairs: Pairs) -> None:
        """Changes the values of rows in a set, whose givers have been written."""
        mutation = self._mutation
        hot = cast("HotSet", mutation.field(field_id))
        givers = cast("HotGivers", mutation.field(giver_field_id))
        refused = hot.write(*pairs, *self._as_of, givers)
        if renewed := mutation.renew(field_id, refused):
            at = _places(pairs.rows, renewed)
            again = hot.write(pairs.rows[at], pairs.codes[at], pairs.held[at], *self._as_of, givers)
            refused = _still_refused(refused, renewed, again)
        mutation.changed(self._changed_in_place(hot, blocks_of(pairs.rows)))
        for block in refused:
            rows, codes, held = pairs.of_block(block)
            parts = self.parts(field_id, block)
            encoded = patch_codes_set(parts, rows.astype(np.uint16), codes, held)
            mutation.put(field_id, block, encoded)

    def _changed_in_place(self, hot: HotField, blocks: Iterable[int]) -> Iterator[int]:
        for block in blocks:
            written = hot.get(block)
            if written is not None and written.sequence == self._mutation.sequence:
                yield block


def _places(rows: NDArray[np.uint32], blocks: list[int]) -> NDArray[np.intp]:
    """Which of the rows are in some blocks."""
    return np.flatnonzero(np.isin(rows >> np.uint32(_BLOCK_BITS), blocks))


def _still_refused(refused: list[int], renewed: list[int], again: list[int]) -> list[int]:
    """The blocks that neither of two passes took, ascending."""
    return sorted({*refused} - {*renewed} | {*again})


def _stretch(rows: NDArray[np.uint32], block: int) -> slice:
    """Where the sorted rows of a block are."""
    edges = np.array([block << _BLOCK_BITS, (block + 1) << _BLOCK_BITS], np.uint64)
    start, stop = np.searchsorted(rows, edges).tolist()
    return slice(start, stop)


def _rows_of(pairs: NDArray[np.uint64]) -> NDArray[np.uint32]:
    return (pairs >> np.uint64(32)).astype(np.uint32)
