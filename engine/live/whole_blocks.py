"""Blocks of which many rows flip at one instant, as at a local midnight.

Rows are judged one by one, at some tenths of a microsecond for each segment. Where a twentieth of
a block flips at the same instant it is cheaper to evaluate the block as it is then, by the program
that answers questions, and to compare that with who was in before. Rows of the block that flip at
other instants too are left to be judged one by one, at all of theirs: so all that a row does is
found in one way, and in the order of time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core.evaluate import block_masks
from engine.core.memberships import take_moves
from engine.live.change import Touched
from engine.live.segment_plan import SegmentPlan
from engine.live.standing_list import StandingList
from engine.live.time_span import RowClocks
from engine.model.definitions import Model
from engine.rules import bound
from engine.store.snapshot import Snapshot

__all__ = [
    "MASS_ROWS",
    "BlockMoves",
    "FlipsOfRows",
    "Massed",
    "WholeBlocks",
    "are_few",
    "marks_of",
    "massed",
    "packed",
]

_BLOCK_BITS = 16
_BLOCK_ROWS = 1 << _BLOCK_BITS

# Rows of a block that flip at one instant, from which on the block is evaluated: a twentieth.
MASS_ROWS = _BLOCK_ROWS // 20

# Programs that a slice leaves to the next one, and after how many readings that were no slices they
# are let go of: batches come in between.
_KEPT_PROGRAMS = 4
_UNUSED_READINGS = 16

# Flips that are looked at to find out which instants may be those of many.
_SAMPLE = 1024

# Rows with an instant each at which they flip.
FlipsOfRows = tuple[NDArray[np.uint32], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Massed:
    """Flips of whole blocks: `instants[block]` are those at which many rows of a block flip,
    ascending; `rest` are all flips of rows that flip at other instants too, and `apart[block]` a
    mask of these rows."""

    instants: Mapping[int, Sequence[int]]
    apart: Mapping[int, NDArray[np.uint64]]
    rest: FlipsOfRows


@dataclass(frozen=True, slots=True)
class BlockMoves:
    """What one instant does to a segment in one block: rows that enter and that leave, sorted."""

    segment: int
    instant_us: int
    entered: NDArray[np.uint32]
    left: NDArray[np.uint32]


def massed(flips: Sequence[FlipsOfRows], others: RowClocks | None = None) -> Massed | None:
    """The flips of many rows at once among some, which are all of the blocks that they are of;
    None where there are none. The rows of `others` stand apart, too."""
    if are_few(sum(len(rows) for rows, _ in flips)):
        return None
    rows = np.concatenate([rows for rows, _ in flips])
    instants = np.concatenate([instants for _, instants in flips])
    blocks = rows >> np.uint32(_BLOCK_BITS)
    together = np.zeros(len(rows), np.bool_)
    found: dict[int, list[int]] = {}
    for instant in _frequent(instants):
        hit = np.flatnonzero(instants == instant)
        for block in np.flatnonzero(np.bincount(blocks[hit]) >= MASS_ROWS).tolist():
            of_block = hit[blocks[hit] == block]
            if np.count_nonzero(marks_of(rows[of_block])) >= MASS_ROWS:
                found.setdefault(block, []).append(instant)
                together[of_block] = True
    if not found:
        return None
    apart, kept = {}, ~together
    for block in found:
        of_block = np.flatnonzero(blocks == block)
        marks = marks_of(rows[of_block[~together[of_block]]])
        if others is not None:
            marks |= marks_of(others.of_block(block))
        kept[of_block] = marks[rows[of_block] & np.uint32(_BLOCK_ROWS - 1)]
        apart[block] = packed(marks)
    return Massed(found, apart, (rows[kept], instants[kept]))


def are_few(flips: int) -> bool:
    """Whether there are too few flips for those of many rows to be among them."""
    return flips < MASS_ROWS


def _frequent(instants: NDArray[np.int64]) -> list[int]:
    """Instants that many flips may have in common, ascending."""
    stride = max(1, len(instants) // _SAMPLE)
    values, counts = np.unique(instants[::stride], return_counts=True)
    # Half of what is expected; and of very many flips no instant by mere chance.
    least = max(MASS_ROWS // (2 * stride), min(stride, 4))
    found: list[int] = values[counts >= least].tolist()
    return found


def marks_of(rows: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which rows of a block are among some of it, bool (65536,)."""
    marks = np.zeros(_BLOCK_ROWS, np.bool_)
    marks[rows & np.uint32(_BLOCK_ROWS - 1)] = True
    return marks


