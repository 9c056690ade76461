"""Loads of one client on a server: at full rate, at a given one, beside scans and watchers."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from typing import Any

import numpy as np

from bench.failure import BenchFailed
from bench.live.updates import Batch
from bench.served import Server
from strata.answers import BatchAck
from strata.client import Client
from strata.errors import StrataError
from strata.ingesting import Ingestor
from strata.watching import watch

__all__ = ["Load", "beside_scans", "half_load", "percentiles"]

# How far a server may be behind when it is not sent any more.
CATCH_UP_S = 120
SCAN = (
    "industry in ('制造业', '高科技', '零售') and title in ('CEO', 'CIO') "
    "and revenue >= 500 and not tag = 'VIP'"
)


class Load:
    """One stream of batches at full rate, or at a given one."""

    def __init__(self, server: Server, batches: list[Batch], rows: int):
        self._server = server
        self.batches = itertools.cycle(batches)
        self._rows = rows
        self.rate = 0.0

    def run(
        self, seconds: float, rows_a_second: float | None = None, **more: Any
    ) -> dict[str, Any]:
        """Sends for some seconds; `on_ack` gets each acknowledgement and when it came."""
        sent: list[float] = []
        acked: list[float] = []
        refused: list[str] = []
        offsets = [0]
        on_ack = more.get("on_ack")

        def take(ack: BatchAck) -> None:
            acked.append(time.perf_counter())
            offsets.append(ack.offset)
            if ack.refused_count:
                refused.append(ack.refused[0].reason)
            if on_ack is not None:
                on_ack(ack, acked[-1])

        with (
            Client(self._server.address) as client,
            Ingestor(client, "bench", on_ack=take) as ingestor,
        ):
            cpu_s, started = self._server.cpu_s(), time.perf_counter()
            number = 0
            while (now := time.perf_counter()) < started + seconds:
                if rows_a_second is not None:
                    due = started + number * self._rows / rows_a_second
                    if now < due:
                        time.sleep(due - now)
                batch = next(self.batches)()
                sent.append(time.perf_counter())
                ingestor.send(batch)
                number += 1
            ingestor.flush()
            taken_s = time.perf_counter() - started
            # What has been acknowledged is still to be made visible: that belongs to these rows.
            _wait_for(client, offsets[-1])
            cpu_s = self._server.cpu_s() - cpu_s
        if refused:
            raise BenchFailed(f"{len(refused)} batches had records refused: {refused[0]}")
        waits_ms = 1000 * (np.array(acked) - np.array(sent[: len(acked)]))
        count = number * self._rows
        self.rate = count / taken_s
        return {
            "rows": count,
            "rows_a_second": round(self.rate),
            "server_cpu_us_a_row": round(1e6 * cpu_s / count, 2),
            "ack_ms": percentiles(waits_ms),
        }


def _wait_for(client: Client, offset: int) -> None:
    """Until a record of the log is visible."""
    until = time.monotonic() + CATCH_UP_S
    while client.stats()["data_version"] < offset:
        if time.monotonic() > until:
            raise BenchFailed(f"{CATCH_UP_S} s after the last batch it is not visible yet.")
        time.sleep(0.02)


def percentiles(values: Any) -> dict[str, float]:
    """The median and the 99th of a hundred."""
    if not len(values):
        return {}
    return {f"p{p}": round(float(np.percentile(values, p)), 2) for p in (50, 99)}


def beside_scans(server: Server, load: Load, seconds: float, rate: float) -> dict[str, Any]:
    """A load at a rate while somebody counts back to back."""
    stop = threading.Event()
    scans: list[float] = []

    def scan() -> None:
        with Client(server.address) as client:
            while not stop.is_set():
                began = time.perf_counter()
                client.count(SCAN)
                scans.append(1000 * (time.perf_counter() - began))

    scanner = threading.Thread(target=scan)
    scanner.start()
    try:
        figures = load.run(seconds, rate)
    finally:
        stop.set()
        scanner.join()
    return {**figures, "scans": len(scans), "scan_ms": percentiles(scans)}


def half_load(
    server: Server, load: Load, seconds: float, rate: float, watched: str
) -> dict[str, Any]:
    """A load at a rate: when a count sees a batch, and when a watcher of a segment is told."""
    acked: dict[int, float] = {}
    visible: list[float] = []
    told: list[float] = []
    with Client(server.address) as reading, Client(server.address) as watching:
        events = watch(watching, [watched])

        def follow() -> None:
            # Ends with the client, in the middle of a wait.
            with contextlib.suppress(StrataError):
                for message in events:
                    now = time.perf_counter()
                    for sequence in {change.sequence for change in message.changes} & acked.keys():
                        told.append(1000 * max(now - acked.pop(sequence), 0.0))

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()

        # On a thread of its own: the next acknowledgement is not to wait for it.
        looks: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()

        def look() -> None:
            while (one := looks.get()) is not None:
                offset, when = one
                reading.count(f"segment('{watched}')", min_offset=offset)
                visible.append(1000 * (time.perf_counter() - when))

        def take(ack: BatchAck, when: float) -> None:
            acked[ack.offset] = when
            looks.put((ack.offset, when))

        looker = threading.Thread(target=look)
        looker.start()
        try:
            figures = load.run(seconds, rate, on_ack=take)
        finally:
            looks.put(None)
            looker.join()
        time.sleep(1)
    follower.join()
    return {**figures, "visible_ms": percentiles(visible), "in_feed_ms": percentiles(told)}
