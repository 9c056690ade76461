"""Which lists and attributes an expression reads, through segments and scores too."""

from __future__ import annotations

from engine.rules import bound, tree

__all__ = ["names_read"]


def names_read(
    expression: bound.BoundExpr,
) -> tuple[dict[str, tree.Expr | None], tuple[str, ...]]:
    """Lists, each with a node that names it, and attributes without history, that an
    expression reads."""
    lists: dict[str, tree.Expr | None] = {}
    attributes: dict[str, None] = {}
    waiting: list[bound.BoundExpr] = [expression]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        match item:
            case bound.BoundAnd(items=items) | bound.BoundOr(items=items):
                waiting.extend(reversed(items))
            case bound.BoundNot(item=inner):
                waiting.append(inner)
            case bound.BoundSegment(body=body):
                waiting.append(body)
            case bound.BoundList(name=name, node=node):
                lists.setdefault(name, node)
            case _:
                waiting.extend(reversed(bound.parts_of(item)))
                for attribute in bound.attributes_of(item):
                    if not attribute.history:
                        attributes[attribute.name] = None
    return lists, tuple(attributes)
