"""The error table is total, and every failure reaches a client whole."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import engine
import server
from engine.errors import EngineError, ExpressionInvalid, Issue, ModelInvalid, Overloaded
from server.failures import CODES, Internal
from server.status import status_of, to_grpc
from strata.client import Client
from strata.errors import StrataError
from strata.v1 import audience_pb2, error_pb2
from tests.wire.fake_database import FakeDatabase

# What clients refuse to receive unless told otherwise.
HEADER_BYTES = 8192


def _all_failures() -> list[type[EngineError]]:
    """Every class of failure, with all modules that may define one imported."""
    for package in (engine, server):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

    def below(kind: type[EngineError]) -> Iterator[type[EngineError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    return sorted(set(below(EngineError)), key=lambda kind: kind.reason)


def _example(kind: type[EngineError]) -> EngineError:
    if issubclass(kind, (ExpressionInvalid, ModelInvalid)):
        return kind(Issue("is wrong", line=1, column=3, offset=2, length=4, hint="fix it"))
    if issubclass(kind, Overloaded):
        return kind("Too much.", retry_after_ms=250)
    if issubclass(kind, Internal):
        return kind()
    return kind("It failed.")


def test_every_failure_has_one_row_and_every_row_a_failure() -> None:
    failures = _all_failures()
    assert set(failures) == set(CODES)
    assert len({kind.reason for kind in failures}) == len(failures)
    assert grpc.StatusCode.OK not in CODES.values()


def test_every_failure_reaches_the_client(serve: Callable[..., str]) -> None:
    raised: list[EngineError] = []

    def fail(control: object) -> None:
        raise raised[-1]

    with Client(serve(FakeDatabase(before=fail))) as client:
        for kind in _all_failures():
            raised.append(_example(kind))
            with pytest.raises(StrataError) as caught:
                client.count("a = 1")
            assert caught.value.reason == kind.reason
            assert caught.value.message == raised[-1].message


def test_details_for_standard_clients(
    serve: Callable[..., str], connect: Callable[[str], grpc.Channel]
) -> None:
    """Code, ErrorInfo, BadRequest with position and hint, as google.rpc knows them."""

    def fail(control: object) -> None:
        raise _example(ExpressionInvalid)

    call = connect(serve(FakeDatabase(before=fail))).unary_unary(
        "/strata.v1.AudienceService/Count",
        audience_pb2.CountRequest.SerializeToString,
        audience_pb2.CountResponse.FromString,
    )
    with pytest.raises(grpc.RpcError) as caught:
        call(audience_pb2.CountRequest(audience=audience_pb2.Audience(expression="a b")))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(caught.value)
    info, bad, detail = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), None
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("strata", "EXPRESSION_INVALID")
    assert status.details[1].Unpack(bad)
    (violation,) = bad.field_violations
    assert violation.field == "audience"
    assert violation.description == "line 1, column 3: is wrong (fix it)"
    detail = error_pb2.ErrorDetail()
    assert status.details[2].Unpack(detail)
    assert (detail.issues[0].offset, detail.issues[0].length) == (2, 4)


def test_a_fault_with_a_line_and_no_column() -> None:
    """As those of model files are."""
    issue = Issue("is wrong", where="m.yaml, attributes.a", line=7)
    status = status_of(ModelInvalid(issue), "")
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert bad.field_violations[0].description == "line 7: is wrong"


def test_retry_delay(serve: Callable[..., str]) -> None:
    def fail(control: object) -> None:
        raise Overloaded("Too much.", retry_after_ms=250)

    with Client(serve(FakeDatabase(before=fail))) as client, pytest.raises(StrataError) as caught:
        client.count("a = 1")
    assert caught.value.retry_after_s == 0.25


def test_an_unexpected_failure_says_nothing_of_the_inside(serve: Callable[..., str]) -> None:
    def fail(control: object) -> None:
        raise ZeroDivisionError("secret at /var/lib/secret")

    with Client(serve(FakeDatabase(before=fail))) as client, pytest.raises(StrataError) as caught:
        client.count("a = 1")
    assert caught.value.reason == "INTERNAL"
    assert "secret" not in caught.value.message
    assert "ZeroDivision" not in caught.value.message


@pytest.mark.parametrize("text", ["x" * 5000, "错误" * 5000, "😀" * 5000])
def test_large_failures_fit_a_trailer(text: str, serve: Callable[..., str]) -> None:
    issue = Issue(text[:200], where="model.yaml", line=1, column=1, hint=text[:200])
    failure = ModelInvalid(*[issue] * 500)
    failure.message = text

    def fail(control: object) -> None:
        raise failure

    _, sentence, trailers = to_grpc(status_of(failure))
    assert sentence.endswith(" ...")
    assert sum(len(value) for _, value in trailers) * 4 // 3 < HEADER_BYTES
    with Client(serve(FakeDatabase(before=fail))) as client, pytest.raises(StrataError) as caught:
        client.count("a = 1")
    assert caught.value.reason == "MODEL_INVALID"
    assert 0 < len(caught.value.issues) < 500


def test_the_documented_table_is_the_table() -> None:
    text = (Path(__file__).parents[2] / "docs" / "service.md").read_text()
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| ([A-Z_]+) \|", text, re.MULTILINE))
    assert documented == {kind.reason: code.name for kind, code in CODES.items()}
