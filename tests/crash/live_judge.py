"""What must be durable after a writer is gone, from the lines that it told.

The log has one order, that of the S lines. What is durable is a beginning of it that contains
everything acknowledged: positions say where it ends, and the World then says what the store
must hold and what the acknowledgements must have said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.database import Database
from tests.crash.live_batches import GIVER, SOURCE, numbered_updates
from tests.crash.live_check import FeedPlayer, check_store
from tests.crash.live_world import World

__all__ = ["Judge"]


@dataclass(slots=True)
class Submitted:
    """An S line and its A line, if there was one: offset, then the counts."""

    partition: str
    first: int
    count: int
    acknowledged: tuple[int, ...] | None = None


@dataclass
class Judge:
    """Keeps the World in step with the store, round after round."""

    seed: int
    people: int
    world: World = field(default_factory=World)
    positions: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    feed: FeedPlayer = field(default_factory=FeedPlayer)

    def judge(self, database: Database, lines: Iterable[str]) -> None:
        """AssertionError where the store is not what the lines of one writer allow."""
        submitted, offset, model_version = self._read(lines)
        stands = {
            partition: -1 if found is None else found.offset
            for partition in {one.partition for one in submitted} | set(self.positions)
            for found in [database.position(SOURCE, partition)]
        }
        ended = ""
        for one in submitted:
            told = f"{one.partition} {one.first}+{one.count}"
            if self._last_offset(one) > stands[one.partition]:
                assert one.acknowledged is None, f"{told} was acknowledged and is lost"
                ended = ended or told
            else:
                assert not ended, f"{told} is durable, and {ended} before it is not"
                self._take(one, told)
        for partition, stand in stands.items():
            assert stand == self.positions.get(partition, -1), (partition, stand, self.positions)
        assert database.data_version >= offset, (database.data_version, offset)
        assert database.model_version >= model_version
        self.world.is_variant = database.model_version % 2 == 0
        check_store(database, self.world, self.feed)

    def _read(self, lines: Iterable[str]) -> tuple[list[Submitted], int, int]:
        submitted: list[Submitted] = []
        offset = model_version = 0
        for line in lines:
            kind, *words = line.split()
            if kind == "S":
                submitted.append(Submitted(words[0], int(words[1]), int(words[2])))
            elif kind == "A":
                waiting = (one for one in submitted if one.acknowledged is None)
                found = [
                    one
                    for one in waiting
                    if (one.partition, one.first) == (words[0], int(words[1]))
                ]
                found[0].acknowledged = tuple(map(int, words[2:]))
                offset = max(offset, int(words[2]))
                self.acknowledged += int(words[3])
            elif kind == "N":
                model_version = int(words[0])
        return submitted, offset, model_version

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
                fault = self.world.apply(update, GIVER)
                accepted += fault is None
                refused += fault is not None
                blocked += update.get("phone") == "000"
                self.positions[one.partition] = offset
        counts = (accepted, duplicates, len(self.world.people) - people, refused)
        if one.acknowledged is not None:
            _, *found, found_blocked, found_refused = one.acknowledged
            assert (*found, found_refused) == counts, f"{told}: {one.acknowledged} for {counts}"
            assert found_blocked <= blocked
