"""When events pass the edges of windows: found by their times, for all rows of all blocks at once.

While nobody writes, what a window takes in changes at instants that follow from the time of an
event and the edge alone (`engine.live.window_edges`). So whoever wants to know who flips between
two instants need not look at rows: the events that pass an edge on the way are those with a time in
a span, which is bisected in chunks that are sorted. For each edge, type of event and block the next
such instant is kept; a new event brings it forward.

    an edge at t + c is passed by the events in [after + c, through + c)
    the beginning of a calendar unit by those between where it stands before and afterwards, with a
    day to spare, since clocks that are set back may come to a day twice

Finders share what they look for: one cursor serves all windows of a length over a type. Whoever
evaluates blocks when a calendar turns (`engine.live.turned_blocks`) asks for the instants alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.core.day_turns import turns
from engine.events.time_ranges import times_between
from engine.limits import TIME_US
from engine.live.event_chains import EventChains
from engine.live.flips import NEVER, UNKNOWN, soonest
from engine.live.step_events import BroughtEvents
from engine.live.window_edges import MovingEdge, TypeEdge, UnitEdge, edge_at, unit_flips, unit_turns
from engine.rules.calendar import DAY_US, local_day
from engine.store.catalog import FieldKind, event_field
from engine.store.snapshot import Snapshot

__all__ = ["EventCursors", "PassedEdges", "TurnedBlocks"]

_BLOCK_BITS = 16


class PassedEdges(NamedTuple):
    """Events that pass an edge: their rows, uint32, block by block, and when they do, int64."""

    rows: NDArray[np.uint32]
    instants: NDArray[np.int64]


class TurnedBlocks(NamedTuple):
    """Blocks, uint32, for whose events a calendar turned at some instants, ascending."""

    blocks: NDArray[np.uint32]
    instants: tuple[int, ...]


_NOBODY = PassedEdges(np.zeros(0, np.uint32), np.zeros(0, np.int64))


class EventCursors:
    """Cursors by number; for one thread, which sees states of the store in their order."""

    def __init__(self, zone: ZoneInfo, chains: EventChains) -> None:
        self._zone = zone
        self._chains = chains
        self._numbers: dict[TypeEdge, int] = {}
        self._block_count = 0
        # Of each cursor the instant, by block, before which no event passes its edge.
        self._next: list[NDArray[np.int64]] = []

    def number(self, type_edge: TypeEdge) -> int:
        """The cursor of an edge, made the first time."""
        if type_edge not in self._numbers:
            self._numbers[type_edge] = len(self._next)
            self._next.append(np.full(self._block_count, UNKNOWN, np.int64))
        return self._numbers[type_edge]

    @property
    def types(self) -> frozenset[str]:
        """The types of event that some cursor is about."""
        return frozenset(name for name, _ in self._numbers)

    def grow(self, block_count: int) -> None:
        """Makes room for new blocks, of which nothing is known."""
        missing = block_count - self._block_count
        if missing > 0:
            self._block_count = block_count
            unknown = np.full(missing, UNKNOWN, np.int64)
            self._next = [np.concatenate([known, unknown]) for known in self._next]

    def earliest(self, numbers: Iterable[int]) -> int:
        """No event passes the edges of some cursors before this."""
        return soonest(int(self._next[n].min(initial=NEVER)) for n in numbers)

    def turning(self, through_us: int) -> int:
        """How many blocks a calendar turns for, or nothing is known of, up to an instant."""
        found = 0
        for (_, edge), number in self._numbers.items():
            known = self._next[number]
            wanted = known <= (through_us if isinstance(edge, UnitEdge) else UNKNOWN)
            found += int(np.count_nonzero(wanted))
        return found

    def bring_forward(
        self, snapshot: Snapshot, brought: Sequence[BroughtEvents], now_us: int
    ) -> None:
        """Events came; what they do from an instant on may be earlier than what is known."""
        by_field: dict[int, list[BroughtEvents]] = {}
        for some in brought:
            by_field.setdefault(some.field_id, []).append(some)
        for name in self.types:
            field_id = _events_field(snapshot, name)
            if field_id not in by_field:
                continue
            pieces = by_field[field_id]
            times = np.concatenate([piece.events.times for piece in pieces])
            blocks = np.concatenate([piece.blocks for piece in pieces])
            for (of_type, edge), number in self._numbers.items():
                if of_type != name:
                    continue
                if isinstance(edge, MovingEdge):
                    instants = times - edge.shift_us + 1
                else:
                    instants = np.full(len(times), _next_turn(now_us, self._zone), np.int64)
                ahead = instants > now_us
                np.minimum.at(self._next[number], blocks[ahead], instants[ahead])

    def take(
        self,
        snapshot: Snapshot,
        after_us: int,
        through_us: int,
        absorbs: Callable[[int], bool] | None,
        *,
        by_turns: bool = False,
    ) -> tuple[dict[int, PassedEdges], dict[int, TurnedBlocks], int]:
        """What passes edges after one instant and up to another, by cursor, which then is behind;
        and how many blocks were looked through. `absorbs` says which take part (None: all).
        `by_turns`: where a calendar turns a few times, its instants stand for what passes."""
        found: dict[int, PassedEdges] = {}
        turned: dict[int, TurnedBlocks] = {}
        blocks_read = 0
        # In a slice all that lag are due, and most do not take part: each is asked about once.
        taking = np.zeros(self._block_count, np.bool_)
        for known in self._next:
            taking |= known <= through_us
        if absorbs is not None:
            taking[[block for block in np.flatnonzero(taking).tolist() if not absorbs(block)]] = 0
        for (name, edge), number in self._numbers.items():
            due = taking & (self._next[number] <= through_us)
            blocks = np.flatnonzero(due).astype(np.uint32)
            if not len(blocks):
                continue
            field_id = _events_field(snapshot, name)
            if field_id is None:
                self._next[number][blocks] = NEVER
                continue
            blocks_read += len(blocks)
            if by_turns and isinstance(edge, UnitEdge):
                instants = unit_turns(edge, after_us, through_us, self._zone)
                if instants is not None:
                    self._next[number][blocks] = _next_turn(through_us, self._zone)
                    if instants:
                        turned[number] = TurnedBlocks(blocks, instants)
                    continue
            passed = self._passed(snapshot, field_id, edge, number, blocks, after_us, through_us)
            if len(passed.rows):
                found[number] = passed
        return found, turned, blocks_read

    def _passed(
        self,
        snapshot: Snapshot,
        field_id: int,
        edge: MovingEdge | UnitEdge,
        number: int,
        blocks: NDArray[np.uint32],
        after_us: int,
        through_us: int,
    ) -> PassedEdges:
        if isinstance(edge, MovingEdge):
            from_us, to_us = after_us + edge.shift_us, through_us + edge.shift_us
        else:
            around = np.clip(np.array([after_us - DAY_US, through_us + DAY_US]), *TIME_US)
            from_us, to_us = edge_at(edge, around, self._zone).tolist()
        table = snapshot.addresses(field_id)
        groups = self._chains.time_groups(snapshot, field_id, blocks)
        rows, times, coming = times_between(
            table.first_part, table.address, blocks, groups, from_us, to_us
        )
        if isinstance(edge, MovingEdge):
            ahead = coming < NEVER
            coming[ahead] += 1 - edge.shift_us
            self._next[number][blocks] = coming
            return PassedEdges(rows, times - edge.shift_us + 1)
        self._next[number][blocks] = _next_turn(through_us, self._zone)
        if not len(rows):
            return _NOBODY
        pieces, instants = [], []
        for at in unit_flips(edge, times, self._zone):
            hit = (at > after_us) & (at <= through_us)
            pieces.append(rows[hit])
            instants.append(at[hit])
        of_rows = np.concatenate(pieces)
        order = np.argsort(of_rows >> np.uint32(_BLOCK_BITS), kind="stable")
        return PassedEdges(of_rows[order], np.concatenate(instants)[order])


@lru_cache(maxsize=64)
def _next_turn(instant_us: int, zone: ZoneInfo) -> int:
    """The next instant at which a calendar may turn."""
    today = local_day(instant_us, zone)
    coming = (at for day in range(today - 1, today + 3) for at in turns(day, zone))
    return min(at for at in coming if at > instant_us)


def _events_field(snapshot: Snapshot, name: str) -> int | None:
    field = snapshot.fields.get(event_field(name))
    return None if field is None or field.kind != FieldKind.EVENTS else field.id
