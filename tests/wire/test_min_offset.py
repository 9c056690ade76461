"""Reads that wait for a write."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from strata.client import Client
from strata.errors import StrataError
from tests.wire.fake_ingest import FakeIngest

PATIENCE_S = 30
READS: dict[str, Callable[[Client, int], Any]] = {
    "count": lambda client, offset: client.count("age = 1", min_offset=offset),
    "count_many": lambda client, offset: client.count_many(["age = 1"], min_offset=offset),
    "members": lambda client, offset: client.members("age = 1", form="uids", min_offset=offset),
    "profiles": lambda client, offset: client.profiles([("member", "m")], min_offset=offset),
    "lists": lambda client, offset: client.lists(min_offset=offset),
}  # fmt: skip


def test_every_read_waits(serve: Callable[..., str]) -> None:
    database = FakeIngest(visible=4)
    # One place for evaluations: nobody who waits may hold it.
    address = serve(database, evaluation_slots=1, evaluation_queue=0)
    with Client(address) as client, ThreadPoolExecutor(len(READS)) as pool:
        for read in READS.values():
            read(client, 4)
        waiting = {name: pool.submit(read, client, 5) for name, read in READS.items()}
        threading.Event().wait(0.2)
        assert not [name for name, read in waiting.items() if read.done()]
        assert client.count("age = 1", min_offset=3).count == 42
        database.visible = 5
        failures = []
        for name, read in waiting.items():
            try:
                read.result(PATIENCE_S)
            except StrataError as error:
                # All come at once, and there is one place.
                failures.append((name, error.reason))
        assert {reason for _, reason in failures} <= {"OVERLOADED"}
        assert len(failures) < len(READS)


def test_one_profile_waits(serve: Callable[..., str]) -> None:
    database = FakeIngest()
    with Client(serve(database, visible_wait_s=0.2)) as client:
        with pytest.raises(StrataError) as caught:
            client.profile("member", "m", min_offset=1)
        assert caught.value.reason == "DEADLINE_EXCEEDED"
        database.visible = 1
        with pytest.raises(StrataError) as caught:
            client.profile("member", "m", min_offset=1)
        assert caught.value.reason == "NOT_FOUND"


def test_a_wait_ends_by_itself(serve: Callable[..., str]) -> None:
    with Client(serve(FakeIngest(), visible_wait_s=0.2)) as client:
        with pytest.raises(StrataError) as caught:
            client.count("age = 1", min_offset=7)
        assert caught.value.reason == "DEADLINE_EXCEEDED" and "offset 7" in caught.value.message


def test_a_wait_ends_with_the_callers_deadline(serve: Callable[..., str]) -> None:
    with Client(serve(FakeIngest()), timeout_s=0.2) as client:
        with pytest.raises(StrataError) as caught:
            client.count("age = 1", min_offset=7)
        assert caught.value.reason == "DEADLINE_EXCEEDED"


def test_only_so_many_wait(serve: Callable[..., str]) -> None:
    database = FakeIngest()
    address = serve(database, visible_waits=2)
    with Client(address) as client, ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(client.count, "age = 1", min_offset=1) for _ in range(6)]
        refused = [read for read in waiting if _failed_at_once(read)]
        assert len(refused) == 4
        database.visible = 1
        assert sum(read.exception(PATIENCE_S) is None for read in waiting) == 2


def _failed_at_once(read: Any) -> bool:
    try:
        failure = read.exception(1.0)
    except TimeoutError:
        return False
    assert failure is None or failure.reason == "OVERLOADED"
    return failure is not None
