"""The finders that flip where events pass edges of windows, and at no other instant.

What they ask is answered by cursors (engine.live.event_cursors) for all rows at once, instead of
block by block and row by row. Where a finder takes all events of its types, each that passes is a
flip; where it has a condition or reads a property, the rows of those that pass are asked when
theirs flip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.live.event_chains import EventChains
from engine.live.event_cursors import EventCursors, PassedEdges
from engine.live.moving_plan import LeafFlips, MovingParts
from engine.live.row_places import union_of_rows
from engine.live.rows_read import RowsRead
from engine.live.step_events import BroughtEvents
from engine.store.snapshot import Snapshot

__all__ = ["FinderCursors", "Passing", "among"]

_BLOCK_BITS = 16


class FinderCursors:
    """Of some definitions the finders that are served by cursors, by number; none of them where not
    `serves`."""

    def __init__(
        self, parts: MovingParts, zone: ZoneInfo, chains: EventChains, *, serves: bool = True
    ) -> None:
        self._parts = parts
        self._zone = zone
        self._chains = chains
        self._cursors = EventCursors(zone, chains)
        # Of each finder its cursors, and whether all that passes is a flip of it.
        self._of: dict[int, tuple[tuple[int, ...], bool]] = {}
        for number, finder in enumerate(parts.leaves):
            passing = finder.passing if serves else None
            if passing is not None:
                cursors = sorted(self._cursors.number(edge) for edge in passing.edges)
                self._of[number] = tuple(cursors), passing.is_exact

    def __contains__(self, finder: int) -> bool:
        return finder in self._of

    @property
    def types(self) -> frozenset[str]:
        """The types of event that they are about."""
        return self._cursors.types

    def earliest(self) -> Mapping[int, int]:
        """Finder -> an instant before which nobody flips."""
        return {n: self._cursors.earliest(cursors) for n, (cursors, _) in self._of.items()}

    def block_looks(self, through_us: int) -> int:
        """In how many blocks a calendar turns for events on the way to an instant."""
        return self._cursors.turning(through_us)

    def bring_forward(
        self, snapshot: Snapshot, brought: Sequence[BroughtEvents], now_us: int
    ) -> None:
        """Events came."""
        self._cursors.grow(snapshot.block_count)
        self._cursors.bring_forward(snapshot, brought, now_us)

    def take(
        self,
        snapshot: Snapshot,
        after_us: int,
        through_us: int,
        absorbs: Callable[[int], bool] | None,
        *,
        by_turns: bool = False,
    ) -> Passing:
        """The flips after one instant and up to another, which then are behind. `by_turns`: where a
        calendar turns for a finder in a block, it is not listed who flips then."""
        self._cursors.grow(snapshot.block_count)
        passed, turned, blocks_read = self._cursors.take(
            snapshot, after_us, through_us, absorbs, by_turns=by_turns
        )
        flips: list[LeafFlips] = []
        turning: dict[int, dict[int, tuple[int, ...]]] = {}
        asked: dict[tuple[int, ...], RowsRead] = {}
        for number, (cursors, is_exact) in self._of.items():
            for each in (turned[cursor] for cursor in cursors if cursor in turned):
                for block in each.blocks.tolist():
                    of_block = turning.setdefault(block, {})
                    of_block[number] = (*of_block.get(number, ()), *each.instants)
            found = [passed[cursor] for cursor in cursors if cursor in passed]
            if not found:
                continue
            if is_exact:
                one = _joined(found)
            else:
                if cursors not in asked:
                    rows = union_of_rows([each.rows for each in found])
                    asked[cursors] = RowsRead(snapshot, rows, self._zone, self._chains)
                own = self._parts.leaves[number].between(asked[cursors], after_us, through_us)
                one = _joined([PassedEdges(own.rows, own.instants)], in_order=False)
            if len(one.rows):
                flips.append((number, one.rows, one.instants))
        return Passing(flips, blocks_read, turning)


class Passing:
    """Flips of finders, to be had in the order of blocks. `turning[block]` has the finders for
    which a calendar turns there, with the instants of it, in any order; whoever flips at these and
    at no other is not among the flips."""

    def __init__(
        self,
        flips: Sequence[LeafFlips],
        blocks_read: int,
        turning: Mapping[int, Mapping[int, Sequence[int]]],
    ) -> None:
        self.blocks_read = blocks_read
        self.turning = turning
        self._flips = flips
        self._taken = [0] * len(flips)

    def stops(self, most: int) -> list[int]:
        """Blocks at which to stop for about so many flips at a time."""
        if sum(len(rows) for _, rows, _ in self._flips) <= most:
            return []
        blocks = [rows >> np.uint32(_BLOCK_BITS) for _, rows, _ in self._flips]
        portions = np.cumsum(np.bincount(np.concatenate(blocks))) // most
        stops: list[int] = np.flatnonzero(np.diff(portions, prepend=0)).tolist()
        return stops

    def before(self, block: int) -> list[LeafFlips]:
        """Those of the blocks before one that have not been taken yet."""
        found = []
        for place, (number, rows, instants) in enumerate(self._flips):
            start = self._taken[place]
            blocks = rows[start:] >> np.uint32(_BLOCK_BITS)
            end = start + int(np.searchsorted(blocks, block))
            if end > start:
                found.append((number, rows[start:end], instants[start:end]))
                self._taken[place] = end
        return found


def among(rows: NDArray[np.uint32], flips: Sequence[LeafFlips]) -> list[LeafFlips]:
    """Flips of some rows, which ascend."""
    found = []
    for number, of_rows, instants in flips:
        there = np.isin(of_rows, rows)
        if there.any():
            found.append((number, of_rows[there], instants[there]))
    return found


def _joined(found: Sequence[PassedEdges], *, in_order: bool = True) -> PassedEdges:
    """All of them, block by block."""
    if len(found) == 1 and in_order:
        return found[0]
    rows = np.concatenate([each.rows for each in found])
    order = np.argsort(rows >> np.uint32(_BLOCK_BITS), kind="stable")
    return PassedEdges(rows[order], np.concatenate([each.instants for each in found])[order])
