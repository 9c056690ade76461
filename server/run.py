"""The life of a server process: start, serve, drain, stop.

1. Settings that would expose the store are refused before anything is opened.
2. The store opens, the address is bound, and only then health says SERVING.
3. SIGTERM or SIGINT, or a store that takes no more writes: health says NOT_SERVING, no new
   calls are taken, those under way may end within the drain time, the store closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvloop

from engine.database import Database
from engine.errors import StoreUnwritable
from server.assembly import Server
from server.failures import StartRefused
from server.settings import ServerSettings

__all__ = ["collect_seldom", "serve"]

_log = structlog.get_logger("strata.server")

# A full collection of garbage stops all threads, for some 50 ms with a million profiles and half a
# second with ten: a tenth as many as by default, and young garbage in fewer and larger pieces.
GARBAGE_THRESHOLDS = (5_000, 10, 100)


def serve(settings: ServerSettings) -> None:
    """Serves until SIGTERM or SIGINT.

    StartRefused, or the engine's errors about the store, where it cannot start. StoreUnwritable
    where it stopped because nothing can be written any more: after a failed sync nobody knows
    what the disk holds, and only opening the store anew finds out.
    """
    if not settings.on_loopback and not settings.insecure:
        raise StartRefused(
            f"The address {settings.listen} can be reached from other machines, and this version"
            " has neither TLS nor tokens: whoever reaches it could read and change everything."
            " Listen on 127.0.0.1, or say --insecure where the network itself keeps others out."
        )
    database = Database.open(settings.store, threads=settings.threads or None)
    database.run_clock()
    collect_seldom()
    with contextlib.closing(database), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(database, settings))


def collect_seldom() -> None:
    """Has this process look for garbage as a server does: what is there now stays, and no
    collection looks at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


async def _serve(database: Database, settings: ServerSettings) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)

    def fail() -> None:
        # On a thread of the engine's; closing it may fail when the loop is gone already.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(told.set)

    database.on_write_failure(fail)
    server = Server(database, settings)
    port = await server.start()
    try:
        with _port_file(settings.port_file, port):
            _log.info("serving", address=settings.listen, port=port)
            await told.wait()
            _log.info("draining", at_most_s=settings.drain_s)
    finally:
        await server.stop()
    if database.write_failure:
        raise StoreUnwritable(database.write_failure)
    _log.info("stopped")


@contextlib.contextmanager
def _port_file(path: Path | None, port: int) -> Iterator[None]:
    """Keeps the port in a file as long as the server serves; it never holds half a number."""
    if path is None:
        yield
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_text(f"{port}\n")
        draft.replace(path)
    except OSError as error:
        raise StartRefused(f"The port file {path} cannot be written: {error.strerror}.") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
