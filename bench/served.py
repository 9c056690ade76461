"""`strata serve` over a store, as a process of its own, and how it is asked."""

from __future__ import annotations

import contextlib
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.failure import BenchFailed
from bench.match import Ask
from bench.questions import Answer, Draw, as_text
from strata.client import Client

__all__ = ["Server", "ask_server", "served"]

ROOT = Path(__file__).resolve().parents[1]
START_S, STOP_S = 300, 120


class Server:
    """A server on a free port of loopback; `scratch` is a folder for its port and its log."""

    def __init__(self, store: Path, scratch: Path, threads: int = 0) -> None:
        port = scratch / "port"
        command = [sys.executable, "-m", "strata", "serve", "--store", str(store)]
        self.log = (scratch / "log").open("wb")
        self.process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", "--port-file", str(port)],
            cwd=ROOT,
            env={**os.environ, "STRATA_THREADS": str(threads)},
            stdout=self.log,
            stderr=self.log,
        )
        until = time.monotonic() + START_S
        while not port.exists() or not port.read_text():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise BenchFailed(f"The server did not start: {(scratch / 'log').read_text()}")
            time.sleep(0.05)
        self.address = f"127.0.0.1:{int(port.read_text())}"

    def cpu_s(self) -> float:
        """Processor time that the server has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Anonymous memory of the server."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in text.splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1]) * 1024

    def stop(self) -> None:
        """Ends it as an operator would."""
        self.process.terminate()
        self.process.wait(STOP_S)
        self.log.close()


@contextlib.contextmanager
def served(store: Path, threads: int) -> Iterator[Server]:
    """A server for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as scratch:
        server = Server(store, Path(scratch), threads)
        try:
            yield server
        finally:
            server.stop()


def _instant(draw: Draw) -> datetime.datetime | None:
    if draw.as_of_us is None:
        return None
    return datetime.datetime.fromtimestamp(draw.as_of_us / 1_000_000, datetime.UTC)


def ask_server(client: Client) -> Ask:
    """Our engine through gRPC: one call of the client, from text to the decoded answer."""

    def ask(draw: Draw) -> tuple[Answer, int]:
        texts = [as_text(audience) for audience in draw.audiences]
        started = time.perf_counter_ns()
        answer: Answer
        if draw.many:
            answer = [one.count for one in client.count_many(texts)]
        else:
            counted = client.count(texts[0], group_by=draw.group_by, as_of=_instant(draw))
            answer = counted.count
            if draw.group_by is not None:
                answer = {group.value: group.count for group in counted.groups}
        return answer, time.perf_counter_ns() - started

    return ask
