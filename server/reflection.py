"""Reflection: what the services are, for tools that have not seen the protos."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_reflection.v1alpha import reflection, reflection_pb2

from server.call import Call

__all__ = ["Reflection"]


class Reflection:
    """Answers by the standard servicer; here so that it takes the way of every other call."""

    def __init__(self, services: Iterable[str]) -> None:
        # The stubs of grpcio-reflection leave the asynchronous half out.
        module: Any = reflection
        self._servicer = module.aio.ReflectionServicer(tuple(services))

    async def server_reflection_info(
        self, requests: AsyncIterator[reflection_pb2.ServerReflectionRequest], call: Call
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        """One answer per question."""
        async for response in self._servicer.ServerReflectionInfo(requests, None):
            yield response
