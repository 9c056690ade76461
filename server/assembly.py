"""The server itself: services, handlers and the address they listen on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from engine.rules.parse import prepare
from server.admin import AdminService
from server.audience import AudienceService
from server.authorization import AllowEveryone, Authorizer
from server.calls import service_handler
from server.failures import StartRefused
from server.frozen import FrozenService
from server.health import Health
from server.ingest import IngestService
from server.lanes import Lane
from server.lists import ListService
from server.models import ModelService
from server.profiles import ProfileService
from server.reflection import Reflection
from server.relay import Patience
from server.settings import ServerSettings, split_address
from server.unbuilt import Unbuilt
from server.visibility import Visibility
from server.watch import WatchService
from strata.v1 import (
    admin_pb2,
    audience_pb2,
    frozen_pb2,
    ingest_pb2,
    list_pb2,
    model_pb2,
    profile_pb2,
    watch_pb2,
)

if TYPE_CHECKING:
    from engine.database import Database

__all__ = ["Server"]

# Frames as large as a chunk of a list: by default a message is cut into many of 16 KiB, and
# putting it together takes most of the time of a fast stream.
FRAME_BYTES = 1 << 20

# How long a client may take to read an answer once the time to drain is over, and how often a
# server that stops looks whether the last write has been answered.
ANSWER_S = 0.5
LOOK_S = 0.02
# Calls are ended by what they do, and not by gRPC.
FOREVER_S = 1e6


class Server:
    """One server over one open database. Made, started and stopped on a running event loop."""

    def __init__(
        self, database: Database, settings: ServerSettings, authorizer: Authorizer | None = None
    ) -> None:
        self._settings = settings
        self._reads = Lane("read", settings.evaluation_slots, settings.evaluation_queue)
        # The store has one writer, so writes stand in a line of their own.
        self._writes = Lane("write", 1, settings.write_queue)
        self._decoding = Lane("decode", settings.ingest_slots, settings.ingest_queue)
        self._waits = Lane("wait", settings.visible_waits, 0)
        # These two have calls without an end of their own.
        self._ingest = IngestService(
            database,
            self._decoding,
            credits=settings.ingest_credits,
            credit_bytes=settings.ingest_bytes,
        )
        self._watch = WatchService(database, self._reads)
        visible = Visibility(database, self._waits, settings.visible_wait_s)
        services: list[tuple[Any, Any]] = [
            (
                _service(audience_pb2, "AudienceService"),
                AudienceService(
                    database,
                    self._reads,
                    visible,
                    Patience(settings.list_patience_s, settings.list_folder),
                ),
            ),
            (
                _service(profile_pb2, "ProfileService"),
                ProfileService(database, self._reads, visible),
            ),
            (
                _service(list_pb2, "ListService"),
                ListService(database, self._reads, self._writes, visible),
            ),
            (
                _service(frozen_pb2, "FrozenService"),
                FrozenService(database, self._reads, self._writes, visible),
            ),
            (_service(ingest_pb2, "IngestService"), self._ingest),
            (_service(watch_pb2, "WatchService"), self._watch),
            (
                _service(model_pb2, "ModelService"),
                ModelService(database, self._reads, self._writes),
            ),
            (
                _service(admin_pb2, "AdminService"),
                AdminService(database, self._reads, self._writes),
            ),
        ]
        self._health = Health(descriptor.full_name for descriptor, _ in services)
        services.append((_service(health_pb2, "Health"), self._health))
        shown = [descriptor.full_name for descriptor, _ in services]
        mirror = _service(reflection_pb2, "ServerReflection")
        services.append((mirror, Reflection([*shown, mirror.full_name])))

        self._grpc = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.message_bytes),
                ("grpc.max_send_message_length", settings.message_bytes),
                ("grpc.max_concurrent_streams", settings.concurrent_streams),
                ("grpc.http2.max_frame_size", FRAME_BYTES),
                # Two servers must not share a port unnoticed.
                ("grpc.so_reuseport", 0),
            ]
        )
        who = authorizer or AllowEveryone()
        self._grpc.add_generic_rpc_handlers(
            (
                *(service_handler(descriptor, service, who) for descriptor, service in services),
                Unbuilt(),
            )
        )

    async def start(self) -> int:
        """Listens; the port. StartRefused where the address cannot be had."""
        address = self._settings.listen
        _probe(address)
        prepare()
        try:
            port = self._grpc.add_insecure_port(address)
        except RuntimeError:
            raise StartRefused(f"The server cannot listen on {address}.") from None
        await self._grpc.start()
        await self._health.serve()
        return port

    async def stop(self) -> None:
        """Drains and stops; bounded by the drain time and the longest write under way.

        Calls that were taken may end within the drain time. Then what reads, or waits for its turn,
        is refused with a reason; what writes is waited for and answered, because it may be durable
        already. A client that does not read its answer is not waited for.
        """
        patient_until = time.monotonic() + self._settings.drain_s
        await self._health.drain()
        self._watch.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ingest.drain(), self._settings.drain_s)
        # gRPC closes a connection when its last call has ended and the client has read all that
        # was written before this: so the streams are ended first.
        ending = asyncio.create_task(self._grpc.stop(FOREVER_S))
        await asyncio.wait({ending}, timeout=max(patient_until - time.monotonic(), 0.0))
        if not ending.done():
            self._end_lanes()
            await self._wait_for_writes(ending)
            await asyncio.wait({ending}, timeout=ANSWER_S)
            await self._grpc.stop(0.0)
        await ending
        await asyncio.to_thread(self._reads.close)
        await asyncio.to_thread(self._writes.close)
        await asyncio.to_thread(self._decoding.close)
        await asyncio.to_thread(self._waits.close)

    def _end_lanes(self) -> None:
        for lane in (self._reads, self._waits):
            lane.end(cancel=True)
        for lane in (self._writes, self._decoding):
            lane.end(cancel=False)

    async def _wait_for_writes(self, ending: asyncio.Task[None]) -> None:
        """Until no write is under way, or no call."""
        writing = (self._writes, self._decoding, self._ingest)
        while not all(one.is_idle for one in writing):
            done, _ = await asyncio.wait({ending}, timeout=LOOK_S)
            if done:
                return


def _service(module: Any, name: str) -> Any:
    return module.DESCRIPTOR.services_by_name[name]


def _probe(address: str) -> None:
    """Refuses an address that is taken or not ours, with the reason that gRPC would not give."""
    host, port = split_address(address)
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
            probe.listen(1)
    except OSError as error:
        raise StartRefused(
            f"The server cannot listen on {address}: {error.strerror}."
            " Stop what listens there, or choose another address with --listen."
        ) from None
