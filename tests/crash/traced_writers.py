"""Programs whose system calls are recorded, and what must be found after a power cut.

    python -m tests.crash.traced_writers WRITER FOLDER SEED

A writer changes FOLDER/store and tells what it was promised in lines of FOLDER/acknowledged.
`CHECKS` has for each writer a function of (folder of an image, those lines, seed) that raises
AssertionError or an engine error where the image is not a state that may be left.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from engine.database import Database
from engine.errors import StoreMissing
from engine.model.definitions import Source
from engine.store.store import Store
from tests.crash.killed_writer import check, commit
from tests.crash.large_loads import check_large_loads, write_large_loads
from tests.crash.live_batches import GIVER, live_batch, loaded_updates
from tests.crash.live_check import check_profiles
from tests.crash.live_judge import Judge
from tests.crash.live_world import MODEL_FILES, World
from tests.crash.live_writer import Writer, ingest
from tests.crash.power_cut import ACKNOWLEDGED
from tests.sample_stores import MAP_BYTES

__all__ = ["CHECKS", "WRITERS"]

COMMITS = 12
LOADS = 4
PEOPLE = 60
# Batches of each partition before and after an edit.
BATCHES = 5


def acknowledge(folder: Path, line: object) -> None:
    """Tell that something was promised, in one call."""
    descriptor = os.open(folder / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def create(folder: Path, seed: int) -> None:
    """A store comes into being, with a model and without anything else."""
    Store.create(folder / "store", map_size=MAP_BYTES).close()
    acknowledge(folder, "created")


def check_created(folder: Path, lines: list[str], seed: int) -> None:
    """The store is whole, or not there at all and can be created."""
    assert {path.name for path in folder.iterdir() if not path.name.endswith(".new")} <= {"store"}
    try:
        store = Store.open(folder / "store", map_size=MAP_BYTES)
    except StoreMissing:
        assert not lines and not (folder / "store").exists()
        store = Store.create(folder / "store", map_size=MAP_BYTES)
    with store:
        assert store.verify().is_sound


def write_commits(folder: Path, seed: int) -> None:
    """Commits that replace values of every size, so that freed pages are used again."""
    with Store.create(folder / "store", map_size=MAP_BYTES) as store:
        for _ in range(COMMITS):
            acknowledge(folder, commit(store))


def check_commits(folder: Path, lines: list[str], seed: int) -> None:
    """The last commit that was acknowledged, or the next one; and writing goes on."""
    last = int(lines[-1]) if lines else 0
    try:
        store = Store.open(folder / "store", map_size=MAP_BYTES)
    except StoreMissing:
        assert not lines
        return
    with store:
        version = store.snapshot().data_version
        assert version in (last, last + 1), f"version {version}, and {last} was acknowledged"
        for _ in range(2):
            if store.snapshot().data_version:
                check(store.snapshot())
            # Opaque parts are not payloads of a field; anything else would be a fault.
            faults = [f for f in store.verify().faults if not f.startswith("'f' in block")]
            assert not faults, faults
            commit(store)


def load(folder: Path, seed: int) -> None:
    """Bulk loads, each one commit."""
    with Database.create(folder / "store") as database:
        database.apply_model(MODEL_FILES)
        acknowledge(folder, "model")
        for number in range(LOADS):
            with database.bulk_load(Source(GIVER, {"member": "member"})) as load:
                load.add(live_batch(loaded_updates(seed, number, PEOPLE)))
                load.finish()
            acknowledge(folder, number)


def check_loads(folder: Path, lines: list[str], seed: int) -> None:
    """All loads that were acknowledged, perhaps the next one, and nothing of another."""
    try:
        database = Database.open(folder / "store", threads=1)
    except StoreMissing:
        assert not lines
        return
    with database:
        assert database.verify().is_sound
        if not database.model_version:
            assert not lines
            return
        people, world, number = database.profile_count, World(), 0
        while number < len(lines) - 1 or len(world.people) < people:
            for update in loaded_updates(seed, number, PEOPLE):
                world.apply(update, GIVER)
            number += 1
        assert len(world.people) == people and number <= len(lines)
        check_profiles(database, world, world.people)


def load_ahead(folder: Path, seed: int) -> None:
    """Loads that write blocks and identifiers ahead of their commits."""
    write_large_loads(folder, acknowledge)


def check_loads_ahead(folder: Path, lines: list[str], seed: int) -> None:
    """See check_large_loads."""
    check_large_loads(folder, lines)


def write_live(folder: Path, seed: int) -> None:
    """Batches of three partitions, edits, a load, blocks saved meanwhile, and a close."""
    chance = random.Random(seed)
    with Database.create(folder / "store", threads=1) as database:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(folder / ACKNOWLEDGED, flags, 0o644)
        try:
            database.apply_model(MODEL_FILES)
            writer = Writer(database, seed, PEOPLE, descriptor, BATCHES)
            writer.tell("N", 1)
            ingest(writer, chance)
            writer.edit()
            ingest(writer, chance)
            writer.load(0)
            writer.edit()
            ingest(writer, chance)
            writer.checkpoint()
        finally:
            # Before the descriptor goes: every batch is answered then.
            database.close()
            os.close(descriptor)


def check_live(folder: Path, lines: list[str], seed: int) -> None:
    """Everything acknowledged, a beginning of what was not, and so once more after a close."""
    if not (folder / "store").exists():
        assert not lines
        return
    judge = Judge(seed, PEOPLE)
    with Database.open(folder / "store", threads=1) as database:
        if not database.model_version:
            assert not lines
            return
        judge.judge(database, lines)
    with Database.open(folder / "store", threads=1) as database:
        judge.judge(database, [])


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "create": create,
    "commits": write_commits,
    "load": load,
    "ahead": load_ahead,
    "live": write_live,
}
CHECKS: dict[str, Callable[[Path, list[str], int], None]] = {
    "create": check_created,
    "commits": check_commits,
    "load": check_loads,
    "ahead": check_loads_ahead,
    "live": check_live,
}


if __name__ == "__main__":
    WRITERS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
