"""A process that sends a stream of updates, until it is killed or has sent everything.

    python -m tests.differential.stream_sender STORE STREAM SEED

Sends what is not durable yet of the pickled `Stream`, in batches cut at random, some of them
again, and prints after each acknowledgement how many records it found new. Having sent all, it
prints `done`.
"""

from __future__ import annotations

import pickle
import random
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.database import Database
from engine.live.batch import Column, ProfileBatch, SetColumn, Texts
from engine.live.positions import IngestAck, Position
from tests.differential.shop import AS_OF_US

__all__ = ["PARTITIONS", "SOURCE", "Rows", "Stream", "chosen_sets"]

SOURCE = "customers"  # who gives the sets of the load, too
PARTITIONS = ("0", "1", "2")
WINDOW = 6
LARGEST_BATCH = 400

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Stream:
    """`batch` in the order of sending; record i belongs to `partition[i]`, there at `offset[i]`."""

    batch: ProfileBatch
    partition: NDArray[np.int64]
    offset: NDArray[np.uint64]


def chosen_sets(column: SetColumn, source: Rows, carries: NDArray[np.bool_]) -> SetColumn:
    """The sets of some rows where an update carries them; an empty one takes all away."""
    sizes = np.where(carries, np.diff(column.offsets)[source], 0)
    starts = column.offsets[source]
    pieces = [np.arange(a, a + n) for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]
    offsets = np.append(np.int64(0), np.cumsum(sizes)).astype(np.int64)
    return SetColumn(offsets, column.values.take(np.concatenate(pieces)), carries & (sizes == 0))


def _part(batch: ProfileBatch, at: Rows) -> ProfileBatch:
    """Some records of a batch, in their order."""
    attributes: dict[str, Column] = {}
    for name, column in batch.attributes.items():
        assert column.unset is not None
        if isinstance(column, Texts):
            attributes[name] = Texts(column.values.take(at), column.unset[at])
        else:
            attributes[name] = replace(
                column, values=column.values[at], valid=column.valid[at], unset=column.unset[at]
            )
    sets = {}
    for name, cells in batch.sets.items():
        some = chosen_sets(cells, at, np.ones(len(at), bool))
        assert cells.unset is not None
        sets[name] = replace(some, unset=cells.unset[at])
    assert batch.times is not None
    identifiers = {kind: values.take(at) for kind, values in batch.identifiers.items()}
    return ProfileBatch(len(at), identifiers, attributes, sets, times=batch.times[at])


def _batches_of(
    database: Database, stream: Stream, number: int, chance: random.Random
) -> Iterator[Future[IngestAck]]:
    """Sends a partition from where it stands, and from a little before now and then."""
    (at,) = np.nonzero(stream.partition == number)
    offsets = stream.offset[at]
    stood = database.position(SOURCE, PARTITIONS[number])
    start = 0 if stood is None else int(np.searchsorted(offsets, np.uint64(stood.offset), "right"))
    start = max(0, start - chance.randint(0, LARGEST_BATCH))
    while start < len(at):
        end = start + chance.randint(1, LARGEST_BATCH)
        position = Position(SOURCE, PARTITIONS[number], 1, offsets[start:end])
        yield database.submit(_part(stream.batch, at[start:end]), position)
        again = chance.randint(0, LARGEST_BATCH) if chance.random() < 0.1 else 0
        start = max(0, min(end, len(at)) - again) if end < len(at) else end


def main(store: Path, stream_file: Path, seed: int) -> None:
    """Send everything that is not durable yet."""
    chance = random.Random(seed)
    stream: Stream = pickle.loads(stream_file.read_bytes())
    with Database.open(store, threads=1, now=lambda: AS_OF_US) as database:
        sending = [_batches_of(database, stream, n, chance) for n in range(len(PARTITIONS))]
        under_way: deque[Future[IngestAck]] = deque()
        while sending:
            turn = chance.choice(sending)
            future = next(turn, None)
            if future is None:
                sending.remove(turn)
            else:
                under_way.append(future)
            if chance.random() < 0.02:
                database.checkpoint()
            _tell(under_way, 0 if not sending else chance.randint(0, WINDOW))
    print("done", flush=True)


def _tell(under_way: deque[Future[IngestAck]], left: int) -> None:
    """Waits until so few batches are under way, and says what became of the others."""
    while len(under_way) > left:
        ack = under_way.popleft().result()
        print(ack.accepted + len(ack.refused), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
