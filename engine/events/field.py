"""The events of one type of one block as a field of the store: its parts and their zone."""

from __future__ import annotations

from collections.abc import Sequence

from engine.bitmaps import Buffer
from engine.columns.zone import NOTHING, Encoded, Zone
from engine.events import head

__all__ = ["encoded", "zone_of_heads"]


def encoded(parts: Sequence[bytes]) -> Encoded:
    """The field of these chunks.

    Its zone counts events (not rows), and its bounds are the times of the first and the last.
    """
    return Encoded(tuple(parts), zone_of_heads(parts))


def zone_of_heads(parts: Sequence[Buffer]) -> Zone:
    """The zone of these chunks, of which the heads are enough."""
    count, bounds = 0, []
    for part in parts:
        found = head.read_head(part)
        count += found.event_count
        times = head.read_columns(part, found)[1]
        bounds += [times.low, times.high]
    return Zone(count, min(bounds), max(bounds)) if bounds else NOTHING
