"""A server killed under a full load, and started again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.failure import BenchFailed
from bench.live.updates import Batch
from bench.served import Server
from strata.answers import BatchAck
from strata.client import Client
from strata.errors import StrataError
from strata.ingesting import Ingestor

__all__ = ["killed"]

# Enough that the log is as long as it gets.
FULL_S = 4.0


def killed(
    server: Server, store: Path, scratch: Path, batches: Iterator[Batch], rows: int, seconds: float
) -> tuple[Server, dict[str, Any]]:
    """SIGKILL after some seconds of full load; the server started again, and how long it took.

    `serving_s` is from the start of the process to the answer to a first count, and
    `empty_start_s` what that takes with nothing to replay. Raises BenchFailed where an
    acknowledged batch is not there.
    """
    acked = [0]

    def take(ack: BatchAck) -> None:
        acked.append(ack.offset)

    # The stream breaks; what became of each batch is what its acknowledgement says.
    with (
        contextlib.suppress(StrataError),
        Client(server.address) as client,
        Ingestor(client, "bench", on_ack=take) as ingestor,
    ):
        threading.Timer(min(seconds, FULL_S), server.process.kill).start()
        while True:
            ingestor.send(next(batches)())
    server.stop()
    again, serving_s = _started(store, scratch / "killed")
    with Client(again.address) as client:
        found = client.stats()
    if found["data_version"] < max(acked):
        again.stop()
        raise BenchFailed(f"Record {max(acked)} was acknowledged, and is gone after the kill.")
    # Stopping saves what is dirty.
    again.stop()
    last, empty_s = _started(store, scratch / "stopped")
    replayed = found["replayed_records"]
    return last, {
        "batches": len(acked) - 1,
        "serving_s": round(serving_s, 2),
        "empty_start_s": round(empty_s, 2),
        "replayed_rows": replayed * rows,
        "replayed_rows_a_second": round(replayed * rows / max(serving_s - empty_s, 1e-3)),
    }


def _started(store: Path, scratch: Path) -> tuple[Server, float]:
    """A server, and the seconds until it has answered."""
    scratch.mkdir()
    began = time.perf_counter()
    server = Server(store, scratch)
    with Client(server.address) as client:
        client.count("true")
    return server, time.perf_counter() - began
