"""`strata serve` as a process: starting, refusing to start, and stopping."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.live.log_clock import clock_of
from strata.client import Client
from strata.errors import StrataError
from strata.updates import Update
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, START_US

PATIENCE_S = 60
YEAR_US = 366 * DAY_US
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `strata` with arguments; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, failpoints: str = "") -> subprocess.Popen[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_")}
        environment["STRATA_FAILPOINTS"] = failpoints
        process = subprocess.Popen(
            [sys.executable, "-m", "strata", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=environment,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def copy(store: Path, tmp_path: Path) -> Path:
    """A store that the test has for itself."""
    shutil.copytree(store, tmp_path / "store")
    return tmp_path / "store"


def _port(file: Path, process: subprocess.Popen[str]) -> int:
    """The port, once the server serves."""
    for _ in range(PATIENCE_S * 20):
        if file.exists():
            return int(file.read_text())
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the server did not start")


def _refused(process: subprocess.Popen[str], status: int = 1) -> str:
    """The one paragraph of a command that fails."""
    printed, complaint = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status, complaint
    assert printed == ""
    assert complaint.count("\n") == 1, complaint
    return complaint


def behind(path: Path) -> EventDatabase:
    """A closed store of ten years ago, with points that fade since."""
    rules = "scores:\n  heat: {rules: [{each: read, points: 30, half_life: 90 days}]}\n"
    now_us = START_US - 10 * YEAR_US
    live = EventDatabase(path, {"warm": "score('heat') >= 3"}, rules=rules, now_us=now_us)
    live.send(*({"member": f"m{n}", "read": {"time": now_us - n * DAY_US}} for n in range(3)))
    live.close()
    return live


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_and_stop(number: signal.Signals, start: Start, copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "port"
    process = start(
        "serve", "--store", str(copy), "--listen", "127.0.0.1:0", "--port-file", str(file)
    )
    with Client(f"127.0.0.1:{_port(file, process)}", timeout_s=PATIENCE_S) as client:
        assert client.count("true").count == 3000
        process.send_signal(number)
        printed, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert printed == ""
    assert [json.loads(line)["event"] for line in log.splitlines()] == [
        "serving",
        "draining",
        "stopped",
    ]
    assert not file.exists()


def test_a_store_has_one_server(start: Start, copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "port"
    first = start(
        "serve", "--store", str(copy), "--listen", "127.0.0.1:0", "--port-file", str(file)
    )
    port = _port(file, first)
    complaint = _refused(start("serve", "--store", str(copy), "--listen", "127.0.0.1:0"))
    assert "in use" in complaint
    assert "in use" in _refused(start("count", "true", "--store", str(copy)))
    with Client(f"127.0.0.1:{port}") as client:
        assert client.count("true").count == 3000


def test_a_port_in_use(start: Start, copy: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        complaint = _refused(start("serve", "--store", str(copy), "--listen", address))
    assert f"cannot listen on {address}" in complaint


def test_off_loopback(start: Start, copy: Path, tmp_path: Path) -> None:
    complaint = _refused(start("serve", "--store", str(copy), "--listen", "0.0.0.0:0"))
    assert "--insecure" in complaint and "TLS" in complaint
    file = tmp_path / "port"
    arguments = ["--store", str(copy), "--listen", "0.0.0.0:0", "--port-file", str(file)]
    process = start("serve", *arguments, "--insecure")
    with Client(f"127.0.0.1:{_port(file, process)}") as client:
        assert client.count("true").count == 3000


def test_what_cannot_be_served(start: Start, copy: Path, tmp_path: Path) -> None:
    assert "no store" in _refused(start("serve", "--store", str(tmp_path / "absent")))
    complaint = _refused(start("serve", "--store", str(copy), "--listen", "nowhere"))
    assert "HOST:PORT" in complaint
    assert "store" in _refused(start("serve"))
    absent = str(tmp_path / "absent" / "port")
    arguments = ["--store", str(copy), "--listen", "127.0.0.1:0", "--port-file", absent]
    process = start("serve", *arguments)
    _, complaint = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert complaint.splitlines()[-1].startswith(f"strata: The port file {absent} cannot")
    assert not (copy / "port").exists()


def test_a_server_ends_when_its_store_takes_no_more_writes(
    start: Start, copy: Path, tmp_path: Path
) -> None:
    """As after a failed sync: what is in line is refused, and the process says why."""
    file = tmp_path / "port"
    arguments = (
        "serve", "--store", str(copy), "--listen", "127.0.0.1:0", "--port-file", str(file)
    )  # fmt: skip
    process = start(*arguments, failpoints="log.after_commit=fail:2")
    update = Update({"member": "m1"}, {"age": 41})
    with Client(f"127.0.0.1:{_port(file, process)}", timeout_s=PATIENCE_S) as client:
        with pytest.raises(StrataError, match="takes no more writes"):
            for _ in range(100):
                client.ingest_batch([update], source="crm")
        printed, log = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, printed) == (1, "")
    lines = log.splitlines()
    assert "takes no more writes" in lines[-1]
    assert [json.loads(line)["event"] for line in lines[:-1] if '"stopped"' in line] == []
    assert not file.exists()
    with Client(f"127.0.0.1:{_port(file, start(*arguments))}", timeout_s=PATIENCE_S) as client:
        assert client.count("true").count == 3000


def test_ctrl_c_ends_a_command_quietly(start: Start) -> None:
    """The command waits for a server that accepts and never answers."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        process = start("count", "true", "--server", f"127.0.0.1:{mute.getsockname()[1]}")
        connection, _ = mute.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=PATIENCE_S) == ("", "")
    assert process.returncode == 130


def test_draining_lets_calls_end(start: Start, copy: Path, tmp_path: Path) -> None:
    """A list that is being read when the order comes is read to its end."""
    file = tmp_path / "port"
    process = start(
        "serve", "--store", str(copy), "--listen", "127.0.0.1:0", "--port-file", str(file)
    )
    with Client(f"127.0.0.1:{_port(file, process)}", timeout_s=PATIENCE_S) as client:
        members = client.members("true", identifier_kind="member")
        process.send_signal(signal.SIGTERM)
        assert len(list(members.entries())) == 3000
        assert process.wait(PATIENCE_S) == 0
        with pytest.raises(StrataError):
            client.count("true")


def test_a_server_ends_while_its_store_is_years_behind(start: Start, tmp_path: Path) -> None:
    """Ten years of fading points are caught up with in slices of time, of which each takes seconds
    here; the order to stop waits for one of them, and the rest is left."""
    live = behind(tmp_path / "store")
    file = tmp_path / "port"
    arguments = ("serve", "--store", str(live.path), "--listen", "127.0.0.1:0")
    process = start(
        *arguments, "--port-file", str(file), failpoints="apply.before_block=sleep:1000"
    )
    with Client(f"127.0.0.1:{_port(file, process)}", timeout_s=PATIENCE_S) as client:
        # What is asked is exact meanwhile.
        assert client.count("score('heat') = 0").count == 3
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, log
    live = EventDatabase(live.path, now_us=START_US)
    with live.database._store.snapshot() as snapshot:
        clock_us = clock_of(snapshot)
    assert START_US - 10 * YEAR_US < clock_us < START_US - YEAR_US, "it has not waited for the end"
    live.agree()
    live.close()
