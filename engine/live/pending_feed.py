"""Transitions between the moment they are visible and the commit that makes them a feed record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.live.change import Cause, Flips, Numbered, Transition
from engine.live.clock_record import ClockRecord, pack_clock_record
from engine.live.feed_record import FeedRecord, pack_feed_record

__all__ = ["PendingFeed"]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A record of the feed, but for the one before it, which `pack` is given."""

    sequence: int
    pack: Callable[[int], bytes]


class PendingFeed:
    """Added to by the thread that applies, emptied by the one that commits."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: list[_Waiting] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def is_ready(self, through: int) -> bool:
        """Whether anything waits that is part of the state as of a record of the log."""
        with self._guard:
            return bool(self._waiting) and self._waiting[0].sequence <= through

    def add(
        self,
        sequence: int,
        instant_us: int,
        cause: Cause,
        transitions: tuple[Transition, ...],
    ) -> None:
        """What a record of the log did; before the state after it is published."""
        if transitions:
            self._add(
                sequence,
                lambda previous: pack_feed_record(
                    FeedRecord(sequence, previous, instant_us, cause, transitions)
                ),
            )

    def add_flips(
        self,
        sequence: int,
        instant_us: int,
        definitions: Numbered,
        flips: Flips,
    ) -> None:
        """The same for a tick: what happened to the definitions (key path, version) on the way."""
        if len(flips):
            self._add(
                sequence,
                lambda previous: pack_clock_record(
                    ClockRecord(sequence, previous, instant_us, definitions, flips)
                ),
            )

    def _add(self, sequence: int, pack: Callable[[int], bytes]) -> None:
        with self._guard:
            self._waiting.append(_Waiting(sequence, pack))

    def records(self, through: int, previous: int) -> list[tuple[int, bytes]]:
        """(sequence, bytes) of the feed records up to one of the log, to be written after the
        feed record `previous`. They stay until `written`."""
        with self._guard:
            chosen = [waiting for waiting in self._waiting if waiting.sequence <= through]
        out = []
        for waiting in chosen:
            out.append((waiting.sequence, waiting.pack(previous)))
            previous = waiting.sequence
        return out

    def written(self, through: int) -> None:
        """The records up to one of the log are durable."""
        with self._guard:
            self._waiting = [waiting for waiting in self._waiting if waiting.sequence > through]
