"""Facts that time alone will set and end, for whoever looks ahead at what reads them.

Looking ahead does what a tick does (engine.live.segments), level by level, and writes nothing: the
facts of a level are laid over a state that nobody else sees, as events that are dated ahead, and
the next level is asked of that state. So is, in the end, whoever asked. The stored facts are exact
at the clock of the log, so that is where looking ahead begins, whatever instant is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from engine.core.control import Control
from engine.limits import TIME_US
from engine.live.definitions import Definition, definitions_of, levels_of
from engine.live.fact_changes import FactEvents, fact_blocks, held_by
from engine.live.flip_outcome import Passed
from engine.live.kept_facts import KeptFacts
from engine.live.log_clock import clock_of
from engine.live.moving_question import MovingQuestion
from engine.live.named_facts import NamedFacts
from engine.live.time_span import Span
from engine.rules import bound
from engine.rules.bind import Binder
from engine.rules.bound_facts import facts_read
from engine.store.overlay import HeapField
from engine.store.snapshot import Snapshot
from engine.store.version import InPlace

__all__ = ["FactsToCome"]

# What happens to the conditions of a level, and the facts that properties name.
_Level = tuple[Passed, Sequence[FactEvents]]


class FactsToCome:
    """The facts that some conditions read, on one snapshot; for one thread."""

    def __init__(
        self, snapshot: Snapshot, binder: Binder, bodies: Mapping[str, bound.BoundExpr]
    ) -> None:
        self._snapshot = snapshot
        self._model = binder.model
        self._clock_us = clock_of(snapshot)
        self._read = set[str]().union(*(facts_read(body) for body in bodies.values()))
        needed = _setting(self._read, binder)
        self._levels = levels_of(needed.values())
        self._needed = needed
        self._facts = KeptFacts(needed.values(), self._levels)
        self._named = NamedFacts(self._model, binder, self._read) if self._read else None

    def through(self, through_us: int, control: Control | None = None) -> Snapshot:
        """The state with the facts up to an instant; it is good as long as the snapshot is open.
        Raises what the Control raises."""

        def check(_: int) -> bool:
            if control is not None:
                control.check()
            return True

        def level(state: Snapshot, question: MovingQuestion, *, first: bool) -> _Level:
            passed = question.between(self._clock_us, through_us, control)
            if not first or self._named is None:
                return passed, ()
            return passed, self._named.by_time(state, Span(self._clock_us, through_us, check))

        return self._following(level) if through_us > self._clock_us else self._snapshot

    def of_row(self, row: int) -> Snapshot:
        """The state with all facts of one row that there will be."""

        def level(state: Snapshot, question: MovingQuestion, *, first: bool) -> _Level:
            flips = question.of_row(row, self._clock_us)
            passed = Passed(flips, (), (), (), 0, 0)
            if not first or self._named is None:
                return passed, ()
            rows = np.array([row], np.uint32)
            return passed, self._named.of_rows(state, rows, self._clock_us, TIME_US[1])

        return self._following(level)

    def _following(self, level: Callable[..., _Level]) -> Snapshot:
        state = self._snapshot
        last = max(self._levels.values(), default=0 if self._named else -1)
        for number in range(last + 1):
            bodies = {
                name: one.body for name, one in self._needed.items() if self._levels[name] == number
            }
            question = MovingQuestion(state, self._model, bodies)
            passed, named = level(state, question, first=not number)
            states = partial(held_by, state, self._model, at_us=self._clock_us)
            facts = [*self._facts.by_time(number, passed, question.names, states), *named]
            if facts:
                state = _with_facts(state, facts)
        return state


def _setting(read: set[str], binder: Binder) -> dict[str, Definition]:
    """The conditions that set and end some facts, and those that these read, which are added to
    `read`; by name."""
    if not read:
        return {}
    found: dict[str, Definition] = {}
    setting = [one for one in definitions_of(binder.model, binder) if one.sets_facts]
    count = -1
    while count < len(found):
        count = len(found)
        for one in setting:
            facts = {fact.name for fact in (one.begins, one.ends) if fact is not None}
            if one.name not in found and not facts.isdisjoint(read):
                found[one.name] = one
                read |= facts_read(one.body)
    return found


def _with_facts(snapshot: Snapshot, facts: Sequence[FactEvents]) -> Snapshot:
    """A state with facts, which nobody else sees."""
    sequence = snapshot.data_version
    blocks = {
        field: {block: HeapField.copy_of(made, sequence) for block, made in of_field.items()}
        for field, of_field in fact_blocks(snapshot, facts).items()
    }
    before = snapshot.version
    version = before.after_record(sequence, blocks, snapshot.row_count, InPlace())
    version.attached = before.attached
    return Snapshot(version)
