"""A server with two handlers beside its own that do nothing: one behind everything that a call of
the contract goes through, and one that is gRPC's alone.

    python -m bench.card.serving STORE PORTS

All listen in one process: the server on the first port that is written to the file PORTS, the
handlers on the second. The first of them has the names of AudienceService, answers any of its calls
with an empty message, and is put together as the server's own services are; the other is
/bench.Bare/Call, which answers no bytes to any.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

from engine.database import Database
from server.assembly import Server
from server.authorization import AllowEveryone
from server.call import Call
from server.calls import service_handler
from server.run import collect_seldom
from server.settings import load_settings
from strata.v1 import audience_pb2

__all__: list[str] = []


class _Empty:
    """An AudienceService of which every call answers an empty count."""

    def __getattr__(self, name: str) -> Any:
        async def answer(request: Any, call: Call) -> audience_pb2.CountResponse:
            return audience_pb2.CountResponse()

        return answer


async def _bare(request: bytes, context: Any) -> bytes:
    return b""


async def _serve(database: Database, store: Path, ports: Path) -> None:
    server = Server(database, load_settings(store=store, listen="127.0.0.1:0"))
    empty = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    bare = grpc.unary_unary_rpc_method_handler(_bare)
    service = audience_pb2.DESCRIPTOR.services_by_name["AudienceService"]
    empty.add_generic_rpc_handlers(
        (
            service_handler(service, _Empty(), AllowEveryone()),
            grpc.method_handlers_generic_handler("bench.Bare", {"Call": bare}),
        )
    )
    beside = empty.add_insecure_port("127.0.0.1:0")
    await empty.start()
    port = await server.start()
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    ports.with_suffix(".part").write_text(f"{port} {beside}")
    ports.with_suffix(".part").rename(ports)
    await told.wait()
    await empty.stop(None)
    await server.stop()


def main() -> None:
    """Serves until SIGTERM."""
    store, ports = Path(sys.argv[1]), Path(sys.argv[2])
    with contextlib.closing(Database.open(store)) as database:
        database.run_clock()
        collect_seldom()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(database, store, ports))


if __name__ == "__main__":
    main()
