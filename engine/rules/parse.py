"""Text to tree.

1. lexis.py makes tokens, one at a time; extent.py measures them against the limits. A text of a
   shape that was read before is built from them at once (shapes.py), any other goes on:
2. The LALR(1) parser of grammar.lark takes them, and build.py makes each node as soon as its
   rule is complete. The parser keeps its own stack, so no depth of nesting is a recursion.
3. Where a token fits nowhere, expected.py says in the user's words what would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from lark import Lark, Token, UnexpectedToken
from lark.lexer import Lexer, LexerState

from engine.errors import ExpressionInvalid, Issue
from engine.limits import DEFAULT, ExpressionLimits
from engine.rules import tree
from engine.rules.build import Builder
from engine.rules.canonical import format_expression
from engine.rules.expected import unexpected
from engine.rules.extent import check_text_size, measured
from engine.rules.lexis import tokens
from engine.rules.misread import Misread
from engine.rules.shapes import LONGEST, Recorder, Shapes

__all__ = ["parse", "parse_step", "parse_value", "prepare"]


# How many times its bytes a text may have in canonical form; `1e37,` grows eightfold.
_LONGEST_GROWTH = 10


def prepare() -> None:
    """Builds the parser now, so that no question waits for it."""
    _parser()


def parse(text: str, *, limits: ExpressionLimits = DEFAULT) -> tree.Expr:
    """The tree of an expression.

    Every node has its span. Raises ExpressionInvalid with one issue: the first fault, its
    place, what was expected there, and a hint where one helps.
    """
    expr: tree.Expr = _read("expression_only", text, limits)
    if len(text) * _LONGEST_GROWTH > limits.text_bytes:
        _check_canonical_size(expr, limits)
    return expr


def parse_value(text: str, *, limits: ExpressionLimits = DEFAULT) -> tree.Value:
    """The tree of a value that stands alone, such as `sum(order.amount in last 90 days)`."""
    value: tree.Value = _read("value_only", text, limits)
    return value


def parse_step(
    text: str, *, limits: ExpressionLimits = DEFAULT
) -> tuple[tree.Step, tree.Window | None]:
    """A step that stands alone, with its window, such as `visit where page = 'x' today`."""
    step: tuple[tree.Step, tree.Window | None] = _read("step_only", text, limits)
    return step


def _check_canonical_size(expr: tree.Expr, limits: ExpressionLimits) -> None:
    canonical = format_expression(expr)
    try:
        check_text_size(canonical, limits)
    except Misread as fault:
        message = f"in its canonical form {fault.message}"
        raise ExpressionInvalid(Issue(message, line=1, column=1, hint=fault.hint)) from None


class _ReadyTokens(Lexer):
    """Hands the parser the tokens that it was given as its text."""

    __future_interface__ = 2

    def __init__(self, conf: object) -> None:
        """Takes the configuration that lark gives every lexer, and needs none of it."""

    def lex(self, lexer_state: LexerState, parser_state: Any) -> Iterator[Token]:
        ready: Any = lexer_state.text
        return iter(ready)


@cache
def _parser() -> Lark:
    """The parser, made at first use; it keeps no state between texts."""
    return Lark(
        Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8"),
        parser="lalr",
        lexer=_ReadyTokens,
        start=["expression_only", "value_only", "step_only"],
        transformer=Recorder(Builder()),
    )


_SHAPES = Shapes()


def _read(start: str, text: str, limits: ExpressionLimits) -> Any:
    try:
        check_text_size(text, limits)
        ready = _few_tokens(text)
        if ready is not None and limits is DEFAULT and (built := _built(start, ready)):
            return built
        read = tokens(text) if ready is None else iter(ready)
        root = _parser().parse(measured(read, limits), start=start)
        return _SHAPES.learn(start, ready, root)
    except UnexpectedToken as error:
        fault = unexpected(text, error.token, _accepted_before(error.token, start, text))
    except Misread as error:
        fault = error
    raise ExpressionInvalid(_issue(text, fault)) from None


def _few_tokens(text: str) -> list[Token] | None:
    """The tokens of a text that may have a recipe; None where there are too many, or a fault that
    the parser is to come upon in its turn."""
    try:
        found = list(islice(tokens(text), LONGEST + 1))
    except Misread:
        return None
    return found if len(found) <= LONGEST else None


def _built(start: str, ready: list[Token]) -> Any:
    try:
        return _SHAPES.build(start, ready)
    except Misread:
        return None


def _accepted_before(wrong: Token, start: str, text: str) -> set[str]:
    """The types of token that could have stood where a wrong one stands.

    The parser that refused it may have completed rules on the strength of it, and then
    accepts less than it did; so another one reads up to that place.
    """
    before = tokens(text)
    if wrong.type != "$END":
        before = takewhile(lambda token: token.start_pos != wrong.start_pos, before)
    again = _parser().parse_interactive(before, start=start)
    again.exhaust_lexer()
    accepted: set[str] = again.accepts()  # type: ignore[no-untyped-call]
    return accepted


def _issue(text: str, fault: Misread) -> Issue:
    line_start = text.rfind("\n", 0, fault.start) + 1
    return Issue(
        fault.message,
        line=text.count("\n", 0, fault.start) + 1,
        column=fault.start - line_start + 1,
        offset=fault.start,
        length=fault.end - fault.start,
        hint=fault.hint,
    )
