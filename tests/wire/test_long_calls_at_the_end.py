"""A server that is told to stop while calls take longer than its drain time: writes under way are
answered, and what waits or reads is told why it was not."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from engine.database import Database
from engine.failpoints import configure
from strata.client import Client
from strata.errors import StrataError
from strata.updates import Update
from strata.v1 import list_pb2
from tests.wire.conftest import running
from tests.wire.fake_database import FakeDatabase, wait_until_stopped
from tests.wire.fake_ingest import FakeIngest
from tests.wire.real_store import MODEL
from tests.wire.test_ingest import Stream, batch, opening, reason_of

PATIENCE_S = 30
DRAIN_S = 0.3
UPDATE = [Update({"member": "m1"}, {"age": 3})]


@contextlib.contextmanager
def calling() -> Iterator[ThreadPoolExecutor]:
    """Threads for calls that do not end before the server does."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


def reason(call: Callable[[], object]) -> str:
    """The reason of a call's refusal, or '' where it was answered."""
    try:
        call()
    except StrataError as error:
        return error.reason
    return ""


def test_a_batch_that_the_engine_has_is_answered(connect: Callable[[str], grpc.Channel]) -> None:
    """Of a call and of a stream, though neither is durable within the drain time."""
    database = FakeIngest(by_hand=True)
    with calling() as threads:
        with running(database, drain_s=DRAIN_S) as address:
            client = Client(address)
            ack = threads.submit(client.ingest_batch, UPDATE, source="crm")
            stream = Stream(connect(address), opening(), batch())
            assert database.wait_for(2)
            threading.Timer(1.0, lambda: [database.answer(place) for place in (0, 1)]).start()
        assert ack.result(PATIENCE_S).accepted == 1
    assert [next(stream.answers).WhichOneof("part") for _ in range(2)] == ["opened", "ack"]
    with pytest.raises(grpc.RpcError) as caught:
        next(stream.answers)
    assert reason_of(caught.value) == "SHUTTING_DOWN"
    stream.say(None)


def test_what_was_not_begun_is_refused_and_what_was_is_answered() -> None:
    """Three batches wait for the one that a thread decodes when the drain time is over."""
    entered, go_on = threading.Event(), threading.Event()
    database = FakeIngest()

    def slowly() -> None:
        entered.set()
        assert go_on.wait(PATIENCE_S)

    database.refuse = slowly
    with calling() as threads:
        with running(database, drain_s=DRAIN_S, ingest_slots=1) as address:
            client = Client(address)

            def send() -> str:
                return reason(lambda: client.ingest_batch(UPDATE, source="crm"))

            first = threads.submit(send)
            assert entered.wait(PATIENCE_S)
            others = [threads.submit(send) for _ in range(3)]
            time.sleep(0.2)
            threading.Timer(1.0, go_on.set).start()
        assert first.result(PATIENCE_S) == ""
        assert [one.result(PATIENCE_S) for one in others] == ["SHUTTING_DOWN"] * 3
    assert len(database.taken) == 1


def test_waiting_batches_are_taken_while_there_is_time() -> None:
    """What was accepted is not refused because the order to stop has come."""
    database = FakeIngest()
    database.refuse = lambda: time.sleep(0.05)
    with calling() as threads:
        with running(database, drain_s=float(PATIENCE_S), ingest_slots=1) as address:
            client = Client(address)
            sent = [threads.submit(client.ingest_batch, UPDATE, source="crm") for _ in range(8)]
            assert database.wait_for(1)
            time.sleep(0.1)
        assert [one.result(PATIENCE_S).accepted for one in sent] == [1] * 8


@pytest.mark.parametrize("queued", [False, True])
def test_reads_are_told_why_they_were_ended(queued: bool) -> None:
    began, ended = threading.Event(), threading.Event()
    database = FakeDatabase(before=wait_until_stopped(began, ended))
    with calling() as threads:
        with running(database, drain_s=DRAIN_S, evaluation_slots=1) as address:
            client = Client(address)
            counts = [
                threads.submit(reason, lambda: client.count("true")) for _ in range(1 + queued)
            ]
            assert began.wait(PATIENCE_S)
            time.sleep(0.1)
            stopped_s = time.monotonic()
        assert time.monotonic() - stopped_s < PATIENCE_S / 3
        assert [one.result(PATIENCE_S) for one in counts] == ["SHUTTING_DOWN"] * (1 + queued)
    assert ended.is_set()


def test_a_commit_longer_than_the_drain_time_is_answered(tmp_path: Path) -> None:
    """A real store: the batch is acknowledged, and durable."""
    with Database.create(tmp_path / "store") as database:
        database.apply_model({"model.yaml": MODEL})
    database = Database.open(tmp_path / "store")
    with calling() as threads:
        try:
            with running(database, drain_s=DRAIN_S) as address:
                client = Client(address)
                assert client.count("true").count == 0
                configure("log.before_commit=sleep:1500")
                ack = threads.submit(client.ingest_batch, UPDATE, source="crm")
                time.sleep(0.2)
        finally:
            configure("")
        assert ack.result(PATIENCE_S).accepted == 1
    with Database.open(tmp_path / "store") as again:
        assert again.count("age = 3").count == 1


def test_a_client_that_says_nothing_more_is_cut_off(connect: Callable[[str], grpc.Channel]) -> None:
    """An upload without an end keeps the server for the drain time, and no longer."""
    gone = threading.Event()

    header = list_pb2.UploadListRequest(header={"name": "x", "identifier_kind": "member"})

    def upload() -> Iterator[bytes]:
        yield header.SerializeToString()
        gone.wait(PATIENCE_S)

    with running(FakeIngest(), drain_s=DRAIN_S) as address:
        path = "/strata.v1.ListService/UploadList"
        call = connect(address).stream_unary(path).future(upload())
        time.sleep(0.3)
        stopped_s = time.monotonic()
    assert time.monotonic() - stopped_s < PATIENCE_S / 3
    assert call.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
    gone.set()