def packed(marks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """The mask of a block of marks of its rows."""
    return np.packbits(marks, bitorder="little").view(np.uint64)


class WholeBlocks:
    """Segments in whole blocks, at any instant; for one thread, which sees states of the store in
    their order.

    `bodies` and `fields`, the numbers of their membership fields, are in the order of the segments.
    To make a program of many segments takes about as long as to run it over a block, so the
    programs of a tick that is cut into slices are kept from one slice to the next.
    """

    def __init__(
        self, model: Model, bodies: Sequence[bound.BoundExpr], fields: Sequence[int]
    ) -> None:
        self._model = model
        self._bodies = bodies
        self._fields = fields
        self._snapshot: Snapshot | None = None
        self._lists: Mapping[str, StandingList] = {}
        # Programs by instant: those that were kept, and those that are bound to the state.
        self._kept: dict[int, SegmentPlan] = {}
        self._bound: dict[int, SegmentPlan] = {}
        self._unused = 0

    def forget(self) -> None:
        """Keeps nothing of what was asked so far."""
        self._kept.clear()

    def follow(self, snapshot: Snapshot, touched: Touched) -> None:
        """Keeps what still says the same of a later state, whose changes are `touched`."""
        for instant_us, plan in list(self._kept.items()):
            if not plan.fits(snapshot, touched):
                del self._kept[instant_us]

    @contextlib.contextmanager
    def reading(
        self, snapshot: Snapshot, lists: Mapping[str, StandingList], *, is_slice: bool
    ) -> Iterator[WholeBlocks]:
        """Inside, `moves` is about one state; `lists` are what is known of uploaded lists. What is
        asked in a slice is likely to be asked again."""
        self._snapshot, self._lists = snapshot, lists
        try:
            yield self
        finally:
            for plan in self._bound.values():
                plan.program.unbind()  # pins no pages until it is asked again
            if is_slice:
                self._kept, self._unused = dict(list(self._bound.items())[:_KEPT_PROGRAMS]), 0
            elif (unused := self._unused + 1) > _UNUSED_READINGS:
                self._kept.clear()
            else:
                self._unused = unused
            self._bound, self._snapshot, self._lists = {}, None, {}

    def rows_of(self, block: int) -> int:
        """How many rows a block has."""
        assert self._snapshot is not None, "nothing is read"
        return min(_BLOCK_ROWS, self._snapshot.row_count - (block << _BLOCK_BITS))

    def moves(self, block: int, segments: Mapping[int, Massed]) -> tuple[list[BlockMoves], int]:
        """What happens in a block to segments of which many rows flip there, without the rows that
        flip at other instants too: segment by segment, each in the order of time. And how many
        rows were evaluated, once for each segment and instant."""
        stored: dict[int, NDArray[np.uint64]] = {}
        found: list[BlockMoves] = []
        evaluated = 0
        for instant in sorted({at for one in segments.values() for at in one.instants[block]}):
            some = [i for i, one in segments.items() if instant in one.instants[block]]
            plan = self._plan(instant)
            fresh = [i for i in some if i not in stored]
            roots = [plan.roots[i] for i in some]
            roots += [plan.roots[len(self._bodies) + i] for i in fresh]
            masks = block_masks(plan.program, roots, block)
            stored.update(zip(fresh, masks[len(some) :], strict=True))
            evaluated += len(some) * self.rows_of(block)
            for i, mask in zip(some, masks, strict=False):
                entered, left = take_moves(mask, stored[i], segments[i].apart[block], block)
                if len(entered) or len(left):
                    found.append(BlockMoves(i, instant, entered, left))
        return sorted(found, key=lambda one: one.segment), evaluated

    def _plan(self, instant_us: int) -> SegmentPlan:
        """The program of the definitions at an instant, and behind them of their stored members."""
        plan = self._bound.get(instant_us)
        if plan is not None:
            return plan
        assert self._snapshot is not None, "nothing is read"
        plan = self._kept.get(instant_us)
        if plan is None:
            bodies = {str(number): body for number, body in enumerate(self._bodies)}
            memberships = {f"stored {field}": field for field in self._fields}
            alive = bound.BoundConstant(True, None)
            bodies |= {name: bound.BoundSegment(name, alive, None) for name in memberships}
            plan = SegmentPlan(
                self._snapshot,
                self._model,
                bodies,
                now_us=instant_us,
                stored=memberships,
                lists=self._lists,
            )
        plan.move_everywhere(self._snapshot)
        self._bound[instant_us] = plan
        return plan
