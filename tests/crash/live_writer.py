"""Writes for ever, telling what it submits and what it was promised; run to be killed.

    python -m tests.crash.live_writer STORE SEED PEOPLE DESCRIPTOR ROUND KEPT

Now and then a bulk load comes first. Each partition has a thread, which sends again what is
durable already, and goes on. KEPT is the time in microseconds for which the feed is kept.
Lines on the descriptor, each in one write:

    S partition first count              batches first.. of the partition are handed over now,
                                         as one batch; these lines have the order of the log
    A partition first offset accepted duplicates created blocked refused
                                         the acknowledgement of that batch
    R partition first                    that batch was refused
    L number / D number                  a bulk load begins to be written / is done
    M version / N version                a model edit begins / is done
    C                                    a checkpoint is done
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections import deque
from concurrent.futures import Future
from pathlib import Path

from engine.database import Database
from engine.limits import SAVE_SLICE_BYTES
from engine.live.positions import IngestAck
from engine.model.definitions import Source
from engine.store import open_events
from tests.crash.live_batches import (
    GIVER,
    SEALED_EVENTS,
    SOURCE,
    live_batch,
    loaded_updates,
    number_of,
    numbered_updates,
    position_of,
)
from tests.crash.live_world import MODEL_FILES, VARIANT_FILES

__all__ = ["PARTITIONS", "Writer", "ingest", "let_save"]

PARTITIONS = ("east", "west", "north")
# Batches of a partition that may be under way.
WINDOW = 8
# More than a writer sends before it is killed.
ENDLESS = 100_000


class Writer:
    """What the threads of the partitions share."""

    def __init__(
        self, database: Database, seed: int, people: int, descriptor: int, batches: int
    ) -> None:
        self.database = database
        self.seed = seed
        self.people = people
        self.batches = batches
        self._descriptor = descriptor
        self._order = threading.Lock()

    def tell(self, *words: object) -> None:
        """One line, whole."""
        os.write(self._descriptor, (" ".join(map(str, words)) + "\n").encode())

    def submit(
        self, partition: str, first: int, count: int, after: Future[IngestAck] | None
    ) -> Future[IngestAck]:
        """Hands over some batches of a partition as one, not to be taken where the one before
        is refused."""
        updates, offsets = [], []
        for number in range(first, first + count):
            more, at = numbered_updates(self.seed, partition, number, self.people)
            updates += more
            offsets += at
        batch, position = live_batch(updates), position_of(partition, offsets)
        with self._order:
            self.tell("S", partition, first, count)
            future = self.database.submit(batch, position, giver=GIVER, after=after)
        future.add_done_callback(lambda done: self._acknowledge(partition, first, done))
        return future

    def _acknowledge(self, partition: str, first: int, done: Future[IngestAck]) -> None:
        if done.exception() is None:
            ack = done.result()
            counts = (ack.accepted, ack.duplicates, ack.created, ack.blocked, len(ack.refused))
            self.tell("A", partition, first, ack.offset, *counts)
        else:
            self.tell("R", partition, first)

    def load(self, number: int) -> None:
        """A bulk load while no batches are under way."""
        let_save(self.database, True)
        with self.database.bulk_load(Source(GIVER, {"member": "member"})) as load:
            load.add(live_batch(loaded_updates(self.seed, number, self.people)))
            self.tell("L", number)
            load.finish()
        self.tell("D", number)

    def edit(self) -> None:
        """The model becomes the other one."""
        let_save(self.database, True)
        version = self.database.model_version + 1
        self.tell("M", version)
        self.database.apply_model(VARIANT_FILES if version % 2 == 0 else MODEL_FILES)
        self.tell("N", version)

    def checkpoint(self) -> None:
        """Everything is saved."""
        let_save(self.database, True)
        self.database.checkpoint()
        self.tell("C")

    def run_partition(self, partition: str, chance: random.Random) -> None:
        """Resumes a partition where it stands, and goes on."""
        stood = self.database.position(SOURCE, partition)
        number = 0 if stood is None else number_of(stood.offset) + 1
        again = min(number, chance.randint(0, 2))
        under_way: deque[Future[IngestAck]] = deque()
        last: Future[IngestAck] | None = None
        end = number + self.batches
        number -= again
        while number < end:
            count = again + 1 if again else chance.choice([1, 1, 1, 2])
            again = 0
            last = self.submit(partition, number, count, last)
            under_way.append(last)
            number += count
            while len(under_way) > chance.randint(0, WINDOW):
                under_way.popleft().result()
            self._something_else(partition, chance)
        for future in under_way:
            future.result()

    def _something_else(self, partition: str, chance: random.Random) -> None:
        if partition != PARTITIONS[0]:
            return
        way = chance.random()
        if way < 0.08:
            self.edit()
        elif way < 0.09:
            self.checkpoint()
        elif way < 0.4:
            let_save(self.database, chance.random() < 0.5)


def let_save(database: Database, may_save: bool) -> None:
    """Whether commits save blocks and identities; without it no edit and no checkpoint ends.

    So few people are in one block, which every commit would save whole; held back, records of
    the log are needed that the feed and later saves have gone beyond.
    """
    database._live._committer._slice_bytes = SAVE_SLICE_BYTES if may_save else 0


def ingest(writer: Writer, chance: random.Random) -> None:
    """All partitions at once, until each has sent its batches."""
    failures: list[BaseException] = []

    def run(partition: str, seed: float) -> None:
        try:
            writer.run_partition(partition, random.Random(seed))
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=run, args=(partition, chance.random())) for partition in PARTITIONS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    let_save(writer.database, True)
    if failures:
        raise failures[0]


def main(
    store: Path, seed: int, people: int, descriptor: int, round_number: int, kept_us: int
) -> None:
    """Open, and write until killed."""
    chance = random.Random(f"{seed}/{round_number}")
    open_events.SEALED_EVENTS = SEALED_EVENTS
    with Database.open(store, threads=1) as database:
        database._live._committer.feed_kept_us = kept_us
        writer = Writer(database, seed, people, descriptor, ENDLESS)
        if chance.random() < 0.3:
            writer.load(round_number)
        ingest(writer, chance)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:7]))
