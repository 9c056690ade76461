"""How a fault in an expression is reported: where it stands in the text, and what stands there."""

from __future__ import annotations

from typing import Protocol

from engine.errors import ExpressionInvalid, Issue
from engine.rules.tree import Span

__all__ = ["Faults", "Placed"]

# Longer fragments are cut in the middle of a message; the position says the rest.
_FRAGMENT_LENGTH = 60


class Placed(Protocol):
    """Any node of the tree: something that may know where it stood."""

    @property
    def span(self) -> Span | None: ...


class Faults:
    """Makes the errors of one text. `where` names the field or key that holds the text."""

    def __init__(self, text: str, where: str = "") -> None:
        self._text = text
        self._where = where

    def fragment(self, node: Placed) -> str:
        """The text of a node, shortened; '' where the node came without a text."""
        if node.span is None:
            return ""
        fragment = self._text[node.span.start : node.span.end]
        if len(fragment) > _FRAGMENT_LENGTH:
            fragment = f"{fragment[: _FRAGMENT_LENGTH - 3]}..."
        return fragment

    def at(self, node: Placed, message: str, hint: str = "") -> ExpressionInvalid:
        """The error to raise for a node."""
        if node.span is None or not self._text:
            return ExpressionInvalid(Issue(message, where=self._where, hint=hint))
        start = node.span.start
        line_start = self._text.rfind("\n", 0, start) + 1
        issue = Issue(
            message,
            where=self._where,
            line=self._text.count("\n", 0, start) + 1,
            column=start - line_start + 1,
            offset=start,
            length=node.span.end - start,
            hint=hint,
        )
        return ExpressionInvalid(issue)
