"""The numbers of some rows, read once for all leaves that ask for them.

Segments ask the same of time over and over: thirty of them compare `joined` with thirty instants.
What they share, the columns and the sums over them, is kept for as long as these rows are looked
at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.columns.hot_cells import read_rows
from engine.columns.sets import decode_rows
from engine.core.day_turns import starts_of
from engine.core.number_plan import attribute_field
from engine.core.row_lines import FOLDS
from engine.live.attribute_values import buckets_of, floats_of, strings_of
from engine.live.event_chains import EventChains
from engine.live.event_source import EventSource
from engine.live.event_timelines import Timelines
from engine.live.held_events import HeldEvents
from engine.live.linear_forms import SAFE
from engine.model.definitions import Attribute
from engine.rules import bound
from engine.store.catalog import LIVE
from engine.store.snapshot import Snapshot

__all__ = ["BlockRead", "NumberSource", "RowsRead", "Sums", "live_rows"]

NumberSource = bound.AttributeSource | bound.DateStartSource

_BLOCK_BITS = 16

_Made = TypeVar("_Made")


class Sums(NamedTuple):
    """A sum for each row, int64 or, where 64 bits may not do, objects; which rows have it; and a
    bound of its size."""

    values: NDArray[Any]
    present: NDArray[np.bool_]
    reach: int


class RowsRead:
    """Rows (uint32, ascending, each once) of one state of the store; `chains` are kept by whoever
    looks at one state after the other."""

    def __init__(
        self,
        snapshot: Snapshot,
        rows: NDArray[np.uint32],
        zone: ZoneInfo,
        chains: EventChains | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.rows = rows
        self._zone = zone
        self._columns: dict[tuple[int, bool], tuple[NDArray[np.int64], NDArray[np.bool_]]] = {}
        self._sums: dict[tuple[tuple[tuple[str, bool], int], ...], Sums] = {}
        self._held = HeldEvents(snapshot, rows, chains)
        self._timelines: dict[EventSource, Timelines] = {}
        self._made: dict[object, Any] = {}

    def timelines(self, source: EventSource) -> Timelines:
        """The events of a source."""
        if source not in self._timelines:
            self._timelines[source] = source.timelines(self._held)
        return self._timelines[source]

    def folded(
        self,
        source: EventSource,
        how: str,
        places: NDArray[np.intp],
        from_us: NDArray[np.int64],
        to_us: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]] | None:
        """What the events of the row at each place in the span [from, to) beside it come to (see
        RowLines.fold); None where that has to be found by `timelines`."""
        if how not in FOLDS or source in self._timelines:
            return None
        chained = self.once(source, lambda: source.chained(self._held))
        return None if chained is None else chained.fold(how, places, from_us, to_us)

    def once(self, maker: object, make: Callable[[], _Made]) -> _Made:
        """What somebody makes of these rows, made the first time."""
        if maker not in self._made:
            self._made[maker] = make()
        found: _Made = self._made[maker]
        return found

    def floats(self, attribute: Attribute) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The doubles of an attribute, 0 where missing, and where they are there."""
        return self.once(attribute, lambda: floats_of(self.snapshot, attribute, self.rows))

    def strings(self, attribute: Attribute) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The strings of a category, and where they are there."""
        return self.once(attribute, lambda: strings_of(self.snapshot, attribute, self.rows))

    def buckets(self, salt: str) -> NDArray[np.int64]:
        """`bucket(salt)` of each row."""
        source = bound.BucketSource(salt)
        return self.once(source, lambda: buckets_of(self.snapshot, salt, self.rows))

    def sums(self, sources: Sequence[NumberSource], factors: Sequence[int]) -> Sums:
        """Sum of factor * source, over the stored integers; a row that lacks one has none."""
        key = tuple(
            ((source.attribute.name, isinstance(source, bound.DateStartSource)), factor)
            for source, factor in zip(sources, factors, strict=True)
        )
        if key not in self._sums:
            self._sums[key] = self._sum(sources, factors)
        return self._sums[key]

    def _sum(self, sources: Sequence[NumberSource], factors: Sequence[int]) -> Sums:
        present = np.ones(len(self.rows), np.bool_)
        reach, columns = 0, []
        for source, factor in zip(sources, factors, strict=True):
            values, there = self._values(source)
            present = present & there
            if factor and len(values):
                reach += abs(factor) * max(abs(int(values.min())), abs(int(values.max())))
                columns.append((factor, values))
        dtype = object if reach >= SAFE else np.int64
        total = np.zeros(len(self.rows), dtype)
        for factor, values in columns:
            wide = values.astype(dtype, copy=False)
            total = total + (wide if factor == 1 else factor * wide)
        return Sums(total, present, reach)

    def _values(self, source: NumberSource) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The stored integers of a source, 0 where missing, and where they are present."""
        field = attribute_field(self.snapshot, source.attribute)
        if field is None:
            return np.zeros(len(self.rows), np.int64), np.zeros(len(self.rows), np.bool_)
        as_instant = isinstance(source, bound.DateStartSource)
        key = field, as_instant
        if key not in self._columns:
            values, present = read_rows(self.snapshot.addresses(field), self.rows)
            values = values * present
            if as_instant and present.any():
                values[present] = starts_of(values[present], self._zone)
            self._columns[key] = values, present
        return self._columns[key]


class BlockRead:
    """A block of one state of the store, whose live rows are read when somebody asks for all."""

    def __init__(
        self, snapshot: Snapshot, block: int, zone: ZoneInfo, chains: EventChains | None = None
    ) -> None:
        self.block = block
        self._chains = chains
        self._snapshot = snapshot
        self._zone = zone

    @cached_property
    def whole(self) -> RowsRead:
        """All live rows."""
        return RowsRead(self._snapshot, live_rows(self._snapshot, self.block), self._zone)

    def portions(self, most: int) -> Iterator[RowsRead]:
        """All live rows, at most so many at a time."""
        rows = self.whole.rows
        if len(rows) <= most:
            yield self.whole
            return
        for start in range(0, len(rows), most):
            yield self.some(rows[start : start + most])

    def some(self, rows: NDArray[np.uint32]) -> RowsRead:
        """Some rows of it, which ascend."""
        return RowsRead(self._snapshot, rows, self._zone, self._chains)


def live_rows(snapshot: Snapshot, block: int) -> NDArray[np.uint32]:
    """The live rows of a block."""
    parts = snapshot.payloads(LIVE.id, block)
    inside = decode_rows(parts).astype(np.uint32) if parts else np.zeros(0, np.uint32)
    return inside + np.uint32(block << _BLOCK_BITS)
