"""Failures as callers see them: a google.rpc.Status with details, small enough to travel."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from engine.errors import EngineError, Issue, Overloaded
from server.failures import code_of
from strata.v1 import error_pb2

__all__ = ["DOMAIN", "status_of", "to_grpc"]

DOMAIN = "strata"

# Trailers travel in the header frames of HTTP/2, which clients refuse above 8 KiB unless told
# otherwise. The sentence goes twice: percent-encoded, and in base64 with the details.
SENTENCE_ENCODED_BYTES = 2400
DETAILS_BYTES = 2800
# One issue says each of its texts twice (in BadRequest and in ErrorDetail), and must fit.
TEXT_BYTES = 400


def status_of(failure: EngineError, field: str = "") -> status_pb2.Status:
    """The status of a failure. `field` names the request's field where an issue names none."""
    status = status_pb2.Status(code=code_of(failure).value[0], message=_shortened(failure.message))
    issues = [_issue(issue, field) for issue in failure.issues]
    delay_ms = failure.retry_after_ms if isinstance(failure, Overloaded) else None
    while True:
        details = list(_details(failure, issues, delay_ms))
        if sum(len(detail.value) for detail in details) <= DETAILS_BYTES or not issues:
            break
        issues = issues[: len(issues) // 2]
    status.details.extend(details)
    return status


def to_grpc(
    status: status_pb2.Status,
) -> tuple[grpc.StatusCode, str, tuple[tuple[str, str | bytes], ...]]:
    """Code, sentence and trailing metadata, as `abort` takes them."""
    converted = rpc_status.to_status(status)
    return converted.code, converted.details, tuple(converted.trailing_metadata)


def _details(
    failure: EngineError, issues: list[error_pb2.Issue], delay_ms: int | None
) -> Iterable[any_pb2.Any]:
    yield _packed(error_details_pb2.ErrorInfo(reason=failure.reason, domain=DOMAIN))
    detail = error_pb2.ErrorDetail(reason=failure.reason, issues=issues)
    if issues:
        yield _packed(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=issue.field, description=_described(issue)
                    )
                    for issue in issues
                ]
            )
        )
    if delay_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(delay_ms)
        detail.retry_delay.FromMilliseconds(delay_ms)
        yield _packed(retry)
    yield _packed(detail)


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _issue(issue: Issue, field: str) -> error_pb2.Issue:
    return error_pb2.Issue(
        field=_clipped(issue.where or field),
        message=_clipped(issue.message),
        hint=_clipped(issue.hint),
        line=issue.line,
        column=issue.column,
        offset=issue.offset,
        length=issue.length,
    )


def _described(issue: error_pb2.Issue) -> str:
    column = f", column {issue.column}" if issue.column else ""
    place = f"line {issue.line}{column}: " if issue.line else ""
    hint = f" ({issue.hint})" if issue.hint else ""
    return f"{place}{issue.message}{hint}"


def _clipped(text: str) -> str:
    """The text, cut where it alone would crowd out everything else."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= TEXT_BYTES:
        return text
    return raw[:TEXT_BYTES].decode("utf-8", "ignore") + " ..."


def _shortened(sentence: str) -> str:
    """The sentence, cut where its percent-encoded form would fill the trailer."""
    if len(quote(sentence)) <= SENTENCE_ENCODED_BYTES:
        return sentence
    low, high = 0, len(sentence)
    while low < high:
        middle = (low + high + 1) // 2
        if len(quote(sentence[:middle])) <= SENTENCE_ENCODED_BYTES - 12:
            low = middle
        else:
            high = middle - 1
    return sentence[:low] + " ..."
