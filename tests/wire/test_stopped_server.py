"""A server that the system stops for a while: what time did meanwhile is told when it goes on, once
each, with the instants at which it happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine.live.log_clock import system_clock
from strata.client import Client
from strata.updates import Event, Update
from tests.moving_events import EventDatabase
from tests.skips import soaking

STOPPED_S = 30 if soaking() else 3
PATIENCE_S = 60
PEOPLE = 20
SECOND_US = 1_000_000
# Some leave before the server is stopped, some meanwhile and some after that.
SEGMENTS = {
    "new": "count(read in last 1 second) > 0",
    "fresh": f"count(read in last {STOPPED_S} seconds) > 0",
    "recent": f"count(read in last {2 * STOPPED_S} seconds) > 0",
}
LENGTHS_US = {
    "new": SECOND_US,
    "fresh": STOPPED_S * SECOND_US,
    "recent": 2 * STOPPED_S * SECOND_US,
}


def test_a_stop_of_seconds(tmp_path: Path) -> None:
    live = EventDatabase(tmp_path / "store", SEGMENTS, now_us=system_clock())
    live.close()
    file = tmp_path / "port"
    arguments = ["--store", str(live.path), "--listen", "127.0.0.1:0", "--port-file", str(file)]
    process = subprocess.Popen(
        [sys.executable, "-m", "strata", "serve", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if name[:7] != "STRATA_"},
    )
    try:
        for _ in range(PATIENCE_S * 20):
            if file.exists():
                break
            time.sleep(0.05)
        began_us = system_clock()
        times = [began_us - number * SECOND_US // 4 for number in range(PEOPLE)]
        with Client(f"127.0.0.1:{int(file.read_text())}", timeout_s=PATIENCE_S) as client:
            epoch = datetime(1970, 1, 1, tzinfo=UTC)
            updates = [
                Update(
                    {"member": f"m{number}"},
                    events=[Event("read", time=epoch + timedelta(microseconds=at))],
                )
                for number, at in enumerate(times)
            ]
            client.ingest_batch(updates, source="crm")
            process.send_signal(signal.SIGSTOP)
            time.sleep(STOPPED_S)
            process.send_signal(signal.SIGCONT)
            # It serves on, and tells the rest by itself.
            while client.count("segment('recent')").count:
                time.sleep(0.2)
        # A tick comes each second, and on a busy machine some come late.
        time.sleep(8)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    live = EventDatabase(live.path, now_us=system_clock())
    entries = live.entries()
    live.agree()
    assert live.entries() == entries, "nothing was left to tell"
    live.close()
    left = {(what, row): at for _, what, row, at in entries if what[0] == "-"}
    entered = {(what[1:], row) for _, what, row, _ in entries if what[0] == "+"}
    assert len(left) + len(entered) == len(entries), "each of them once"
    assert left == {(f"-{name}", row): times[row] + LENGTHS_US[name] for name, row in entered}
    assert {row for name, row in entered if name == "recent"} >= set(range(4))
