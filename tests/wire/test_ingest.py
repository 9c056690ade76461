"""Ingest over the wire: credits, order, failures and ends, with a database that does as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from engine.errors import InputInvalid, Overloaded, OwnerFenced, StoreUnwritable
from engine.live.positions import StoredPosition
from strata.answers import BatchAck
from strata.client import Client
from strata.errors import StrataError
from strata.ingesting import Ingestor
from strata.updates import Update, batch_message
from strata.v1 import error_pb2, ingest_pb2
from tests.wire.arrow_batches import arrow_bytes
from tests.wire.conftest import running
from tests.wire.fake_ingest import FakeIngest

PATIENCE_S = 30
PATH = "/strata.v1.IngestService/Ingest"
ONE = [Update({"member": "m1"}, {"age": 4})]
BAD = [Update({"member": "m1"}, {"age": "four"}), Update({"member": "m2"})]


class Stream:
    """A client that says exactly what a test wants, and reads only when it is told to."""

    def __init__(self, channel: grpc.Channel, *first: ingest_pb2.IngestRequest) -> None:
        self._say: list[ingest_pb2.IngestRequest | None] = list(first)
        self._news = threading.Condition()
        call = channel.stream_stream(
            PATH,
            ingest_pb2.IngestRequest.SerializeToString,
            ingest_pb2.IngestResponse.FromString,
        )
        self.answers: Any = call(self._requests())

    def _requests(self) -> Iterator[ingest_pb2.IngestRequest]:
        at = 0
        while True:
            with self._news:
                self._news.wait_for(lambda: len(self._say) > at)  # noqa: B023
                request = self._say[at]
            if request is None:
                return
            yield request
            at += 1

    def say(self, *requests: ingest_pb2.IngestRequest | None) -> None:
        with self._news:
            self._say.extend(requests)
            self._news.notify_all()


def opening(**origin: Any) -> ingest_pb2.IngestRequest:
    return ingest_pb2.IngestRequest(open=ingest_pb2.Origin(**{"source": "crm", **origin}))


def batch(updates: Any = ONE, **place: Any) -> ingest_pb2.IngestRequest:
    return ingest_pb2.IngestRequest(batch=batch_message(updates, **place))


def reason_of(error: grpc.RpcError) -> str:
    trailers = dict(error.trailing_metadata())
    status = error_pb2.ErrorStatus.FromString(trailers["grpc-status-details-bin"])
    detail = error_pb2.ErrorDetail()
    assert status.details[-1].Unpack(detail)
    return detail.reason


@pytest.fixture
def database() -> FakeIngest:
    return FakeIngest()


@pytest.fixture
def stream(
    database: FakeIngest, serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> Callable[..., Stream]:
    def begin(*first: ingest_pb2.IngestRequest, **settings: Any) -> Stream:
        return Stream(connect(serve(database, **settings)), *first)

    return begin


def test_one_batch(database: FakeIngest, serve: Callable[..., str]) -> None:
    with Client(serve(database)) as client:
        ack = client.ingest_batch(ONE + BAD, source="crm", partition="7", first_offset=100)
        assert (ack.offset, ack.durable_offset, ack.accepted, ack.created) == (1, 102, 2, 2)
        assert ack.refused_count == 1
        (refused,) = ack.refused
        assert (refused.index, refused.offset) == (1, 101)
        assert refused.reason == "age: comes as string_value, and takes int_value"
        again = client.ingest_batch(ONE + BAD, source="crm", partition="7", first_offset=100)
        assert (again.duplicates, again.accepted, again.refused_count) == (3, 0, 0)
        loose = client.ingest_batch(arrow_bytes({"id:member": ["a"]}), source="x", giver="shop")
        assert loose.durable_offset is None and loose.accepted == 1
    taken = database.taken[-1]
    assert taken.position is None and taken.giver == "shop" and database.taken[0].giver == "crm"


def test_what_a_call_needs(database: FakeIngest, serve: Callable[..., str]) -> None:
    with Client(serve(database)) as client:
        for place, told in (
            ({"source": ""}, "origin.source: is empty"),
            ({"source": "x" * 257}, "origin.source: is longer"),
            ({"source": "x", "partition": "ü" * 129}, "origin.partition: is longer"),
            ({"source": "x", "offsets": [1, 2]}, "2 offsets stand beside 1 records"),
        ):
            with pytest.raises(StrataError) as caught:
                client.ingest_batch(ONE, **place)
            assert caught.value.reason == "INPUT_INVALID" and told in caught.value.message
        with pytest.raises(StrataError, match="batch: has no records"):
            client.transport.one(
                "/strata.v1.IngestService/IngestBatch",
                ingest_pb2.IngestBatchRequest(origin={"source": "x"}),
                ingest_pb2.IngestBatchResponse,
            )
        database.model = None
        with pytest.raises(StrataError, match="no model yet"):
            client.ingest_batch(ONE, source="crm")
    assert database.taken == []


def test_a_stream_answers_in_order_and_ends_well(
    database: FakeIngest, stream: Callable[..., Stream]
) -> None:
    database.by_hand = True
    database.stored["crm", "p"] = StoredPosition(2, 9)
    batches = [batch(first_offset=number) for number in (9, 10, 11)]
    begun = stream(opening(partition="p", owner_epoch=2), *batches)
    opened = next(begun.answers).opened
    assert (opened.credits, opened.durable_offset) == (16, 9)
    assert database.wait_for(3)
    for index in (2, 1, 0):
        database.answer(index)
    begun.say(None)
    acks = [answer.ack for answer in begun.answers]
    assert [(ack.offset, ack.durable_offset) for ack in acks] == [(1, 9), (2, 10), (3, 11)]
    assert begun.answers.code() is grpc.StatusCode.OK


def test_refused_records_keep_the_stream_open(stream: Callable[..., Stream]) -> None:
    begun = stream(opening(), batch(BAD), batch(), None)
    acks = [answer.ack for answer in begun.answers][1:]
    assert [(ack.accepted, ack.refused_count) for ack in acks] == [(1, 1), (1, 0)]
    assert begun.answers.code() is grpc.StatusCode.OK


def test_no_more_is_read_than_there_are_credits(
    database: FakeIngest, stream: Callable[..., Stream]
) -> None:
    database.by_hand = True
    begun = stream(opening(), *[batch()] * 50, ingest_credits=5)
    assert next(begun.answers).opened.credits == 5
    assert database.wait_for(5)
    assert not database.wait_for(6, 0.3)
    database.answer(0)
    assert next(begun.answers).ack.offset == 1
    assert database.wait_for(6)
    assert not database.wait_for(7, 0.3)


def test_no_more_bytes_are_read_than_there_are_credits(
    database: FakeIngest, stream: Callable[..., Stream]
) -> None:
    """Reading goes on while the bound is not reached: here a third batch passes it."""
    database.by_hand = True
    size = batch().ByteSize()
    begun = stream(opening(), *[batch()] * 50, ingest_credits=50, ingest_bytes=2 * size + 1)
    assert next(begun.answers).opened.credit_bytes == 2 * size + 1
    assert database.wait_for(3)
    assert not database.wait_for(4, 0.3)
    database.answer(0)
    assert next(begun.answers).ack.offset == 1
    assert database.wait_for(4)
    assert not database.wait_for(5, 0.3)


def test_a_client_that_never_reads_is_held_up(
    database: FakeIngest, stream: Callable[..., Stream]
) -> None:
    """Large acknowledgements fill the connection, and then nothing more is taken."""
    bad = [Update({"member": "m"}, {"remark": 5})] * 2000
    begun = stream(opening(), *[batch(bad)] * 2000, ingest_credits=2)
    deadline = time.monotonic() + PATIENCE_S
    before = -1
    while len(database.taken) != before and time.monotonic() < deadline:
        before = len(database.taken)
        database.wait_for(before + 1, 1.0)
    # What gRPC itself keeps on both sides is a few hundred KiB; one acknowledgement has 140.
    assert 2 <= before < 200
    begun.answers.cancel()


@pytest.mark.parametrize(
    ("failure", "code", "reason"),
    [
        (OwnerFenced("Fenced."), grpc.StatusCode.FAILED_PRECONDITION, "OWNER_FENCED"),
        (StoreUnwritable("Full."), grpc.StatusCode.FAILED_PRECONDITION, "STORE_UNWRITABLE"),
        (InputInvalid("Odd."), grpc.StatusCode.INVALID_ARGUMENT, "INPUT_INVALID"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failed_batch_ends_the_stream_behind_earlier_answers(
    failure: Exception,
    code: grpc.StatusCode,
    reason: str,
    database: FakeIngest,
    stream: Callable[..., Stream],
) -> None:
    database.by_hand = True
    begun = stream(opening(), batch(), batch(), batch())
    assert database.wait_for(3)
    database.answer(1, failure)
    database.answer(0)
    next(begun.answers)
    assert next(begun.answers).ack.offset == 1
    with pytest.raises(grpc.RpcError) as caught:
        next(begun.answers)
    assert caught.value.code() is code and reason_of(caught.value) == reason


def test_a_fenced_owner_cannot_even_open(
    database: FakeIngest, stream: Callable[..., Stream]
) -> None:
    database.stored["crm", ""] = StoredPosition(5, 1)
    with pytest.raises(grpc.RpcError) as caught:
        next(stream(opening(owner_epoch=4)).answers)
    assert reason_of(caught.value) == "OWNER_FENCED"
    assert "epoch 5" in caught.value.details()


def test_an_overloaded_engine(database: FakeIngest, stream: Callable[..., Stream]) -> None:
    database.refuse = lambda: Overloaded("Too much.", retry_after_ms=70) if database.taken else None
    begun = stream(opening(), batch(), batch(), batch())
    next(begun.answers)
    assert next(begun.answers).ack.offset == 1
    with pytest.raises(grpc.RpcError) as caught:
        next(begun.answers)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(caught.value) == "OVERLOADED" and len(database.taken) == 1


@pytest.mark.parametrize(
    ("first", "told"),
    [
        ([None], "open: is missing"),
        ([batch(), None], "open: is missing"),
        ([ingest_pb2.IngestRequest(), None], "open: is missing"),
        ([opening(source=""), None], "open.source: is empty"),
        ([opening(), opening(), None], "batch: is missing"),
        ([opening(), ingest_pb2.IngestRequest(batch={"arrow": b"x"})], "no sound Arrow"),
        ([opening(), ingest_pb2.IngestRequest(batch={})], "has no records"),
    ],
    ids=["nothing", "a batch", "an empty message", "no source", "opened twice", "no Arrow", "none"],
)
def test_what_a_stream_needs(first: Any, told: str, stream: Callable[..., Stream]) -> None:
    begun = stream(*first)
    with pytest.raises(grpc.RpcError) as caught:
        list(begun.answers)
    assert reason_of(caught.value) == "INPUT_INVALID" and told in caught.value.details()
    begun.say(None)


def test_a_client_that_goes_away_leaves_nothing_behind(
    database: FakeIngest, stream: Callable[..., Stream]
) -> None:
    database.by_hand = True
    begun = stream(opening(), batch(), batch())
    assert database.wait_for(2)
    begun.answers.cancel()
    begun.say(None)
    # What the engine has taken goes on: nobody may cancel it, once the server has heard.
    threading.Event().wait(0.5)
    for index in (0, 1):
        database.answer(index)
        assert database.taken[index].future.result(PATIENCE_S).offset == index + 1


def test_a_server_that_stops_says_so(connect: Callable[[str], grpc.Channel]) -> None:
    database = FakeIngest(by_hand=True)
    with running(database, drain_s=float(PATIENCE_S)) as address:
        begun = Stream(connect(address), opening(), batch())
        assert database.wait_for(1)
        next(begun.answers)
        stopper = threading.Timer(0.2, database.answer, (0,))
        stopper.start()
        began_s = time.monotonic()
    # The server has stopped: well before its drain time, and with an answer to what it took.
    assert time.monotonic() - began_s < PATIENCE_S / 2
    assert next(begun.answers).ack.offset == 1
    with pytest.raises(grpc.RpcError) as caught:
        next(begun.answers)
    assert reason_of(caught.value) == "SHUTTING_DOWN"
    begun.say(None)


def test_the_ingestor_keeps_to_the_bytes(database: FakeIngest, serve: Callable[..., str]) -> None:
    """Two batches that fit, a third that waits for the first, and one that is too large alone."""
    database.by_hand = True
    raw = arrow_bytes({"id:member": ["a"]})
    large = arrow_bytes({"id:member": ["a"] * 2000})
    with Client(serve(database, ingest_bytes=2 * len(raw) + 1)) as client:
        ingestor = Ingestor(client, "crm")
        sent: list[int] = []

        def send() -> None:
            for number, given in enumerate([raw, raw, raw, large]):
                ingestor.send(given)
                sent.append(number)

        sender = threading.Thread(target=send)
        sender.start()
        for answered in range(4):
            assert database.wait_for(min(answered + 2, 3) if answered < 3 else 4)
            assert len(sent) <= answered + 2
            database.answer(answered)
        sender.join(PATIENCE_S)
        ingestor.close()
    assert sent == [0, 1, 2, 3]


def test_the_ingestor(database: FakeIngest, serve: Callable[..., str]) -> None:
    acks: list[BatchAck] = []
    with Client(serve(database, ingest_credits=3)) as client:
        with Ingestor(client, "crm", partition="0", on_ack=acks.append) as ingestor:
            assert (ingestor.credits, ingestor.durable_offset) == (3, None)
            assert ingestor.credit_bytes == 32 << 20
            for first in range(0, 40, 2):
                ingestor.send([*ONE, *ONE], first_offset=first)
            ingestor.flush()
            assert (ingestor.under_way, ingestor.durable_offset) == (0, 39)
            ingestor.send(arrow_bytes({"id:member": ["a"]}), offsets=[50])
        assert ingestor.durable_offset == 50 and len(acks) == 21
        assert [ack.durable_offset for ack in acks] == [*range(1, 40, 2), 50]
        with pytest.raises(StrataError, match="closed"):
            ingestor.send(ONE)
        with Ingestor(client, "crm", partition="0") as later:
            assert later.durable_offset == 50
        database.stored["crm", "0"] = StoredPosition(8, 60)
        with pytest.raises(StrataError) as caught:
            Ingestor(client, "crm", partition="0", owner_epoch=7)
        assert caught.value.reason == "OWNER_FENCED"


def test_an_ingestor_tells_of_failure(database: FakeIngest, serve: Callable[..., str]) -> None:
    with Client(serve(database)) as client:
        ingestor = Ingestor(client, "crm")
        ingestor.send(ONE, first_offset=1)
        ingestor.flush()
        database.refuse = lambda: StoreUnwritable("The disk is full.")
        ingestor.send(ONE, first_offset=2)
        for act in (ingestor.flush, lambda: ingestor.send(ONE), ingestor.close):
            with pytest.raises(StrataError, match="disk is full") as caught:
                act()
            assert caught.value.reason == "STORE_UNWRITABLE"
        assert ingestor.durable_offset == 1
        ingestor.close()
