"""A fault while reading a text, before it is known where in lines and columns it lies."""

from __future__ import annotations

__all__ = ["Misread"]


class Misread(Exception):
    """What is wrong with the code points `[start, end)` of a text, and what to do about it.

    Raised inside the reading of one text and turned into ExpressionInvalid at its door.
    """

    def __init__(self, start: int, end: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.start = start
        self.end = end
        self.message = message
        self.hint = hint
