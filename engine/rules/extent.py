"""How deep and how large a text is, measured on its tokens.

Depth counts the open brackets and the `not`s whose operand has not ended. Nodes are counted
by the tokens that make them, so a text that is too large is refused at the token that makes
it so, before anything is built. The structured form is measured by its canonical text:
there is one measure for both forms.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token

from engine.limits import ExpressionLimits
from engine.rules.lexis import ENDS_VALUE
from engine.rules.misread import Misread

__all__ = ["check_text_size", "measured"]

_ENDS_NOTS = frozenset(("_AND", "_OR", "THEN"))

# Tokens that bring one predicate, aggregate or step more, wherever they stand.
_BRINGS_NODE = _ENDS_NOTS | {"_WHERE", "STEP_AGGREGATE", "PROPERTY_AGGREGATE", "SEQUENCE"}


def check_text_size(text: str, limits: ExpressionLimits) -> None:
    """Raises Misread for a text of too many bytes, or with half characters in it."""
    # A code point takes at most four bytes: most texts need no encoding to be measured.
    if len(text) * 4 <= limits.text_bytes:
        return
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > limits.text_bytes:
        raise Misread(
            0,
            0,
            f"the expression has {size:,} bytes, and at most {limits.text_bytes:,} are read",
            "upload long lists of values and write list('name')",
        )


def measured(tokens: Iterator[Token], limits: ExpressionLimits) -> Iterator[Token]:
    """The same tokens; raises Misread at the first one that goes beyond a limit."""
    extent = _Extent(limits)
    for token in tokens:
        extent.take(token)
        yield token


class _Bracket:
    """One open bracket: what its `not`s, commas and `and`s mean, and whether a `where` is open.

    `around_where`: the bracket itself stands inside a `where`.
    """

    __slots__ = ("around_where", "awaits_and", "is_list", "literals", "nots", "where")

    def __init__(self, *, is_list: bool, around_where: bool) -> None:
        self.is_list = is_list
        self.literals = 1
        self.nots = 0
        self.awaits_and = False
        self.where = False
        self.around_where = around_where


class _Extent:
    """What has been measured so far of one text."""

    def __init__(self, limits: ExpressionLimits) -> None:
        self._limits = limits
        self._brackets = [_Bracket(is_list=False, around_where=False)]
        self._depth = 0
        self._nodes = 1
        self._before = ""

    def take(self, token: Token) -> None:
        """Measures one more token."""
        kind, inner, before = token.type, self._brackets[-1], self._before
        self._before = kind
        if kind == "LPAR":
            self._open(token, inner, before)
        elif kind == "RPAR":
            self._close(inner)
        elif kind == "NOT" and before not in ENDS_VALUE and before != "_IS":
            inner.nots += 1
            self._deepen(token)
            self._count_node(token)
        elif kind == "BETWEEN":
            inner.awaits_and = True
        elif kind == "_AND" and inner.awaits_and:
            inner.awaits_and = False
        elif kind == "_COMMA" and inner.is_list:
            self._count_literal(token, inner)
        elif kind in _BRINGS_NODE or (kind in ("PLUS", "MINUS") and before in ENDS_VALUE):
            self._count_node(token)
            if kind in _ENDS_NOTS:
                self._depth -= inner.nots
                inner.nots = 0
            self._note_where(token, inner)

    def _open(self, token: Token, inner: _Bracket, before: str) -> None:
        around_where = inner.where or inner.around_where
        is_list = before in ("_IN", "_ALL")
        self._brackets.append(_Bracket(is_list=is_list, around_where=around_where))
        self._deepen(token)

    def _close(self, inner: _Bracket) -> None:
        # One `)` too many is the parser's to refuse.
        if len(self._brackets) > 1:
            self._depth -= 1 + inner.nots
            self._brackets.pop()

    def _deepen(self, token: Token) -> None:
        self._depth += 1
        if self._depth > self._limits.depth:
            raise _fault(
                token,
                f"brackets and `not` are nested more than {self._limits.depth} deep here",
                "name a part as a segment and write segment('name')",
            )

    def _count_node(self, token: Token) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            raise _fault(
                token,
                f"the expression has more than {self._limits.nodes:,} conditions and values",
                "name parts as segments, or use `in (...)` instead of a chain of `or`",
            )

    def _count_literal(self, token: Token, inner: _Bracket) -> None:
        inner.literals += 1
        if inner.literals > self._limits.in_literals:
            raise _fault(
                token,
                f"a list has at most {self._limits.in_literals:,} literals, and here is one more",
                "upload the values and write list('name')",
            )

    def _note_where(self, token: Token, inner: _Bracket) -> None:
        if token.type == "_WHERE":
            # Only this could nest aggregates, and no reading of a tree allows for that.
            if inner.around_where:
                raise _fault(
                    token,
                    "a `where` cannot stand inside another `where`",
                    "inside a `where` only properties of the selected events are read",
                )
            inner.where = True
        elif token.type == "THEN":
            inner.where = False


def _fault(token: Token, message: str, hint: str) -> Misread:
    assert token.start_pos is not None and token.end_pos is not None
    return Misread(token.start_pos, token.end_pos, message, hint)
