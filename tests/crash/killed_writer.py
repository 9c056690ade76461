"""Kills a committing process again and again; run by test_store_damage.

    python -m tests.crash.killed_writer FOLDER SEED ROUNDS

Every value of the store is a function of its data version, so any mixture of two commits
shows. After each SIGKILL the store must be sound, and its state the last one that the
writer acknowledged or the one after that.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from engine.store.catalog import FieldKind
from engine.store.store import Snapshot, Store
from tests.sample_stores import BLOCK_ROWS, MAP_BYTES, opaque

BLOCKS = 4


def commit(store: Store) -> int:
    """Write the values of the next version."""
    with store.write() as writer:
        version = writer.data_version + 1
        if "f" not in writer.fields:
            writer.add_field("f", FieldKind.INTS, "int")
            writer.set_row_count(BLOCKS * BLOCK_ROWS)
        for block in range(BLOCKS):
            sizes = (version % 7 * 9_000 + 10, 50)
            writer.put_field(writer.fields["f"].id, block, opaque(version + block, *sizes))
        writer.put_meta("version", b"%d" % version)
        writer.put_meta(f"old {version % 5}", bytes(version % 11 * 4_000))
    return writer.data_version


def check(snapshot: Snapshot) -> None:
    """All values must be those of the snapshot's version."""
    version = snapshot.data_version
    assert snapshot.meta("version") == b"%d" % version
    field = snapshot.fields["f"].id
    for block in range(BLOCKS):
        wanted = opaque(version + block, version % 7 * 9_000 + 10, 50).parts
        assert tuple(bytes(part) for part in snapshot.payloads(field, block)) == wanted
    for old in range(max(version - 4, 1), version + 1):
        assert snapshot.meta(f"old {old % 5}") == bytes(old % 11 * 4_000)


def write_until_killed(folder: Path, acknowledge: int) -> None:
    """Commit for ever, telling each version after its commit."""
    with Store.open(folder, map_size=MAP_BYTES) as store:
        while True:
            os.write(acknowledge, b"%d\n" % commit(store))


def main(folder: Path, seed: int, rounds: int) -> None:
    """Run the rounds; an assertion or a line that is missing is a failure."""
    chance = random.Random(seed)
    with Store.create(folder, map_size=MAP_BYTES) as store:
        commit(store)
    for _ in range(rounds):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                write_until_killed(folder, writer)
            finally:
                os._exit(1)
        os.close(writer)
        acknowledged = os.read(reader, 100)
        time.sleep(chance.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        while more := os.read(reader, 65_536):
            acknowledged += more
        os.close(reader)
        last = int(acknowledged.split()[-1])
        with Store.open(folder, map_size=MAP_BYTES) as store:
            snapshot = store.snapshot()
            assert snapshot.data_version in (last, last + 1), (snapshot.data_version, last)
            check(snapshot)
            # Opaque parts are not payloads of a field; anything else would be a fault.
            assert all(fault.startswith("'f' in block") for fault in store.verify().faults)
            snapshot.close()
        print(f"survived at {last}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
