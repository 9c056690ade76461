"""The one way that every call takes, from raw bytes to raw bytes.

1. gRPC hands over the bytes as they came; decoding happens here, so that bytes which are no
   message get an answer from the error table like everything else.
2. The authorizer is asked for the role that the method's row names.
3. The method of the service runs, with a Control that ends with the caller's deadline or
   with the caller.
4. What it raises becomes a status: expected failures by the table, everything else INTERNAL
   with its traceback in the log.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from engine.core.control import Control
from engine.errors import EngineError
from server.authorization import ROLES, Authorizer, Caller
from server.call import Call
from server.failures import Internal, MessageMalformed
from server.status import status_of, to_grpc

__all__ = ["service_handler"]

_log = structlog.get_logger("strata.server")


def service_handler(descriptor: ServiceDescriptor, service: object, authorizer: Authorizer) -> Any:
    """A handler for all methods of a service.

    `service` has one coroutine (or asynchronous generator) per method, named like it in
    snake case, which takes the request (or an iterator of requests) and the Call.
    """
    handlers = {
        method.name: _Route(method, getattr(service, _snake(method.name)), authorizer).handler()
        for method in descriptor.methods
    }
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


class _Route:
    """One method: its path, the type of its requests and what answers them."""

    def __init__(
        self, method: MethodDescriptor, answer: Callable[..., Any], authorizer: Authorizer
    ) -> None:
        self._path = f"/{method.containing_service.full_name}/{method.name}"
        self._request_class = GetMessageClass(method.input_type)
        self._streams_in = method.client_streaming
        self._streams_out = method.server_streaming
        self._answer = answer
        self._authorizer = authorizer
        self._role = ROLES[self._path]

    def handler(self) -> Any:
        """What gRPC calls; no (de)serializers, so bytes come in and bytes go out."""
        kinds = {
            (False, False): (grpc.unary_unary_rpc_method_handler, self._one),
            (False, True): (grpc.unary_stream_rpc_method_handler, self._many),
            (True, False): (grpc.stream_unary_rpc_method_handler, self._one),
            (True, True): (grpc.stream_stream_rpc_method_handler, self._many),
        }
        make, run = kinds[self._streams_in, self._streams_out]
        return make(run)

    async def _one(self, incoming: Any, context: Any) -> bytes:
        call = Call(self._path)
        try:
            request = await self._begin(call, incoming, context)
            response = await self._answer(request, call)
            # Bytes are a message that the service wrote itself.
            return response if isinstance(response, bytes) else response.SerializeToString()
        except Exception as error:
            await _refuse(error, call, context)

    async def _many(self, incoming: Any, context: Any) -> AsyncIterator[bytes]:
        call = Call(self._path)
        try:
            request = await self._begin(call, incoming, context)
            async for response in self._answer(request, call):
                yield response if isinstance(response, bytes) else response.SerializeToString()
        except Exception as error:
            await _refuse(error, call, context)
        finally:
            for tell in call.at_end:
                tell()

    async def _begin(self, call: Call, incoming: Any, context: Any) -> Any:
        """Authorises, sets the deadline, and decodes the request (or promises to)."""
        metadata = tuple((key, value) for key, value in context.invocation_metadata() or ())
        await self._authorizer.authorize(Caller(context.peer(), metadata), self._role)
        remaining_s = context.time_remaining()
        if remaining_s is not None:
            call.control = Control(time.monotonic_ns() + int(max(remaining_s, 0.0) * 1e9))
        if self._streams_in:
            return self._decoded_stream(call, incoming)
        return self._decoded(incoming)

    def _decoded(self, raw: bytes) -> Message:
        try:
            return self._request_class.FromString(raw)
        except DecodeError:
            raise MessageMalformed(
                f"The {len(raw)} bytes sent are no valid request of this call; encode it"
                " with the published protos."
            ) from None

    async def _decoded_stream(
        self, call: Call, incoming: AsyncIterator[bytes]
    ) -> AsyncIterator[Message]:
        async for raw in incoming:
            call.message_bytes = len(raw)
            yield self._decoded(raw)


async def _refuse(error: Exception, call: Call, context: Any) -> NoReturn:
    """Ends the call with the error's status."""
    if isinstance(error, EngineError):
        failure = error
    else:
        _log.error("call_failed", method=call.path, exc_info=error)
        failure = Internal()
    code, sentence, trailers = to_grpc(status_of(failure, call.field))
    await context.abort(code, sentence, trailing_metadata=trailers)
    raise AssertionError("abort does not return")
