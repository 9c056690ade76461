"""Deadlines, cancellation and overload: work ends with its caller, and room is bounded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import grpc
import pytest

from engine.core.control import Control
from strata.client import Client
from strata.errors import StrataError
from strata.v1 import audience_pb2
from tests.wire.fake_database import FakeDatabase, wait_until_stopped

PATIENCE_S = 30


def _count(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable:
    return channel.unary_unary(
        "/strata.v1.AudienceService/Count",
        audience_pb2.CountRequest.SerializeToString,
        audience_pb2.CountResponse.FromString,
    )


REQUEST = audience_pb2.CountRequest(audience=audience_pb2.Audience(expression="a = 1"))


def test_a_deadline_ends_the_work(serve: Callable[..., str]) -> None:
    began, ended = threading.Event(), threading.Event()
    database = FakeDatabase(before=wait_until_stopped(began, ended))
    with Client(serve(database), timeout_s=0.2) as client, pytest.raises(StrataError) as caught:
        client.count("a = 1")
    assert caught.value.reason == "DEADLINE_EXCEEDED"
    assert ended.wait(PATIENCE_S), "the engine worked on for a caller that had given up"


def test_the_engine_is_told_the_deadline(serve: Callable[..., str]) -> None:
    """The engine's own DEADLINE_EXCEEDED comes where its clock is first."""
    seen: list[Control | None] = []
    with Client(serve(FakeDatabase(before=seen.append)), timeout_s=60) as client:
        client.count("a = 1")
    (control,) = seen
    assert control is not None
    control.check()


def test_cancelling_ends_the_work(
    serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    began, ended = threading.Event(), threading.Event()
    database = FakeDatabase(before=wait_until_stopped(began, ended))
    call = _count(connect(serve(database))).future(REQUEST)
    assert began.wait(PATIENCE_S)
    assert not ended.is_set()
    call.cancel()
    assert ended.wait(PATIENCE_S), "the engine worked on for a caller that had gone"


def test_cancelling_a_list_ends_it(serve: Callable[..., str]) -> None:
    with Client(serve(FakeDatabase(members_size=3_000_000))) as client:
        members = client.members("a = 1", identifier_kind="phone")
        first = next(iter(members))
        assert first.entries[0] == "phone-000000000000"
        members.close()
        assert client.count("a = 1").count == 42


def test_a_list_comes_in_chunks(serve: Callable[..., str]) -> None:
    with Client(serve(FakeDatabase(members_size=100_000))) as client:
        members = client.members("a = 1", identifier_kind="phone")
        assert members.header.listed == 100_000
        chunks = list(members)
        assert sum(len(chunk.entries) for chunk in chunks) == 100_000
        assert chunks[-1].entries[-1] == "phone-000000099999"
        bitmap = client.members("a = 1", form="roaring")
        pieces = [chunk.roaring for chunk in bitmap]
        assert len(pieces) == 4
        assert b"".join(pieces) == bytes(range(256)) * 4096


def test_work_beyond_the_queue_is_refused_at_once(serve: Callable[..., str]) -> None:
    release = threading.Event()
    started = threading.Semaphore(0)

    def hold(control: Control | None) -> None:
        started.release()
        assert release.wait(PATIENCE_S)

    address = serve(FakeDatabase(before=hold), evaluation_slots=2, evaluation_queue=3)
    with Client(address) as client, ThreadPoolExecutor(20) as pool:
        running = [pool.submit(client.count, "a = 1") for _ in range(2)]
        for _ in range(2):
            assert started.acquire(timeout=PATIENCE_S)
        try:
            # Three of these find room in the queue; the others are refused at once.
            more = [pool.submit(client.count, "a = 1") for _ in range(13)]
            done, _ = wait(more, timeout=PATIENCE_S / 10)
        finally:
            release.set()
        assert len(done) == 10
        for future in done:
            failure = future.exception()
            assert isinstance(failure, StrataError)
            assert failure.reason == "OVERLOADED"
            assert failure.retry_after_s is not None and failure.retry_after_s >= 0.05
        assert all(future.result(PATIENCE_S).count == 42 for future in running)
        assert sum(future.exception(PATIENCE_S) is None for future in more) == 3
        assert client.count("a = 1").count == 42
