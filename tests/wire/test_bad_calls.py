"""Calls that no proper client makes: bytes that are no message, unknown names, wrong sizes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool

from server.authorization import ROLES
from strata.v1 import audience_pb2, error_pb2
from tests.wire.fake_database import FakeDatabase

# Field 1 with a length that runs past the end; a group that never ends; a bare tag of 0.
NEVER_A_MESSAGE = [b"\x0a\xff", b"\x0b", b"\x00", b"\xff" * 11]
SEED = 20261121


def _calls(channel: grpc.Channel) -> dict[str, Callable[[bytes], Any]]:
    """For every method, a call with raw bytes that reads the whole answer."""
    pool = descriptor_pool.Default()
    calls: dict[str, Callable[[bytes], Any]] = {}
    for path in ROLES:
        _, service, name = path.split("/")
        method = pool.FindServiceByName(service).methods_by_name[name]
        if method.client_streaming and method.server_streaming:
            both = channel.stream_stream(path)
            calls[path] = lambda raw, call=both: list(call(iter([raw]), timeout=10))
        elif method.client_streaming:
            many = channel.stream_unary(path)
            calls[path] = lambda raw, call=many: call(iter([raw]), timeout=10)
        elif method.server_streaming:
            stream = channel.unary_stream(path)
            # One answer is enough: a watch has no end.
            calls[path] = lambda raw, call=stream: next(call(raw, timeout=10))
        else:
            one = channel.unary_unary(path)
            calls[path] = lambda raw, call=one: call(raw, timeout=10)
    return calls


def _reason(error: grpc.RpcError) -> str:
    trailers = dict(error.trailing_metadata())
    status = error_pb2.ErrorStatus.FromString(trailers["grpc-status-details-bin"])
    detail = error_pb2.ErrorDetail()
    assert status.details[-1].Unpack(detail)
    return detail.reason


@pytest.mark.parametrize("raw", NEVER_A_MESSAGE)
def test_bytes_that_are_no_message(
    raw: bytes, serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    for path, call in _calls(connect(serve(FakeDatabase()))).items():
        with pytest.raises(grpc.RpcError) as caught:
            call(raw)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, path
        assert _reason(caught.value) == "MESSAGE_MALFORMED", path
        for inside in ("Error", "Request", "_pb2", "/", "parsing"):
            assert inside not in caught.value.details(), path


def test_random_bytes_break_nothing(
    serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    rng = random.Random(SEED)
    calls = _calls(connect(serve(FakeDatabase())))
    expected = {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.INTERNAL,  # where the stand-in lacks what was asked for by chance
    }
    for path, call in calls.items():
        for _ in range(40):
            raw = rng.randbytes(rng.choice([1, 2, 3, 5, 8, 30, 300]))
            try:
                call(raw)
            except grpc.RpcError as error:
                assert error.code() in expected, (path, raw.hex(), SEED)
                if error.code() is not grpc.StatusCode.INTERNAL:
                    _reason(error)
    audience = audience_pb2.Audience(expression="a = 1")
    good = audience_pb2.CountRequest(audience=audience).SerializeToString()
    answer = calls["/strata.v1.AudienceService/Count"](good)
    assert audience_pb2.CountResponse.FromString(answer).size.count == 42


def test_an_unknown_method(
    serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    channel = connect(serve(FakeDatabase()))
    for path in ("/strata.v1.AudienceService/Guess", "/strata.v9.Nobody/Count", "/x"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(path)(b"", timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_that_is_too_large(
    serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    channel = connect(serve(FakeDatabase(), message_bytes=1 << 20))
    call = channel.unary_unary("/strata.v1.AudienceService/Count")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\x00" * ((1 << 20) + 1), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (audience_pb2.CountRequest(), "audience"),
        (audience_pb2.CountRequest(audience=audience_pb2.Audience()), "audience"),
    ],
)
def test_a_field_that_is_missing(
    request_message: audience_pb2.CountRequest,
    field: str,
    serve: Callable[..., str],
    connect: Callable[[str], grpc.Channel],
) -> None:
    call = connect(serve(FakeDatabase())).unary_unary("/strata.v1.AudienceService/Count")
    with pytest.raises(grpc.RpcError) as caught:
        call(request_message.SerializeToString(), timeout=10)
    assert _reason(caught.value) == "INPUT_INVALID"
    assert caught.value.details().startswith(f"{field}: ")


def test_an_instant_out_of_range(
    serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    request = audience_pb2.CountRequest(audience=audience_pb2.Audience(expression="a = 1"))
    call = connect(serve(FakeDatabase())).unary_unary("/strata.v1.AudienceService/Count")
    for seconds, nanos in ((1 << 62, 0), (-(1 << 62), 0), (0, -1), (0, 2_000_000_000)):
        request.as_of.seconds, request.as_of.nanos = seconds, nanos
        with pytest.raises(grpc.RpcError) as caught:
            call(request.SerializeToString(), timeout=10)
        assert _reason(caught.value) == "INPUT_INVALID"
