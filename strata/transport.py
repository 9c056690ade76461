"""How calls reach a server: gRPC underneath, StrataError where they fail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message

from strata.errors import Issue, StrataError
from strata.v1 import error_pb2

__all__ = ["GrpcTransport", "Transport"]

Response = TypeVar("Response", bound=Message)

# Answers are chunked well below this; it leaves room for the largest batch of counts.
MESSAGE_BYTES = 64 << 20
# A chunk of a list in one frame, which is several times as fast as in many of 16 KiB.
FRAME_BYTES = 1 << 20
STATUS_TRAILER = "grpc-status-details-bin"

# Sentences for failures that no server of ours has described.
PLAIN = {
    grpc.StatusCode.UNAVAILABLE: "The server at {address} does not answer. Is it running?",
    grpc.StatusCode.DEADLINE_EXCEEDED: "The server at {address} did not answer in time.",
    grpc.StatusCode.UNIMPLEMENTED: "The server at {address} does not know this call.",
}


class Transport(Protocol):
    """Carries requests to whatever answers them. Each method raises StrataError."""

    def one(self, path: str, request: Message, answer: type[Response]) -> Response:
        """One request, one answer."""

    def many(self, path: str, request: Message, answer: type[Response]) -> Iterator[Response]:
        """One request, a stream of answers; closing the iterator ends the call."""

    def gather(self, path: str, requests: Iterable[Message], answer: type[Response]) -> Response:
        """A stream of requests, one answer."""

    def both(
        self, path: str, requests: Iterable[Message], answer: type[Response]
    ) -> Iterator[Response]:
        """A stream of requests, read on a thread of its own, and a stream of answers; closing
        the iterator ends the call."""

    def close(self) -> None:
        """Ends it; nothing may be asked afterwards."""


class GrpcTransport:
    """Calls a server at HOST:PORT. `timeout_s` bounds every call; None leaves it to the server."""

    def __init__(self, address: str, timeout_s: float | None) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", MESSAGE_BYTES),
                ("grpc.max_send_message_length", MESSAGE_BYTES),
                ("grpc.http2.max_frame_size", FRAME_BYTES),
            ],
        )

    def one(self, path: str, request: Message, answer: type[Response]) -> Response:
        """One request, one answer."""
        call = self._channel.unary_unary(path, _encode, answer.FromString)
        with self._described():
            return cast(Response, call(request, timeout=self._timeout_s))

    def many(self, path: str, request: Message, answer: type[Response]) -> Iterator[Response]:
        """One request, a stream of answers; closing the iterator ends the call."""
        call = self._channel.unary_stream(path, _encode, answer.FromString)
        with self._described():
            stream: Any = call(request, timeout=self._timeout_s)
            try:
                yield from stream
            finally:
                stream.cancel()

    def gather(self, path: str, requests: Iterable[Message], answer: type[Response]) -> Response:
        """A stream of requests, one answer."""
        call = self._channel.stream_unary(path, _encode, answer.FromString)
        with self._described():
            return cast(Response, call(iter(requests), timeout=self._timeout_s))

    def both(
        self, path: str, requests: Iterable[Message], answer: type[Response]
    ) -> Iterator[Response]:
        """A stream of requests and a stream of answers. Has no time limit of its own."""
        call = self._channel.stream_stream(path, _encode, answer.FromString)
        with self._described():
            stream: Any = call(iter(requests))
            try:
                yield from stream
            finally:
                stream.cancel()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    @contextlib.contextmanager
    def _described(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._failure(error) from None

    def _failure(self, error: Any) -> StrataError:
        """What gRPC raised, as what the server said."""
        code: grpc.StatusCode = error.code()
        detail = _detail(error)
        if detail is None:
            plain = PLAIN.get(code, "The call to {address} failed: {details}")
            sentence = plain.format(address=self._address, details=error.details() or code.name)
            return StrataError(code.name, sentence)
        delay_s = (
            detail.retry_delay.ToMilliseconds() / 1000 if detail.HasField("retry_delay") else None
        )
        issues = tuple(
            Issue(one.field, one.message, one.hint, one.line, one.column, one.offset, one.length)
            for one in detail.issues
        )
        return StrataError(detail.reason, error.details(), issues, delay_s)


def _encode(message: Message) -> bytes:
    return message.SerializeToString()


def _detail(error: Any) -> error_pb2.ErrorDetail | None:
    """The ErrorDetail in the trailers; None where the failure is not one of our servers'."""
    for key, raw in error.trailing_metadata() or ():
        if key == STATUS_TRAILER:
            try:
                status = error_pb2.ErrorStatus.FromString(raw)
            except DecodeError:
                return None
            for packed in status.details:
                detail = error_pb2.ErrorDetail()
                if packed.Unpack(detail):
                    return detail
    return None
