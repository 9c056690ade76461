"""What a call can fail with, for callers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Issue", "StrataError"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault in what was asked. Positions count code points; 0 where there is none.

    `field` names the field of the request, or the file and key of a model; `line` and `column`
    count from 1, `offset` from 0; `hint` is what to do, or ''.
    """

    field: str
    message: str
    hint: str = ""
    line: int = 0
    column: int = 0
    offset: int = 0
    length: int = 0


class StrataError(Exception):
    """A refused or failed call.

    `reason` never changes its meaning, and programs may match on it ("EXPRESSION_INVALID");
    `message` is a plain paragraph for people; `retry_after_s` is set where waiting helps.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        issues: tuple[Issue, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.issues = issues
        self.retry_after_s = retry_after_s
