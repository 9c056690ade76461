"""Updates through gRPC while segments are kept: how many, how soon, and beside what.

    python -m bench.live [--profiles 1000000] [--segments 100] [--rows 5000] [--seconds 20]
                         [--form arrow|rows] [--folder DIR]

Measured, with the server as a process of its own and one client:
1. full load: one pipelined stream; rows a second made durable, processor time of the server for
   each row, time from sending a batch to its acknowledgement;
2. full load beside scans: the same while another client counts back to back;
3. half load: the same stream at half the rate of 1; after each acknowledgement how long until a
   count sees the batch, and until a watcher has its feed.

The data are the people of the benchmarks, updated at random: stage, industry, revenue, last seen,
and a tag for every tenth. Not shown: events and windows, several streams, a network, another
machine's disk. The size of every segment is compared with a recomputation at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.model import SOURCE
from bench.data.people import write_people
from bench.live.model import model_text
from bench.live.updates import arrow_batch, row_batch
from bench.machine import commit
from bench.served import Server
from strata.answers import BatchAck
from strata.client import Client
from strata.errors import StrataError
from strata.ingesting import Ingestor
from strata.watching import watch

ROOT = Path(__file__).resolve().parents[2]
# Different rows, made before the clock starts: in Arrow enough that hardly a row comes twice with
# the same values; rows take the client longer to make than the server to take.
ROWS_MADE = {"arrow": 4_000_000, "rows": 500_000}
SCAN = (
    "industry in ('制造业', '高科技', '零售') and title in ('CEO', 'CIO') "
    "and revenue >= 500 and not tag = 'VIP'"
)


def main() -> int:
    """Prepares a store, runs the loads, prints the figures and writes them down."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profiles", type=int, default=1_000_000)
    parser.add_argument("--segments", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--form", choices=("arrow", "rows"), default="arrow")
    parser.add_argument("--folder", type=Path, help="keeps the store for the next run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strata-live-") as scratch:
        folder = asked.folder or Path(scratch)
        store = _store(folder, asked.profiles, asked.segments)
        figures = _measure(store, Path(scratch), asked)
    print(json.dumps(figures, indent=2, ensure_ascii=False))
    _write(figures, asked)
    return 0


def _strata(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "strata", *arguments]


def _store(folder: Path, profiles: int, segments: int) -> Path:
    """A store with everybody in it, made where it is not there."""
    store = folder / f"store-{profiles}-{segments}"
    if store.exists():
        return store
    folder.mkdir(parents=True, exist_ok=True)
    people = folder / f"people-{profiles}.parquet"
    if not people.exists():
        write_people(people, profiles)
    model = folder / "model.yaml"
    model.write_text(model_text(segments))
    subprocess.run(_strata("apply", str(model), "--store", str(store)), check=True, cwd=ROOT)
    load = _strata("load", "--source", SOURCE, str(people), "--store", str(store))
    subprocess.run(load, check=True, cwd=ROOT)
    return store


class _Load:
    """One stream of batches at full rate, or at a given one."""

    def __init__(self, server: Server, batches: list[Any], rows: int):
        self._server = server
        self._batches = itertools.cycle(batches)
        self._rows = rows
        self.rate = 0.0

    def run(
        self, seconds: float, rows_a_second: float | None = None, **more: Any
    ) -> dict[str, Any]:
        """Sends for some seconds; `on_ack` gets each acknowledgement and when it came."""
        sent: list[float] = []
        acked: list[float] = []
        on_ack = more.get("on_ack")

        def take(ack: BatchAck) -> None:
            acked.append(time.perf_counter())
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
                sent.append(time.perf_counter())
                ingestor.send(next(self._batches))
                number += 1
            ingestor.flush()
            taken_s = time.perf_counter() - started
            cpu_s = self._server.cpu_s() - cpu_s
        waits_ms = 1000 * (np.array(acked) - np.array(sent[: len(acked)]))
        count = number * self._rows
        self.rate = count / taken_s
        return {
            "rows": count,
            "rows_a_second": round(self.rate),
            "server_cpu_us_a_row": round(1e6 * cpu_s / count, 2),
            "ack_ms": _percentiles(waits_ms),
        }


def _percentiles(values: Any) -> dict[str, float]:
    if not len(values):
        return {}
    return {f"p{p}": round(float(np.percentile(values, p)), 2) for p in (50, 99)}


def _measure(store: Path, scratch: Path, asked: argparse.Namespace) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    make = arrow_batch if asked.form == "arrow" else row_batch
    batch_count = max(ROWS_MADE[asked.form] // asked.rows, 1)
    batches: Any = [make(rng, asked.profiles, asked.rows) for _ in range(batch_count)]
    figures: dict[str, Any] = {
        "profiles": asked.profiles,
        "segments": asked.segments,
        "rows_a_batch": asked.rows,
        "form": asked.form,
        "machine": f"{os.cpu_count()} x {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit(),
    }
    started = time.perf_counter()
    server = Server(store, scratch)
    figures["open_s"] = round(time.perf_counter() - started, 2)
    try:
        load = _Load(server, batches, asked.rows)
        load.run(2.0)
        figures["full"] = load.run(asked.seconds)
        full_rate = load.rate
        figures["beside_scans"] = _beside_scans(server, load, asked.seconds)
        figures["half"] = _half(server, load, asked.seconds, full_rate / 2)
        figures["server_anonymous_bytes"] = server.memory_bytes()
        with Client(server.address) as client:
            figures["stats"] = client.stats()
            figures["segments_checked"] = _check(client, asked.segments)
    finally:
        server.stop()
    figures["file_bytes"] = (store / "data.mdb").stat().st_size
    return figures


def _beside_scans(server: Server, load: _Load, seconds: float) -> dict[str, Any]:
    """The full load while somebody counts back to back."""
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
        figures = load.run(seconds)
    finally:
        stop.set()
        scanner.join()
    return {**figures, "scans": len(scans), "scan_ms": _percentiles(scans)}


def _half(server: Server, load: _Load, seconds: float, rate: float) -> dict[str, Any]:
    """Half the load: when a count sees a batch, and when a watcher is told of it."""
    acked: dict[int, float] = {}
    visible: list[float] = []
    told: list[float] = []
    with Client(server.address) as reading, Client(server.address) as watching:
        events = watch(watching, ["s000"])

        def follow() -> None:
            # Ends with the client, in the middle of a wait.
            with contextlib.suppress(StrataError):
                for message in events:
                    now = time.perf_counter()
                    for sequence in {change.sequence for change in message.changes} & acked.keys():
                        told.append(1000 * max(now - acked.pop(sequence), 0.0))

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()

        def look(ack: BatchAck, when: float) -> None:
            acked[ack.offset] = when
            began = time.perf_counter()
            reading.count("segment('s000')", min_offset=ack.offset)
            visible.append(1000 * (time.perf_counter() - began))

        figures = load.run(seconds, rate, on_ack=look)
        time.sleep(1)
    follower.join()
    return {**figures, "visible_ms": _percentiles(visible), "in_feed_ms": _percentiles(told)}


def _check(client: Client, segments: int) -> int:
    """Compares what is kept with what the definitions say; the number of segments."""
    names = [f"s{number:03}" for number in range(segments)]
    model = client.model().files
    (text,) = model.values()
    for line in text.splitlines():
        name, _, rule = line.strip().partition(": ")
        if name in names:
            kept = client.count(f"segment('{name}')").count
            computed = client.count(f"({rule[1:-1]}) and true").count
            assert kept == computed, f"{name}: {kept} are kept, {computed} match"
    return len(names)


def _write(figures: dict[str, Any], asked: argparse.Namespace) -> None:
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    name = f"live-{asked.form}-{asked.profiles}-{figures['commit']}.json"
    (results / name).write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
