"""Calls that are not there say so in the way of all other failures."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest

from server.authorization import ROLES
from server.unbuilt import NOT_BUILT
from strata.v1 import error_pb2
from tests.wire.fake_database import FakeDatabase

UNKNOWN = "/strata.v1.AudienceService/Guess"


def failure_of(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, str]:
    trailers = dict(error.trailing_metadata())
    status = error_pb2.ErrorStatus.FromString(trailers["grpc-status-details-bin"])
    detail = error_pb2.ErrorDetail()
    assert status.details[-1].Unpack(detail)
    return error.code(), detail.reason, error.details()


@pytest.mark.parametrize("path", [*NOT_BUILT, UNKNOWN, "/other.v1.Service/Call"])
def test_calls_that_are_not_there(
    path: str, serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    """Whatever kind of call the client takes it for."""
    channel = connect(serve(FakeDatabase()))
    kinds: list[Callable[[], object]] = [
        lambda: channel.unary_unary(path)(b"", timeout=10),
        lambda: next(channel.unary_stream(path)(b"", timeout=10)),
        lambda: channel.stream_unary(path)(iter([b"x"]), timeout=10),
        lambda: next(channel.stream_stream(path)(iter([]), timeout=10)),
    ]
    for call in kinds:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        code, reason, sentence = failure_of(caught.value)
        assert code is grpc.StatusCode.UNIMPLEMENTED
        if path in NOT_BUILT:
            name = path.rpartition("/")[2]
            assert reason == "NOT_YET" and sentence.startswith(f"{name} is not built yet. ")
        else:
            assert reason == "CALL_UNKNOWN" and "no such call" in sentence


def test_what_is_built_is_not_called_unbuilt() -> None:
    assert not NOT_BUILT.keys() & ROLES.keys()
