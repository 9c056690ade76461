"""Ingests for ever, telling what it submits and what it was promised; run to be killed.

    python -m tests.crash.live_writer STORE SEED PEOPLE DESCRIPTOR ROUND BATCHES

Each partition has a thread, which first sends again what is durable already. Lines on the
descriptor, each in one write:

    S partition first count              batches first.. of the partition are handed over now,
                                         as one batch; these lines have the order of the log
    A partition first offset accepted duplicates created blocked refused
                                         the acknowledgement of that batch
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
from engine.live.positions import IngestAck
from tests.crash.live_batches import (
    GIVER,
    SOURCE,
    live_batch,
    number_of,
    numbered_updates,
    position_of,
)
from tests.crash.live_world import MODEL_FILES, VARIANT_FILES

__all__ = ["PARTITIONS", "ingest"]

PARTITIONS = ("east", "west", "north")
# Batches of a partition that may be under way.
WINDOW = 8


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

    def submit(self, partition: str, first: int, count: int) -> Future[IngestAck]:
        """Hands over some batches of a partition as one."""
        updates, offsets = [], []
        for number in range(first, first + count):
            more, at = numbered_updates(self.seed, partition, number, self.people)
            updates += more
            offsets += at
        batch, position = live_batch(updates), position_of(partition, offsets)
        with self._order:
            self.tell("S", partition, first, count)
            future = self.database.submit(batch, position, giver=GIVER)
        future.add_done_callback(lambda done: self._acknowledge(partition, first, done))
        return future

    def _acknowledge(self, partition: str, first: int, done: Future[IngestAck]) -> None:
        if done.exception() is None:
            ack = done.result()
            counts = (ack.accepted, ack.duplicates, ack.created, ack.blocked, len(ack.refused))
            self.tell("A", partition, first, ack.offset, *counts)

    def run_partition(self, partition: str, chance: random.Random) -> None:
        """Resumes a partition where it stands, and goes on."""
        stood = self.database.position(SOURCE, partition)
        number = 0 if stood is None else number_of(stood.offset) + 1
        again = min(number, chance.randint(0, 2))
        under_way: deque[Future[IngestAck]] = deque()
        last = number + self.batches
        number -= again
        while number < last:
            count = again + 1 if again else chance.choice([1, 1, 1, 2])
            again = 0
            under_way.append(self.submit(partition, number, count))
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
        if way < 0.06:
            version = self.database.model_version + 1
            self.tell("M", version)
            self.database.apply_model(VARIANT_FILES if version % 2 == 0 else MODEL_FILES)
            self.tell("N", version)
        elif way < 0.08:
            self.database.checkpoint()
            self.tell("C")


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
    if failures:
        raise failures[0]


def main(
    store: Path, seed: int, people: int, descriptor: int, round_number: int, batches: int
) -> None:
    """Ingest, close, and end."""
    with Database.open(store, threads=1) as database:
        writer = Writer(database, seed, people, descriptor, batches)
        ingest(writer, random.Random(f"{seed}/{round_number}"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:7]))
