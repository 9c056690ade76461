"""Health by the standard protocol: the state of the server, not a constant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from grpc_health.v1 import health_pb2 as pb

from engine.errors import NotFound
from server.call import Call

__all__ = ["Health"]


class Health:
    """Says of each service, and of "" for all of them, whether it serves."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(services) | {""}
        self._status = pb.HealthCheckResponse.NOT_SERVING
        self._draining = False
        self._changed = asyncio.Condition()

    async def serve(self) -> None:
        """From now on the services serve."""
        await self._become(pb.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """From now on, and for good, the services do not; watchers hear it and are let go."""
        await self._become(pb.HealthCheckResponse.NOT_SERVING, for_good=True)

    async def check(self, request: pb.HealthCheckRequest, call: Call) -> pb.HealthCheckResponse:
        """The state now; NOT_FOUND for a service that is not there."""
        if request.service not in self._services:
            raise NotFound(f"There is no service {request.service!r} here.")
        return pb.HealthCheckResponse(status=self._status)

    async def list(self, request: pb.HealthListRequest, call: Call) -> pb.HealthListResponse:
        """The state of every service."""
        state = pb.HealthCheckResponse(status=self._status)
        return pb.HealthListResponse(statuses=dict.fromkeys(sorted(self._services), state))

    async def watch(
        self, request: pb.HealthCheckRequest, call: Call
    ) -> AsyncIterator[pb.HealthCheckResponse]:
        """The state now and at each change; SERVICE_UNKNOWN for a service that is not there."""
        known = request.service in self._services
        told = None
        while True:
            seen = self._status, self._draining
            status = self._status if known else pb.HealthCheckResponse.SERVICE_UNKNOWN
            if status != told:
                told = status
                # Until it is sent the state may change again.
                yield pb.HealthCheckResponse(status=status)
            elif self._draining:
                return
            else:
                async with self._changed:
                    while (self._status, self._draining) == seen:
                        await self._changed.wait()

    async def _become(
        self, status: pb.HealthCheckResponse.ServingStatus.ValueType, *, for_good: bool = False
    ) -> None:
        async with self._changed:
            self._status, self._draining = status, for_good
            self._changed.notify_all()
