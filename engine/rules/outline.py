"""The nodes of an expression as answers count and name them: from the root down, with labels."""

from __future__ import annotations

from collections.abc import Iterator

from engine.rules import tree
from engine.rules.canonical import format_expression

__all__ = ["node_label", "pre_order"]


def node_label(node: tree.Expr) -> str:
    """The canonical text of a predicate; `and`, `or` or `not` for logic."""
    match node:
        case tree.And():
            return "and"
        case tree.Or():
            return "or"
        case tree.Not():
            return "not"
        case _:
            return format_expression(node)


def pre_order(expression: tree.Expr) -> Iterator[tuple[tree.Expr, int]]:
    """The nodes of an expression with their depths, each before its children."""
    waiting = [(expression, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        match node:
            case tree.And(items=items) | tree.Or(items=items):
                waiting.extend((item, depth + 1) for item in reversed(items))
            case tree.Not(item=item):
                waiting.append((item, depth + 1))
