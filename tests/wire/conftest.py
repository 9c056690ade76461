"""Servers for the wire tests: real sockets, each server on an event loop of its own thread."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop

from engine.database import Database
from server.assembly import Server
from server.settings import ServerSettings
from tests.wire.real_store import build

START_S = 30


@contextlib.contextmanager
def running(database: Any, **settings: Any) -> Iterator[str]:
    """Serves a database, and closes it at the end; the address."""
    chosen = ServerSettings(
        **{"store": Path("unused"), "listen": "127.0.0.1:0", "drain_s": 1.0, **settings}
    )
    ready: threading.Event = threading.Event()
    shared: dict[str, Any] = {}

    async def serve() -> None:
        shared["loop"] = asyncio.get_running_loop()
        shared["stop"] = asyncio.Event()
        server = Server(database, chosen)
        shared["port"] = await server.start()
        ready.set()
        await shared["stop"].wait()
        await server.stop()
        database.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(START_S), "the server did not start"
    try:
        yield f"127.0.0.1:{shared['port']}"
    finally:
        shared["loop"].call_soon_threadsafe(shared["stop"].set)
        thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves databases until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda database, **settings: stack.enter_context(running(database, **settings))


@pytest.fixture
def connect() -> Iterator[Callable[[str], grpc.Channel]]:
    """Opens channels that are closed when the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda address: stack.enter_context(grpc.insecure_channel(address))


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real store. Tests that change it make a copy."""
    return build(tmp_path_factory.mktemp("wire") / "store")


@pytest.fixture(scope="session")
def served(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server over a copy of that store."""
    copy = tmp_path_factory.mktemp("served") / "store"
    shutil.copytree(store, copy)
    with running(Database.open(copy)) as address:
        yield address
