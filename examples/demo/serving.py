"""The real server as a process of its own, as long as it is needed."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from examples.demo.terminal import DemoFailed, Terminal

__all__ = ["serving"]

_START_S = 30.0
_STOP_S = 15.0
_LOOK_AGAIN_S = 0.05


@contextlib.contextmanager
def serving(terminal: Terminal, store: Path, folder: Path) -> Iterator[str]:
    """Serves the store on a free port of loopback; the address. SIGTERM ends it."""
    port_file, log = folder / "port", folder / "server.log"
    arguments = ["serve", "--store", str(store), "--listen", "127.0.0.1:0"]
    terminal.echo_command([*arguments, "&"])
    with log.open("wb") as out:
        server = subprocess.Popen(
            terminal.command([*arguments, "--port-file", str(port_file)]),
            cwd=terminal.folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        yield _address(server, port_file, log)
    finally:
        server.terminate()
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _address(server: subprocess.Popen[bytes], port_file: Path, log: Path) -> str:
    """Waits until the server says that it serves."""
    give_up_s = time.monotonic() + _START_S
    while time.monotonic() < give_up_s and server.poll() is None:
        if port_file.exists():
            address = f"127.0.0.1:{int(port_file.read_text())}"
            if _is_healthy(address):
                return address
        time.sleep(_LOOK_AGAIN_S)
    raise DemoFailed(f"The server did not start. It said:\n{log.read_text()}")


def _is_healthy(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=1
            )
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
