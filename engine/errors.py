"""Everything the engine can refuse, as one tree of typed errors.

Each class has a stable `reason` that programs may match on; no two classes share one, which
is checked when a class is made. A message says what happened, to what, and what to do, in
one plain paragraph without class names or paths of the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

__all__ = [
    "AlreadyExists",
    "Cancelled",
    "DeadlineExceeded",
    "EngineError",
    "ExpressionInvalid",
    "InputInvalid",
    "Issue",
    "ModelInvalid",
    "NotFound",
    "NotYet",
    "Overloaded",
    "OwnerFenced",
    "StoreCorrupt",
    "StoreInUse",
    "StoreMissing",
    "StoreUnwritable",
    "StoreVersionUnsupported",
    "about_field",
]

_reasons: dict[str, type[EngineError]] = {}


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault in something a user wrote.

    `where` names the field or the file and key; `line` and `column` count from 1, `offset`
    and `length` in code points; 0 where unknown. `hint` is what to do, or ''.
    """

    message: str
    where: str = ""
    line: int = 0
    column: int = 0
    offset: int = 0
    length: int = 0
    hint: str = ""

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                self.where,
                f"line {self.line}" if self.line else "",
                f"column {self.column}" if self.column else "",
            )
            if part
        )
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} ({self.hint})" if self.hint else text


class EngineError(Exception):
    """Root of the expected failures. Not raised itself."""

    reason: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        assert cls.reason, f"{cls.__name__} has no reason of its own"
        assert cls.reason not in _reasons, f"{cls.__name__} repeats the reason {cls.reason}"
        _reasons[cls.reason] = cls

    def __init__(self, message: str, *, issues: tuple[Issue, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.issues = issues

    def __str__(self) -> str:
        return self.message


def _listed(issues: tuple[Issue, ...]) -> str:
    shown = "; ".join(str(issue) for issue in issues[:10])
    return f"{shown}; and {len(issues) - 10} more" if len(issues) > 10 else shown


class ExpressionInvalid(EngineError):
    """The text of an expression cannot be read, or does not fit the model."""

    reason = "EXPRESSION_INVALID"

    def __init__(self, *issues: Issue) -> None:
        super().__init__(_listed(issues), issues=issues)


class ModelInvalid(EngineError):
    """The model file is wrong; every fault found is in `issues`."""

    reason = "MODEL_INVALID"

    def __init__(self, *issues: Issue) -> None:
        super().__init__(_listed(issues), issues=issues)


class NotYet(EngineError):
    """Valid, and not built yet; the message names the key or the construct."""

    reason = "NOT_YET"


class InputInvalid(EngineError):
    """A request, a file or a record that cannot be used as it is."""

    reason = "INPUT_INVALID"


class NotFound(EngineError):
    """A profile, segment, list or other named thing that is not there."""

    reason = "NOT_FOUND"


class AlreadyExists(EngineError):
    """Something stands already where a new thing was to be made."""

    reason = "ALREADY_EXISTS"


class StoreMissing(EngineError):
    """There is no store at that place."""

    reason = "STORE_MISSING"


class StoreInUse(EngineError):
    """Another process has the store open."""

    reason = "STORE_IN_USE"


class StoreUnwritable(EngineError):
    """The store cannot be written: read-only directory, full disk, failed sync."""

    reason = "STORE_UNWRITABLE"


class StoreVersionUnsupported(EngineError):
    """The store was written by a version with another layout."""

    reason = "STORE_VERSION_UNSUPPORTED"


class StoreCorrupt(EngineError):
    """Stored bytes are not what was written: truncated, flipped or missing."""

    reason = "STORE_CORRUPT"


class DeadlineExceeded(EngineError):
    """The caller's deadline passed before the answer was ready."""

    reason = "DEADLINE_EXCEEDED"


class Cancelled(EngineError):
    """The caller went away."""

    reason = "CANCELLED"


class OwnerFenced(EngineError):
    """A later owner of the partition has written; this one may not any more."""

    reason = "OWNER_FENCED"


class Overloaded(EngineError):
    """Every evaluation slot and the queue before them are taken; try again later."""

    reason = "OVERLOADED"

    def __init__(self, message: str, *, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


Refusal = TypeVar("Refusal", InputInvalid, NotFound)


def about_field(kind: type[Refusal], field: str, message: str) -> Refusal:
    """The refusal of what stands in one field of a request; '' is what the call is about."""
    return kind(message, issues=(Issue(message, where=field),))
