"""What time alone will do: who enters and leaves in the time to come, if no data changes.

Segments are asked beforehand (engine.live.moving_question), of a state that has the facts to come
(engine.live.facts_to_come).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.core.control import Control
from engine.errors import InputInvalid, NotFound, NotYet
from engine.limits import NEXT_CHANGES_WITHIN_US, TIME_US
from engine.live.change import Flips
from engine.live.facts_to_come import FactsToCome
from engine.live.flip_order import in_order
from engine.live.moving_question import MovingQuestion
from engine.live.row_names import uids_of
from engine.nearest import nearest
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.time_dependence import moves_anywhere, why_unkept
from engine.store.snapshot import Snapshot

__all__ = ["ComingChanges", "NextChange", "NextChanges"]


@dataclass(frozen=True, slots=True)
class NextChange:
    """A profile enters or leaves a segment at an instant (microseconds from 1970). `row` is
    internal; `uid`, 16 bytes, is what is given out."""

    segment: str
    entered: bool
    instant_us: int
    row: int
    uid: bytes


@dataclass(frozen=True, slots=True)
class ComingChanges:
    """Who enters and leaves in (from_us, until_us] if no data changes, as of `data_version`.

    `count` is how many there are, `changes` the first of them, in order of time; `entering` and
    `leaving` count them by segment, 0 left out.
    """

    from_us: int
    until_us: int
    data_version: int
    count: int
    entering: Mapping[str, int]
    leaving: Mapping[str, int]
    changes: tuple[NextChange, ...]


class NextChanges:
    """The segments of one question, on one snapshot; for one thread.

    `names` asks about these (None: all whose changes can be foreseen); afterwards it has those of
    them that move with time at all: of the others nobody enters or leaves by it. Raises NotYet for
    one whose changes cannot be foreseen, NotFound for a segment or a list that is not there.
    """

    def __init__(self, snapshot: Snapshot, binder: Binder, names: Sequence[str] | None) -> None:
        known = binder.model.segments
        bodies = {}
        for name in known if names is None else dict.fromkeys(names):
            if name not in known:
                close = nearest(name, known)
                hint = f" Did you mean {close}?" if close else ""
                raise NotFound(f"There is no segment {name} to look ahead for.{hint}")
            body = binder.bind(tree.Segment(name))
            reason = why_unkept(body)
            if reason and names is None:
                continue
            if reason:
                raise NotYet(f"Nobody can say so far when segment {name} changes: {reason}.")
            if moves_anywhere(body):
                bodies[name] = body
        self.names = tuple(bodies)
        self._snapshot = snapshot
        self._model = binder.model
        self._bodies = bodies
        self._facts = FactsToCome(snapshot, binder, bodies)

    def between(self, after_us: int, through_us: int, control: Control | None = None) -> Flips:
        """Every entering and leaving after one instant and up to another, in order; definitions
        are places in `names`. Raises what the Control raises."""
        state = self._facts.through(through_us, control)
        question = MovingQuestion(state, self._model, self._bodies)
        return in_order(question.between(after_us, through_us, control).flips)

    def coming(
        self, from_us: int, within_us: int, limit: int, control: Control | None = None
    ) -> ComingChanges:
        """The same, counted, with the first `limit` of them by name. InputInvalid for a stretch
        or a limit that makes no sense."""
        if not 0 <= within_us <= NEXT_CHANGES_WITHIN_US or limit < 0:
            raise InputInvalid("Look ahead by 0 to 1,000 years, and ask for 0 changes or more.")
        until_us = min(from_us + within_us, TIME_US[1])
        flips = self.between(from_us, until_us, control)
        rows = flips.rows[:limit]
        uids = uids_of(self._snapshot, rows)
        changes = tuple(
            NextChange(self.names[number], entered, instant_us, row, uid.tobytes())
            for number, entered, instant_us, row, uid in zip(
                flips.definitions[:limit].tolist(),
                flips.entered[:limit].tolist(),
                flips.instants[:limit].tolist(),
                rows.tolist(),
                uids,
                strict=True,
            )
        )
        entering = np.bincount(flips.definitions[flips.entered], minlength=len(self.names))
        leaving = np.bincount(flips.definitions[~flips.entered], minlength=len(self.names))
        return ComingChanges(
            from_us,
            until_us,
            self._snapshot.data_version,
            len(flips),
            self._by_name(entering),
            self._by_name(leaving),
            changes,
        )

    def _by_name(self, counts: NDArray[np.intp]) -> dict[str, int]:
        numbers = zip(self.names, counts.tolist(), strict=True)
        return {name: count for name, count in numbers if count}

    def of_row(self, row: int, after_us: int) -> list[NextChange]:
        """The first change of one row in each segment that it will ever enter or leave by time
        alone, soonest first."""
        if not self.names:
            return []
        (uid,) = uids_of(self._snapshot, np.array([row], np.uint32))
        question = MovingQuestion(self._facts.of_row(row), self._model, self._bodies)
        flips = question.of_row(row, after_us)
        first: dict[int, NextChange] = {}
        columns = (flips.definitions, flips.entered, flips.instants)
        for number, entered, at_us in zip(*(one.tolist() for one in columns), strict=True):
            if number not in first:
                change = NextChange(self.names[number], entered, at_us, row, uid.tobytes())
                first[number] = change
        return list(first.values())
