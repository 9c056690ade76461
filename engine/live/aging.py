"""The bytes of events that are dropped by age, let go of block by block.

Readers leave such events out from the moment that the border moves (`engine.rules.retention`).
Their bytes follow: each tick after it looks through some blocks, lets go of what is old there, and
the commits that save these blocks write what is left. A block is looked through once for each
border, and what is done at a tick is bounded, so that updates need not wait for it.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from engine.model.definitions import Model
from engine.rules.retention import kept_from_us
from engine.rules.window_bounds import EARLIEST_US
from engine.store.catalog import FieldKind, event_field
from engine.store.mutation import Mutation

__all__ = ["Aging"]

# Events of blocks that are looked through at one tick, about.
EVENTS_AT_A_TICK: Final = 1 << 20


class Aging:
    """For the thread that applies records."""

    def __init__(self) -> None:
        # Number of a field of events -> the border that its blocks were last looked through for.
        self._borders: dict[int, int] = {}
        self._waiting: deque[tuple[int, int, int]] = deque()

    @property
    def is_due(self) -> bool:
        """Whether there are blocks still to look through."""
        return bool(self._waiting)

    def tick(self, mutation: Mutation, model: Model, clock_us: int) -> None:
        """Lets go of some of what is old at an instant, in the record of the log that is the tick
        to it."""
        self._look_for(mutation, model, clock_us)
        room = EVENTS_AT_A_TICK
        while self._waiting and room > 0:
            field_id, block, border_us = self._waiting.popleft()
            room -= self._let_go(mutation, field_id, block, border_us)

    def _look_for(self, mutation: Mutation, model: Model, clock_us: int) -> None:
        snapshot = mutation.snapshot
        for event in model.events.values():
            border_us = kept_from_us(event, clock_us, model.time_zone)
            field = snapshot.fields.get(event_field(event.name))
            if border_us == EARLIEST_US or field is None or field.kind != FieldKind.EVENTS:
                continue
            if self._borders.get(field.id, EARLIEST_US) >= border_us:
                continue
            self._borders[field.id] = border_us
            self._waiting.extend(
                (field.id, block, border_us) for block in range(snapshot.block_count)
            )

    def _let_go(self, mutation: Mutation, field_id: int, block: int, border_us: int) -> int:
        """How many events there were to look through."""
        if mutation.snapshot.fields.by_id(field_id) is None:
            return 0
        zone = mutation.snapshot.zone(field_id, block)
        if zone is None or zone.minimum is None or zone.minimum >= border_us:
            return 0
        opened = mutation.events(field_id, block)
        if opened.drop_before(mutation.snapshot, border_us):
            mutation.put_events(field_id, block, opened)
        else:
            mutation.leave_events(field_id, block)
        return zone.present_count
