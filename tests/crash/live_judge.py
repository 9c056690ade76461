"""What must be durable after a writer is gone, from the lines that it told.

The log has one order, that of the S lines. What is durable is a beginning of it that contains
everything acknowledged: positions say where it ends, and the World then says what the store
must hold and what the acknowledgements must have said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.database import Database
from tests.crash.live_batches import (
    GIVER,
    SOURCE,
    load_marker,
    loaded_updates,
    numbered_updates,
)
from tests.crash.live_check import FeedPlayer, check_store
from tests.crash.live_world import World

__all__ = ["Judge"]


@dataclass(slots=True)
class Submitted:
    """An S line and its A line, if there was one: offset, then the counts.

    What was refused may be durable all the same, where the last call of a commit failed.
    """

    partition: str
    first: int
    count: int
    acknowledged: tuple[int, ...] | None = None
    is_refused: bool = False


class _Told:
    """The lines of one writer."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.submitted: list[Submitted] = []
        self.offset = self.model_version = self.accepted = 0
        self.begun_loads: list[int] = []
        self.done_loads: set[int] = set()
        for line in lines:
            kind, *words = line.split()
            if kind == "S":
                self.submitted.append(Submitted(words[0], int(words[1]), int(words[2])))
            elif kind == "A":
                self._waiting(words).acknowledged = tuple(map(int, words[2:]))
                self.offset = max(self.offset, int(words[2]))
                self.accepted += int(words[3])
            elif kind == "R":
                self._waiting(words).is_refused = True
            elif kind == "N":
                self.model_version = int(words[0])
            elif kind == "L":
                self.begun_loads.append(int(words[0]))
            elif kind == "D":
                self.done_loads.add(int(words[0]))

    def _waiting(self, words: list[str]) -> Submitted:
        """The first batch of a partition and number that has no answer yet."""
        return next(
            one
            for one in self.submitted
            if one.acknowledged is None
            and not one.is_refused
            and (one.partition, one.first) == (words[0], int(words[1]))
        )


@dataclass
class Judge:
    """Keeps the World in step with the store, round after round.

    `trims` says that records of the feed are removed now and then; `strangers` are profiles of whom
    nothing is told.
    """

    seed: int
    people: int
    trims: bool = False
    strangers: int = 0
    world: World = field(default_factory=World)
    positions: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    feed: FeedPlayer = field(default_factory=FeedPlayer)

    def judge(self, database: Database, lines: Iterable[str]) -> None:
        """AssertionError where the store is not what the lines of one writer allow."""
        told = _Told(lines)
        self._take_loads(database, told)
        stands = {
            partition: -1 if found is None else found.offset
            for partition in {one.partition for one in told.submitted} | set(self.positions)
            for found in [database.position(SOURCE, partition)]
        }
        ended = ""
        for one in told.submitted:
            name = f"{one.partition} {one.first}+{one.count}"
            if self._last_offset(one) > stands[one.partition]:
                assert one.acknowledged is None, f"{name} was acknowledged and is lost"
                ended = ended or ("" if one.is_refused else name)
            else:
                assert not ended, f"{name} is durable, and {ended} before it is not"
                self._take(one, name)
        for partition, stand in stands.items():
            assert stand == self.positions.get(partition, -1), (partition, stand, self.positions)
        assert database.data_version >= told.offset, (database.data_version, told.offset)
        assert database.model_version >= told.model_version
        self.acknowledged += told.accepted
        self.world.is_variant = database.model_version % 2 == 0
        check_store(database, self.world, self.feed, trimmed=self.trims, strangers=self.strangers)

    def _take_loads(self, database: Database, told: _Told) -> None:
        """Carries out the loads that are there: whole, and all that were done."""
        for number in told.begun_loads:
            (found,) = database.profiles([load_marker(number)])
            assert found or number not in told.done_loads, f"load {number} is lost"
            if found:
                for update in loaded_updates(self.seed, number, self.people):
                    self.world.apply(update, GIVER)

    def _last_offset(self, one: Submitted) -> int:
        last = one.first + one.count - 1
        return numbered_updates(self.seed, one.partition, last, self.people)[1][-1]

    def _take(self, one: Submitted, told: str) -> None:
        """Carries a durable batch out on the World."""
        people = len(self.world.people)
        accepted = duplicates = blocked = refused = 0
        for number in range(one.first, one.first + one.count):
            updates, offsets = numbered_updates(self.seed, one.partition, number, self.people)
            for update, offset in zip(updates, offsets, strict=True):
                if offset <= self.positions.get(one.partition, -1):
                    duplicates += 1
                    continue
                fault = self.world.apply(update, GIVER, SOURCE)
                accepted += fault is None
                refused += fault is not None
                blocked += update.get("phone") == "000"
                self.positions[one.partition] = offset
        counts = (accepted, duplicates, len(self.world.people) - people, refused)
        if one.acknowledged is not None:
            _, *found, found_blocked, found_refused = one.acknowledged
            assert (*found, found_refused) == counts, f"{told}: {one.acknowledged} for {counts}"
            assert found_blocked <= blocked
