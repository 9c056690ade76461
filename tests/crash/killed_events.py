"""A stream of events through processes that are killed ends as one pass in order does.

    python -m tests.crash.killed_events FOLDER SEED EVENTS KILLS

Events come twice and in disorder (see event_stream.py). Each process sends from where the partition
stands, a little before it now and then, and is killed somewhere on its way. Afterwards the events,
the attributes, the segments in every form and the feed are compared with those of a store that got
each event once, in order, from one process. `python -m tests.crash.killed_events STORE SEED EVENTS
DESCRIPTOR send` is such a process.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.database import Database
from engine.events.decode import decode_events
from engine.live.feed import replay_feed
from engine.live.positions import IngestAck, Position, StoredPosition
from engine.live.segments import segment_key
from engine.store.catalog import event_field
from tests.crash.event_stream import MODEL, NOW_US, SOURCE, EventStream
from tests.crash.live_check import stored_rows
from tests.crash.tracing import ROOT
from tests.told import wait_told

__all__ = ["main"]

PARTITION = "only"
LARGEST_BATCH, WINDOW = 2_000, 6


def send(store: Path, seed: int, count: int, descriptor: int) -> None:
    """Sends all that is not durable, telling how far it is acknowledged."""
    stream, chance = EventStream(seed, count), random.Random()
    total = len(stream.records)
    with Database.open(store, threads=1, now=lambda: NOW_US) as database:
        stood = database.position(SOURCE, PARTITION)
        start = 0 if stood is None else stood.offset
        start = max(0, start - chance.choice((0, 0, chance.randrange(LARGEST_BATCH))))
        under_way: deque[tuple[int, Future[IngestAck]]] = deque()
        while start < total or under_way:
            while len(under_way) > (chance.randint(0, WINDOW) if start < total else 0):
                end, future = under_way.popleft()
                assert not future.result().refused
                os.write(descriptor, f"{end}\n".encode())
            if start < total:
                end = min(total, start + chance.randint(1, LARGEST_BATCH))
                offsets = np.arange(start + 1, end + 1, dtype=np.uint64)
                future = database.submit(
                    stream.batch(stream.records[start:end]),
                    Position(SOURCE, PARTITION, 1, offsets),
                    giver=SOURCE,
                )
                under_way.append((end, future))
                start = end
            if chance.random() < 0.01:
                database.checkpoint()


def _sent(store: Path, seed: int, count: int, until: int | None, chance: random.Random) -> int:
    """How far a process came that is killed once it is past `until` (None: never)."""
    reader, writer = os.pipe()
    arguments = map(str, (store, seed, count, writer, "send"))
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.killed_events", *arguments],
        cwd=ROOT,
        pass_fds=(writer,),
    )
    os.close(writer)
    reached = 0
    with os.fdopen(reader) as told:
        for line in told:
            reached = int(line)
            if until is not None and reached >= until:
                time.sleep(chance.random() * 0.05)
                child.kill()
                break
        child.wait()
    wanted = 0 if until is None else -signal.SIGKILL
    assert child.returncode in (0, wanted), f"the sender ended with {child.returncode}"
    return reached


def _in_order(store: Path, stream: EventStream) -> None:
    """Each event once, in order, from one process."""
    with Database.create(store, threads=1, now=lambda: NOW_US) as database:
        database.apply_model(MODEL)
        for start in range(0, stream.count, 10_000):
            events = np.arange(start, min(start + 10_000, stream.count))
            ack = database.ingest(stream.batch(events), giver=SOURCE, source=SOURCE)
            assert (ack.accepted, ack.duplicates) == (len(events), 0)
        database.wait_visible(ack.offset)


def _state(database: Database) -> dict[str, Any]:
    """What a store says of each member, whatever its row: comparable with another's."""
    report = database.verify()
    assert report.is_sound, report.faults[:5]
    wait_told(database)
    told = replay_feed(database.feed)
    with database.members("true") as members:
        names = [name for chunk in members.identifiers("member") for name in chunk]
        rows = members.rows
    owner = np.full(int(rows.max()) + 1, -1, np.int64)
    owner[rows] = [int(name[1:]) for name in names]
    found: dict[str, Any] = {"people": np.sort(owner[rows])}
    model = database.model
    assert model is not None and not database.unkept_segments()
    with database._store.snapshot() as snapshot:
        for name, segment in model.segments.items():
            stored = np.array(stored_rows(snapshot, name), np.int64)
            with database.members(segment.rule, as_of_us=NOW_US) as members:
                assert np.array_equal(members.rows, stored), name
            assert np.array_equal(told.get(segment_key(name), np.zeros(0)), stored), (
                f"{name} by the feed"
            )
            found[f"segment {name}"] = np.sort(owner[stored])
        for event in model.events:
            found[f"events {event}"] = _events(snapshot, event, owner)
    for stage in "xyz":
        with database.members(f"stage = '{stage}'") as members:
            found[f"stage {stage}"] = np.sort(owner[members.rows])
    return found


def _events(snapshot: Any, event: str, owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """(owner, time, properties) of every event of a type, sorted."""
    number = snapshot.fields[event_field(event)].id
    found = []
    for block in range(snapshot.block_count):
        parts = snapshot.payloads(number, block)
        if not parts:
            continue
        events = decode_events(parts)
        columns = [owner[(block << 16) + events.rows.astype(np.int64)], events.times]
        for of, values in sorted(events.properties.items()):
            if snapshot.fields.by_id(of).type == "category":
                # Other codes stand for the same strings in another store.
                dictionary = snapshot.dictionary(of)
                texts = [0, *(int(one[1:]) for one in dictionary.strings.to_list())]
                columns.append(np.array(texts, np.int64)[values.codes])
            else:
                columns.append(values.values.astype(np.int64))
        found.append(np.stack(columns))
    every = np.concatenate(found, axis=1)
    return every[:, np.lexsort(every[::-1])]


def main(folder: Path, seed: int, count: int, kills: int) -> None:
    """Kills senders, and compares what is there in the end."""
    chance, stream = random.Random(seed), EventStream(seed, count)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with Database.create(folder / "killed", threads=1, now=lambda: NOW_US) as database:
        database.apply_model(MODEL)
    total = len(stream.records)
    on_the_way = 0
    for until in sorted(chance.randrange(total * 98 // 100) for _ in range(kills)):
        # Late ones may find that the one before had come to the end.
        on_the_way += _sent(folder / "killed", seed, count, until, chance) < total
    assert on_the_way, "each had sent everything before it was killed"
    # None is sent where all that was under way at the last kill had become durable.
    assert _sent(folder / "killed", seed, count, None, chance) in (0, total)
    _in_order(folder / "ordered", stream)
    states = []
    for name in ("killed", "ordered"):
        with Database.open(folder / name, threads=1, now=lambda: NOW_US) as database:
            states.append(_state(database))
            if name == "killed":
                assert database.position(SOURCE, PARTITION) == StoredPosition(1, total)
    after, wanted = states
    assert after.keys() == wanted.keys()
    for what, values in wanted.items():
        assert len(values), f"{what}: nothing to compare"
        assert np.array_equal(after[what], values), f"{what} differ"
    assert sum(v.shape[1] for k, v in wanted.items() if k.startswith("events ")) == count
    seconds = time.monotonic() - began
    print(
        f"survived {kills} kills, {on_the_way} on the way, in {total:,} records of {count:,} "
        f"events of {len(wanted['people']):,} people: as in order ({seconds:.0f} s)"
    )


if __name__ == "__main__":
    if sys.argv[5:] == ["send"]:
        send(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
    else:
        main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
