"""Damages a store again and again and reports what became of it; run by test_store_damage.

    python -m tests.crash.damaged_store FOLDER SEED COUNT

FOLDER gets a sample store. Each round changes its file in one way and lets a child process
read everything, verify, write, and read everything again. A line is printed for a round
that ended in anything but the right answers or a StoreCorrupt, and one with the counts of
all outcomes at the end. The children show what nothing else can: that no process dies.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.columns.ints import encode_ints
from engine.columns.strings import Strings
from engine.errors import StoreCorrupt
from engine.store.store import Store
from tests.sample_stores import MAP_BYTES, contents, sample_store

PAGE = 4096
SECTOR = 512

RIGHT, REFUSED, WRONG, OTHER_ERROR = 0, 10, 11, 12

Change = Callable[[random.Random, bytearray], str]


def flip_bit(chance: random.Random, data: bytearray) -> str:
    """One bit anywhere."""
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    return f"bit in byte {at}"


def flip_in_head(chance: random.Random, data: bytearray) -> str:
    """One bit near the beginning of a page, where LMDB and the records have their headers."""
    at = chance.randrange(len(data) // PAGE) * PAGE + chance.randrange(160)
    data[at] ^= 1 << chance.randrange(8)
    return f"bit in byte {at}"


def flip_in_tree(chance: random.Random, data: bytearray) -> str:
    """One bit in a page of LMDB's trees."""
    kinds = [int.from_bytes(data[at + 10 : at + 12], "little") for at in range(0, len(data), PAGE)]
    page = chance.choice([page for page, kind in enumerate(kinds) if kind in (1, 2)])
    at = page * PAGE + chance.randrange(PAGE)
    data[at] ^= 1 << chance.randrange(8)
    return f"bit in byte {at}"


def zero_sector(chance: random.Random, data: bytearray) -> str:
    """512 bytes that were never written."""
    at = chance.randrange(len(data) // SECTOR) * SECTOR
    data[at : at + SECTOR] = bytes(SECTOR)
    return f"zeroes from byte {at}"


def scribble(chance: random.Random, data: bytearray) -> str:
    """Some bytes of something else."""
    at, size = chance.randrange(len(data) - 100), chance.randrange(1, 100)
    data[at : at + size] = chance.randbytes(size)
    return f"{size} bytes from byte {at}"


def swap_pages(chance: random.Random, data: bytearray) -> str:
    """Two pages in each other's place."""
    a, b = chance.sample(range(2, len(data) // PAGE), 2)
    first, second = data[a * PAGE : (a + 1) * PAGE], data[b * PAGE : (b + 1) * PAGE]
    data[a * PAGE : (a + 1) * PAGE], data[b * PAGE : (b + 1) * PAGE] = second, first
    return f"pages {a} and {b} swapped"


def truncate(chance: random.Random, data: bytearray) -> str:
    """The end missing, often by whole pages or sectors."""
    unit = chance.choice([1, SECTOR, PAGE])
    size = chance.randrange(len(data) // unit) * unit
    del data[size:]
    return f"cut to {size} bytes"


CHANGES: tuple[Change, ...] = (
    flip_bit,
    flip_in_head,
    flip_in_tree,
    zero_sector,
    scribble,
    swap_pages,
    truncate,
)


def write(store: Store) -> None:
    """A commit that replaces, adds and removes records of every kind."""
    with store.write() as writer:
        for block in (0, 3):
            for name in ("age", "rank"):
                values = np.arange(3_000) + block
                encoded = encode_ints(values, np.ones(3_000, np.bool_))
                writer.put_field(writer.fields[name].id, block, encoded)
        writer.put_meta("long", b"new" * 9_000)
        writer.delete_meta("commit 1")
        writer.intern(writer.fields["city"].id, Strings.from_list(["another"]))


def judge(folder: Path, before: list[Any], after: list[Any]) -> int:
    """Use a damaged store in every way; runs in a process of its own."""
    try:
        with Store.open(folder, map_size=MAP_BYTES) as store:
            if contents(store.snapshot()) != before:
                return WRONG
            store.verify()
            write(store)
            if contents(store.snapshot()) != after:
                return WRONG
        with Store.open(folder, read_only=True, map_size=MAP_BYTES) as store:
            return RIGHT if contents(store.snapshot()) == after else WRONG
    except StoreCorrupt as error:
        assert str(folder) in error.message and error.message.endswith(".")
        return REFUSED
    except BaseException:
        traceback.print_exc()
        return OTHER_ERROR


def in_child(work: Callable[[], int]) -> int:
    """Exit status of `work` in a forked process; negative for the signal that ended it."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        status = OTHER_ERROR
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def prepared(folder: Path) -> tuple[bytes, list[Any], list[Any]]:
    """The file of a sound store, and what it holds before and after `write`."""
    sample_store(folder / "sound", block_count=6)
    data = (folder / "sound" / "data.mdb").read_bytes()
    with Store.open(folder / "sound", map_size=MAP_BYTES) as store:
        before = contents(store.snapshot())
        write(store)
        return data, before, contents(store.snapshot())


def main(folder: Path, seed: int, count: int) -> None:
    """Run `count` rounds and print what came out."""
    chance = random.Random(seed)
    sound, before, after = prepared(folder)
    outcomes: Counter[str] = Counter()
    for round_number in range(count):
        change = CHANGES[round_number % len(CHANGES)]
        data = bytearray(sound)
        what = change(chance, data)
        shutil.rmtree(folder / "damaged", ignore_errors=True)
        (folder / "damaged").mkdir()
        (folder / "damaged" / "data.mdb").write_bytes(data)
        status = in_child(lambda: judge(folder / "damaged", before, after))
        if status not in (RIGHT, REFUSED):
            print(f"FAILED {change.__name__} (seed {seed}): {what}: status {status}")
        outcomes[{RIGHT: "right", REFUSED: "refused"}.get(status, "failed")] += 1
    print(dict(outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
