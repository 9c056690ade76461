"""The error table: what the engine and the service refuse, and the code that callers see.

A failure's reason belongs to its class; this table adds the gRPC code. It is total: a test
walks every class of failure and finds exactly one row, and every row's class exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import grpc

from engine import errors
from engine.errors import EngineError

__all__ = [
    "CODES",
    "CallUnknown",
    "Internal",
    "MessageMalformed",
    "NotAuthenticated",
    "NotPermitted",
    "ShuttingDown",
    "StartRefused",
    "code_of",
    "stopping",
]


class MessageMalformed(EngineError):
    """The bytes of a request are no message of the type that the call takes."""

    reason = "MESSAGE_MALFORMED"


class CallUnknown(EngineError):
    """There is no call of this name."""

    reason = "CALL_UNKNOWN"


class NotAuthenticated(EngineError):
    """The caller has not shown who it is."""

    reason = "NOT_AUTHENTICATED"


class NotPermitted(EngineError):
    """The caller's role does not cover the call."""

    reason = "NOT_PERMITTED"


class ShuttingDown(EngineError):
    """The server takes no new work: it is about to stop."""

    reason = "SHUTTING_DOWN"


def stopping() -> ShuttingDown:
    """What a caller is told whose call was not carried out because the server stops."""
    return ShuttingDown("The server is about to stop; send what is not acknowledged again.")


class Internal(EngineError):
    """A defect of the server; its log has the traceback."""

    reason = "INTERNAL"

    def __init__(self) -> None:
        super().__init__("The server failed on this call through a fault of its own; it is logged.")


class StartRefused(Exception):
    """A server that cannot start as it was told to; the message is one plain paragraph."""


_Code = grpc.StatusCode

CODES: Mapping[type[EngineError], grpc.StatusCode] = MappingProxyType(
    {
        errors.ExpressionInvalid: _Code.INVALID_ARGUMENT,
        errors.ModelInvalid: _Code.INVALID_ARGUMENT,
        errors.InputInvalid: _Code.INVALID_ARGUMENT,
        MessageMalformed: _Code.INVALID_ARGUMENT,
        errors.NotYet: _Code.UNIMPLEMENTED,
        CallUnknown: _Code.UNIMPLEMENTED,
        errors.NotFound: _Code.NOT_FOUND,
        errors.AlreadyExists: _Code.ALREADY_EXISTS,
        errors.StoreMissing: _Code.FAILED_PRECONDITION,
        errors.StoreInUse: _Code.FAILED_PRECONDITION,
        errors.StoreUnwritable: _Code.FAILED_PRECONDITION,
        errors.StoreVersionUnsupported: _Code.FAILED_PRECONDITION,
        errors.StoreCorrupt: _Code.DATA_LOSS,
        errors.OwnerFenced: _Code.FAILED_PRECONDITION,
        errors.DeadlineExceeded: _Code.DEADLINE_EXCEEDED,
        errors.Cancelled: _Code.CANCELLED,
        errors.Overloaded: _Code.RESOURCE_EXHAUSTED,
        NotAuthenticated: _Code.UNAUTHENTICATED,
        NotPermitted: _Code.PERMISSION_DENIED,
        ShuttingDown: _Code.UNAVAILABLE,
        Internal: _Code.INTERNAL,
    }
)


def code_of(failure: EngineError) -> grpc.StatusCode:
    """The gRPC code of a failure; KeyError for a class without a row."""
    return CODES[type(failure)]
