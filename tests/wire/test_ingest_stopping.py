"""A server that is told to stop in the middle of writes: a batch is durable and acknowledged, or
neither."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from engine.database import Database
from strata.client import Client
from strata.errors import StrataError
from strata.ingesting import Ingestor
from tests.wire.arrow_batches import arrow_bytes
from tests.wire.conftest import running
from tests.wire.fake_ingest import FakeIngest
from tests.wire.real_store import MODEL
from tests.wire.test_ingest import Stream, batch, opening, reason_of

PATIENCE_S = 60
PARTITIONS = [f"p{number}" for number in range(4)]
ROWS = 500
Sender = Callable[[Client, str, dict[str, int]], None]


def _records(first: int) -> bytes:
    """The records of a partition from one number on; they are about the same people again."""
    numbers = range(first, first + ROWS)
    return arrow_bytes(
        {"id:member": [f"m{n % 3000}" for n in numbers], "age": [n % 90 for n in numbers]}
    )


def _stream(client: Client, partition: str, answered: dict[str, int]) -> None:
    """Sends a stream until the server ends it."""
    ingestor = Ingestor(client, "people", partition=partition)
    with pytest.raises(StrataError) as caught:
        for first in range(0, sys.maxsize, ROWS):
            ingestor.send(_records(first), first_offset=first)
            answered[partition] = ingestor.durable_offset or -1
    assert caught.value.reason == "SHUTTING_DOWN"
    with pytest.raises(StrataError):
        ingestor.close()
    answered[partition] = ingestor.durable_offset or -1


def _calls(client: Client, partition: str, answered: dict[str, int]) -> None:
    """Sends one batch a call until the server takes no more."""
    with pytest.raises(StrataError):
        for first in range(0, sys.maxsize, ROWS):
            ack = client.ingest_batch(
                _records(first), source="people", partition=partition, first_offset=first
            )
            answered[partition] = ack.durable_offset or -1


@pytest.mark.parametrize("send", [_stream, _calls])
def test_what_is_durable_was_acknowledged(send: Sender, tmp_path: Path) -> None:
    """SIGTERM while several partitions send small batches as fast as they can."""
    store, file = tmp_path / "store", tmp_path / "port"
    with Database.create(store) as database:
        database.apply_model({"model.yaml": MODEL})
    arguments = ["--store", str(store), "--listen", "127.0.0.1:0", "--port-file", str(file)]
    process = subprocess.Popen(
        [sys.executable, "-m", "strata", "serve", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    answered = dict.fromkeys(PARTITIONS, -1)
    failures: list[BaseException] = []

    def run(partition: str) -> None:
        try:
            with Client(f"127.0.0.1:{int(file.read_text())}", timeout_s=PATIENCE_S) as client:
                send(client, partition, answered)
        except BaseException as failure:
            failures.append(failure)

    try:
        for _ in range(PATIENCE_S * 20):
            if file.exists():
                break
            time.sleep(0.05)
        senders = [threading.Thread(target=run, args=(name,)) for name in PARTITIONS]
        for sender in senders:
            sender.start()
        while min(answered.values()) < 10 * ROWS and not failures:
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE_S)
        for sender in senders:
            sender.join(PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert failures == []
    assert process.returncode == 0, log
    with Database.open(store) as database:
        found = {name: database.position("people", name) for name in PARTITIONS}
    assert {name: -1 if one is None else one.offset for name, one in found.items()} == answered


def test_a_batch_on_its_way_into_the_engine_is_answered(
    connect: Callable[[str], grpc.Channel],
) -> None:
    """The order to stop comes while a thread decodes the second batch."""
    entered, go_on = threading.Event(), threading.Event()
    database = FakeIngest()

    def slowly() -> None:
        if database.taken:
            entered.set()
            assert go_on.wait(PATIENCE_S)

    database.refuse = slowly
    with running(database, drain_s=float(PATIENCE_S)) as address:
        begun = Stream(connect(address), opening(), batch(), batch(), batch())
        assert entered.wait(PATIENCE_S)
        release = threading.Timer(0.3, go_on.set)
        release.start()
    assert [next(begun.answers).WhichOneof("part") for _ in range(3)] == ["opened", "ack", "ack"]
    with pytest.raises(grpc.RpcError) as caught:
        next(begun.answers)
    assert reason_of(caught.value) == "SHUTTING_DOWN"
    assert len(database.taken) == 2
    begun.say(None)


def test_a_stream_that_says_nothing_does_not_keep_the_server(
    connect: Callable[[str], grpc.Channel],
) -> None:
    """A stream without its first message ends like the others, not with the drain time."""
    with running(FakeIngest(), drain_s=float(PATIENCE_S)) as address:
        channel = connect(address)
        silent = Stream(channel)
        # Behind it on the same connection: once this one is open, the server knows both.
        other = Stream(channel, opening())
        next(other.answers)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < PATIENCE_S / 2
    for one in (silent, other):
        with pytest.raises(grpc.RpcError) as caught:
            next(one.answers)
        assert reason_of(caught.value) == "SHUTTING_DOWN"
        one.say(None)
