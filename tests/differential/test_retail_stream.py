"""Customers that came as a stream, through processes that were killed, are those of the load."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.columns.strings import Strings
from engine.database import Database
from engine.live.feed import replay_feed
from engine.live.positions import StoredPosition
from engine.live.profiles import ProfileRecord
from tests.crash.live_check import stored_rows
from tests.differential.pairs import PAIRS
from tests.differential.retail_stream import loaded_batch, make_stream
from tests.differential.shop import AS_OF_US, LISTS, Shop
from tests.differential.stream_sender import PARTITIONS, SOURCE, Stream
from tests.skips import soaking
from tests.told import wait_told

ROOT = Path(__file__).parents[2]
KILLS = 40 if soaking() else 3


@dataclass(frozen=True)
class Streamed:
    """A database that was filled by a stream, the stream, and the shop that was loaded."""

    database: Database
    stream: Stream
    shop: Shop


@pytest.fixture(scope="module")
def streamed(
    shop: Shop, request: pytest.FixtureRequest, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Streamed]:
    """The customers of the shop, streamed into a new store with the same model and lists."""
    folder = tmp_path_factory.mktemp("streamed")
    lines = shop.store.parent / "lines.csv.gz"
    if not lines.exists():
        lines = request.getfixturevalue("real_data") / "online-retail" / "lines.csv.gz"
    model = shop.database.model
    assert model is not None
    with shop.database._store.snapshot() as snapshot:
        files = dict(snapshot.model_files)
    stream = make_stream(loaded_batch(model, lines, folder / "refused.csv"), seed)
    (folder / "stream").write_bytes(pickle.dumps(stream))
    with Database.create(folder / "store", threads=1, now=lambda: AS_OF_US) as database:
        database.apply_model(files)
        # Lists come first: their identifiers get owners later.
        contacted = shop.oracle.members(LISTS["contacted"])
        database.upload_list("contacted", "customer", Strings.from_list([*contacted, "7"]))
        database.upload_list("strangers", "customer", Strings.from_list(["0", "x"]))
    _send(folder, stream.batch.count, random.Random(seed))
    with Database.open(folder / "store", threads=1, now=lambda: AS_OF_US) as database:
        yield Streamed(database, stream, shop)


def _send(folder: Path, record_count: int, chance: random.Random) -> None:
    """Lets processes send the stream, and kills all but the last on their way."""
    left = record_count
    for kill in range(KILLS + 1):
        is_last = kill == KILLS
        enough = left + 1 if is_last else left * chance.uniform(0.0, 1.6 / (KILLS + 1 - kill))
        arguments = [str(folder / "store"), str(folder / "stream"), str(chance.randrange(1 << 30))]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.differential.stream_sender", *arguments],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith("STRATA_")},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout as told:
            taken, is_done = 0, False
            for line in told:
                is_done = line == "done\n"
                taken += 0 if is_done else int(line)
                if taken > enough:
                    time.sleep(chance.uniform(0, 0.02))
                    process.kill()
                    break
        status = process.wait()
        assert (status, is_done) == (0, True) or (status == -signal.SIGKILL and not is_last)
        left -= taken


def _profiles(database: Database, customers: list[str]) -> list[ProfileRecord]:
    found = database.profiles([("customer", customer) for customer in customers])
    assert None not in found
    return [record for record in found if record is not None]


def test_positions_are_those_of_the_last_records(streamed: Streamed) -> None:
    for number, partition in enumerate(PARTITIONS):
        last = int(streamed.stream.offset[streamed.stream.partition == number][-1])
        assert streamed.database.position(SOURCE, partition) == StoredPosition(1, last)


def test_profiles_are_those_of_the_load(streamed: Streamed) -> None:
    shop = streamed.shop
    customers = shop.members("true")
    assert streamed.database.profile_count == len(customers) == shop.customer_count
    loaded, found = (_profiles(db, customers) for db in (shop.database, streamed.database))
    faults = [
        f"{customer}: {one.attributes} {one.segments}, loaded {other.attributes} {other.segments}"
        for customer, one, other in zip(customers, found, loaded, strict=True)
        if (one.identifiers, one.attributes, one.segments)
        != (other.identifiers, other.attributes, other.segments)
    ]
    assert not faults, "\n".join(faults[:5])
    assert len({record.uid for record in found}) == len(customers)


def test_the_questions_have_the_same_answers(streamed: Streamed) -> None:
    # Buckets are dealt by uids, which are drawn anew.
    rules = [rule for rule, _ in PAIRS if "bucket(" not in rule]
    counted = streamed.database.count_many(rules, as_of_us=AS_OF_US)
    for rule, count in zip(rules, counted, strict=True):
        wanted = streamed.shop.members(rule)
        assert count.count == len(wanted), rule
        with streamed.database.members(rule, as_of_us=AS_OF_US) as members:
            chunks = members.identifiers("customer")
            assert sorted(one for chunk in chunks for one in chunk) == wanted, rule
    assert len(rules) >= 60


def test_segments_are_the_same_in_every_form(streamed: Streamed) -> None:
    database, shop = streamed.database, streamed.shop
    model = database.model
    assert model is not None
    wait_told(database)
    told = replay_feed(database.feed)
    kept = [name for name in model.segments if name not in database.unkept_segments()]
    assert kept and set(database.unkept_segments()) == set(shop.database.unkept_segments())
    for name in kept:
        wanted = shop.members(f"segment('{name}')")
        rows = np.sort([one.row for one in _profiles(database, wanted)]).tolist()
        with database._store.snapshot() as snapshot:
            assert stored_rows(snapshot, name) == rows, name
        key = f'segments."{name}"' if " " in name else f"segments.{name}"
        assert told.pop(key).tolist() == rows, name
        assert database.count(f"segment('{name}')").count == len(wanted), name
    assert not told and database.verify().is_sound
