"""Loads that write blocks and identifiers ahead of their commit, for power cuts: all there or not.

A load has the people of some numbers; `m<number>` is who they are, `size` says which load had them
last. One load is given up in the middle. What must be found follows from how many loads there were.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.database import Database
from engine.errors import StoreMissing
from engine.identity import grown_shards, index, shards
from engine.identity.digests import UNKNOWN
from engine.identity.of_snapshot import identities_of
from engine.live import load_folding
from engine.live.batch import Ints, ProfileBatch
from engine.live.bulk_load import BulkLoad
from engine.model.definitions import Source
from engine.store.drafts import left_behind
from engine.store.store import Store

__all__ = ["check_large_loads", "write_large_loads"]

MODEL = {
    "model.yaml": """\
identifiers: {member: {per_profile: 1}}
attributes: {size: {type: int}}
segments: {odd: "size = 1"}
"""
}
SOURCE = Source("crm", {"member": "member"})
# Blocks that are new, a load that has known people too, and new ones in a block begun before.
LOADS = (np.arange(70_000), np.arange(65_000, 140_000), np.arange(139_000, 145_000))
GIVEN_UP = np.arange(200_000, 270_000)
BATCH = 20_000


def hurry() -> None:
    """Lets everything that can be written ahead be so, in small transactions."""
    for limit in ("LOAD_STAGED_BYTES", "LOAD_ORDERED_BYTES", "LOAD_KEPT_BYTES"):
        setattr(load_folding, limit, 0)
    for module, limit, value in (
        (index, "LOAD_IDENTITIES", 50_000),
        (index, "LOAD_IDENTITY_DRAFT_BYTES", 1 << 20),
        (grown_shards, "STRETCH_ENTRIES", 20_000),
        (shards, "IDENTITY_SHARD_ENTRIES", 4_000),
    ):
        setattr(module, limit, value)


def write_large_loads(folder: Path, acknowledge: Callable[[Path, object], None]) -> None:
    """The loads, each acknowledged once it has finished; one given up after the first."""
    hurry()
    with Database.create(folder / "store", threads=1) as database:
        database.apply_model(MODEL)
        acknowledge(folder, "model")
        for number, people in enumerate(LOADS):
            with database.bulk_load(SOURCE) as load:
                _add(load, people, number)
                assert load._index.spilled_runs or len(people) < BATCH
                load.finish()
            acknowledge(folder, number)
            if not number:
                with database.bulk_load(SOURCE) as load:
                    _add(load, GIVEN_UP, number)


def _add(load: BulkLoad, people: NDArray[np.int64], number: int) -> None:
    for start in range(0, len(people), BATCH):
        part = people[start : start + BATCH]
        sizes = np.full(len(part), number)
        load.add(
            ProfileBatch(
                len(part),
                {"member": _names(part)},
                {"size": Ints(sizes, np.ones(len(part), np.bool_))},
                {},
            )
        )


def _names(people: NDArray[np.int64]) -> Strings:
    return Strings.from_list([f"m{number}" for number in people.tolist()])


def check_large_loads(folder: Path, lines: list[str]) -> None:
    """All loads that were acknowledged, perhaps the next one, and nothing of another."""
    try:
        with Store.open(folder / "store", read_only=True) as store:
            assert store.verify().is_sound
    except StoreMissing:
        assert not lines
        return
    with Database.open(folder / "store", threads=1) as database:
        assert not _drafts(database)
        assert database.verify().is_sound
        if not database.model_version:
            assert not lines
            return
        acknowledged = max(len(lines) - 1, 0)
        there = [_holds(database, count) for count in range(len(LOADS) + 1)]
        assert sum(there) == 1 and there.index(True) in (acknowledged, acknowledged + 1), (
            f"{there}, and {acknowledged} were acknowledged"
        )
        later = GIVEN_UP[:5_000]
        with database.bulk_load(SOURCE) as load:
            _add(load, later, 1)
            load.finish()
        assert database.verify().is_sound
        assert (_rows(database, later) != UNKNOWN).all()


def _holds(database: Database, count: int) -> bool:
    """Whether the store has so many loads, and nothing else."""
    sizes: dict[int, int] = {}
    for number, people in enumerate(LOADS[:count]):
        sizes.update(dict.fromkeys(people.tolist(), number))
    if database.profile_count != len(sizes):
        return False
    for number in range(len(LOADS)):
        expected = sum(size == number for size in sizes.values())
        assert database.count(f"size = {number}").count == expected
    assert database.count("segment('odd')").count == database.count("size = 1").count
    known = np.array(sorted(sizes), np.int64)
    rows = _rows(database, known)
    assert len(np.unique(rows)) == len(known) and UNKNOWN not in rows
    others = np.setdiff1d(np.append(GIVEN_UP, np.concatenate(LOADS)), known)
    assert (_rows(database, others) == UNKNOWN).all()
    return True


def _rows(database: Database, people: NDArray[np.int64]) -> NDArray[np.uint32]:
    with database._store.snapshot() as snapshot:
        return identities_of(snapshot).lookup("member", _names(people))


def _drafts(database: Database) -> list[bytes]:
    store = database._store
    with store.snapshot() as snapshot:
        return left_behind(snapshot.version.state, store.view_of_now().transaction.key_from)
