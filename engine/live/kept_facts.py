"""The facts of one model version: who sets them, when, and who reads them.

A fact begins for whoever enters one definition, and ends for whoever enters another or loses the
tag by an update; what is set wins over what ends at the same instant, since a rule is judged after
the update.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.live.definitions import Definition
from engine.live.fact_changes import FactEvents, States, changed_facts, flipped_facts
from engine.live.flip_outcome import Passed
from engine.live.kept_level import Moved
from engine.model.definitions import EventType
from engine.model.hidden_events import fact_event, tag_fact
from engine.rules.bound_facts import facts_read

__all__ = ["KeptFacts", "RemovedTags"]

# Tag -> rows (uint32, ascending, each once) from which an update has taken it away.
RemovedTags = Mapping[str, NDArray[np.uint32]]

_NOBODY = np.zeros(0, np.uint32)


@dataclass(slots=True)
class _Fact:
    event: EventType
    level: int
    begins: str = ""
    ends: str = ""


class KeptFacts:
    """The facts that `definitions` set, by the level at which they do."""

    def __init__(self, definitions: Iterable[Definition], levels: Mapping[str, int]) -> None:
        self._facts: dict[str, _Fact] = {}
        self._readers: dict[str, list[str]] = {}
        for definition in definitions:
            for event in (definition.begins, definition.ends):
                if event is not None:
                    level = levels[definition.name]
                    fact = self._facts.setdefault(event.name, _Fact(event, level))
                    if event is definition.begins:
                        fact.begins = definition.name
                    else:
                        fact.ends = definition.name
            for name in facts_read(definition.says):
                self._readers.setdefault(name, []).append(definition.name)

    def __bool__(self) -> bool:
        return bool(self._facts)

    def readers(self, facts: Iterable[FactEvents]) -> set[str]:
        """The definitions that read one of some facts."""
        return {name for fact in facts for name in self._readers.get(fact.fact.name, ())}

    def at_once(
        self, level: int, moved: Moved, removed: RemovedTags, at_us: int, states: States
    ) -> list[FactEvents]:
        """What happens to the facts of a level at one instant, as definitions are entered and tags
        removed."""
        ending = {fact_event(tag_fact(tag)).name: rows for tag, rows in removed.items()}
        found = []
        for name, fact in self._of_level(level):
            begin = moved[fact.begins][0] if fact.begins in moved else _NOBODY
            end = moved[fact.ends][0] if fact.ends in moved else _NOBODY
            if name in ending:
                end = np.union1d(end, ending[name]).astype(np.uint32)
            if len(begin) or len(end):
                found.append(changed_facts(fact.event, begin, end, at_us, states))
        return [events for events in found if len(events)]

    def by_time(
        self, level: int, passed: Passed, moving: Sequence[str], states: States
    ) -> list[FactEvents]:
        """What happens to the facts of a level as time moves the definitions `moving`."""
        of_level = self._of_level(level)
        if not of_level:
            return []
        flips = passed.flips
        found = []
        for _, fact in of_level:
            sides = []
            for name, begins in ((fact.begins, True), (fact.ends, False)):
                if name in moving:
                    at = np.flatnonzero((flips.definitions == moving.index(name)) & flips.entered)
                    sides.append((flips.rows[at], flips.instants[at], np.full(len(at), begins)))
            if any(len(rows) for rows, _, _ in sides):
                rows, instants, on = (np.concatenate(side) for side in zip(*sides, strict=True))
                found.append(flipped_facts(fact.event, rows, instants, on, states))
        return [events for events in found if len(events)]

    def _of_level(self, level: int) -> list[tuple[str, _Fact]]:
        return [(name, fact) for name, fact in self._facts.items() if fact.level == level]
