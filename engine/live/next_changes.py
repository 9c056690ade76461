"""What time alone will do: who enters and leaves in the time to come, if no data changes.

The same finders that keep stored segments up to date are asked beforehand, of a snapshot. Who is in
what at the beginning is evaluated at that instant, so nothing depends on when the last tick was,
and a segment that is not stored can be asked about, too.
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
from engine.live.fading_stretches import fading_instants
from engine.live.flip_outcome import Fading, FlipOutcome, judge_flips
from engine.live.flips import NEVER
from engine.live.moving_plan import FADING_ROWS, LeafFlips, MovingParts, MovingPlan, RowsJudged
from engine.live.row_names import uids_of
from engine.live.rows_read import BlockRead
from engine.nearest import nearest
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.time_dependence import moves_anywhere, why_unkept
from engine.store.snapshot import Snapshot

__all__ = ["ComingChanges", "NextChange", "NextChanges"]

# Flips that are judged together.
FLIPS_AT_A_TIME = 1 << 18


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
        self._parts = MovingParts(binder.model, bodies)
        self._plan = MovingPlan(snapshot, binder.model, self._parts, kept=False)

    def between(self, after_us: int, through_us: int, control: Control | None = None) -> Flips:
        """Every entering and leaving after one instant and up to another, in order; definitions
        are places in `names`. Raises what the Control raises."""
        outcome = FlipOutcome(len(self.names))
        pending: list[LeafFlips] = []
        count = 0
        everything = range(len(self._parts.leaves))
        scores = self._parts.fading(everything, after_us, through_us)
        for block in range(self._snapshot.block_count if self.names else 0):
            if control is not None:
                control.check()
            read = BlockRead(self._snapshot, block, self._parts.zone)
            if scores:
                for some in read.portions(FADING_ROWS):
                    flips = self._parts.flips(some, everything, after_us, through_us, scores)
                    fading = Fading(scores, some, after_us, through_us)
                    judge_flips(
                        self._plan, self._snapshot, flips, outcome, after_us=after_us, fading=fading
                    )
            else:
                flips = self._parts.flips(read.whole, everything, after_us, through_us)
                pending += flips
                count += sum(len(rows) for _, rows, _ in flips)
                if count >= FLIPS_AT_A_TIME:
                    judge_flips(self._plan, self._snapshot, pending, outcome, after_us=after_us)
                    pending, count = [], 0
        if pending:
            judge_flips(self._plan, self._snapshot, pending, outcome, after_us=after_us)
        return outcome.passed().flips

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
        rows = np.array([row], np.uint32)
        (uid,) = uids_of(self._snapshot, rows)
        judged = self._plan.rows(self._snapshot, rows, range(len(self.names)))
        changes = []
        for i, name in enumerate(self.names):
            instants = self._instants_of(judged, i, after_us)
            truths = judged.truth(i, np.zeros(len(instants), np.intp), instants)
            changed = np.flatnonzero(truths != truths[0])
            if len(changed):
                at_us = int(instants[changed[0]])
                changes.append(NextChange(name, not bool(truths[0]), at_us, row, uid.tobytes()))
        return sorted(changes, key=lambda change: change.instant_us)

    def _instants_of(self, judged: RowsJudged, segment: int, after_us: int) -> NDArray[np.int64]:
        """An instant, and all after it at which one row may enter or leave a segment, in order."""
        finders = self._parts.leaves_of[segment]
        fading = self._parts.fading(finders, after_us, NEVER - 1)
        flips = self._parts.flips(judged.read, finders, after_us, NEVER - 1, fading)
        found = np.unique(
            np.concatenate([np.zeros(0, np.int64), *(instants for _, _, instants in flips)])
        )
        if fading and after_us < TIME_US[1]:
            scores = [self._parts.scores[number] for number in fading]
            inside = found[found <= TIME_US[1]]
            listed = np.zeros(len(inside), np.intp), inside
            more = fading_instants(judged, segment, scores, listed, after_us, TIME_US[1])
            found = np.unique(np.concatenate([found, more[1]]))
        return np.concatenate([np.array([after_us], np.int64), found])
