"""Structured form to tree. Nothing of it is trusted.

1. Every node is read once with its inner conditions left open: that checks every field, and
   tells which node refers to which.
2. Each node but the root must be referred to exactly once, and all must hang on the root: so
   they are a tree, without cycles or sharing.
3. From the leaves up, nodes with inner conditions are read again, now with those in place.
4. The tree is measured by its canonical text, which must stay within the limits of a text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.limits import DEFAULT, ExpressionLimits
from engine.rules import tree
from engine.rules.canonical import format_expression
from engine.rules.extent import check_text_size, measured
from engine.rules.lexis import tokens
from engine.rules.misread import Misread
from engine.rules.structured_fields import Fields, index_in, refuse
from engine.rules.structured_names import MATCHES, RELATIONS
from engine.rules.structured_values import Inner, read_literals, read_sequence, read_value

__all__ = ["from_structured"]


def from_structured(
    form: object, *, where: str = "", limits: ExpressionLimits = DEFAULT
) -> tree.Expr:
    """The tree of a structured form.

    `where` is the place of the form itself in something larger, and begins the place named in
    an error. Chains inside chains of the same kind become one chain. Nodes have no span.
    Raises ExpressionInvalid with one issue whose `where` is the field at fault.
    """
    fields = Fields(form, where, "nodes", "root")
    nodes = fields.items("nodes", 1)
    # Each chain joins two or more counted nodes, so a form within the limit has fewer than
    # twice as many; more need not be looked at.
    if len(nodes) > 2 * limits.nodes:
        refuse(fields.place("nodes"), f"at most {limits.nodes:,} conditions are read")
    children = [_children(node, place, nodes) for node, place in nodes]
    root = _index(fields.required("root"), fields.place("root"), nodes)
    expr = _built(nodes, _leaves_first(root, children, nodes), children)
    _check_extent(expr, fields.place("nodes"), limits)
    return expr


_Nodes = list[tuple[Any, str]]

# Stands for an inner condition while the nodes are read for the first time.
_OPEN = tree.Truth(tree.Bool(True))


def _index(value: object, where: str, nodes: _Nodes) -> int:
    index = index_in(value, where)
    if index >= len(nodes):
        refuse(where, f"there is no node {index}; there are {len(nodes)}, counted from 0")
    return index


def _children(node: object, where: str, nodes: _Nodes) -> list[int]:
    """The indices that a node refers to, in order; checks all its fields."""
    found: list[int] = []

    def inner(index: int, place: str) -> tree.Expr:
        found.append(_index(index, place, nodes))
        return _OPEN

    _condition(node, where, inner)
    return found


def _leaves_first(root: int, children: list[list[int]], nodes: _Nodes) -> list[int]:
    """All indices, each after those it refers to; refuses what is not a tree."""
    referred = [0] * len(nodes)
    referred[root] = 1
    for index, found in enumerate(children):
        for child in found:
            if referred[child]:
                what = "is the root" if child == root else "is referred to more than once"
                refuse(nodes[index][1], f"it refers to node {child}, which {what}")
            referred[child] = 1
    order: list[int] = []
    work = [root]
    while work:
        index = work.pop()
        order.append(index)
        work.extend(children[index])
    if len(order) < len(nodes):
        unused = min(set(range(len(nodes))) - set(order))
        refuse(nodes[unused][1], "this node is not part of the expression")
    return order[::-1]


def _built(nodes: _Nodes, order: list[int], children: list[list[int]]) -> tree.Expr:
    built: dict[int, tree.Expr] = {}
    for index in order:
        node, where = nodes[index]
        # A finished inner condition is taken out, so that only what is open is held.
        built[index] = _condition(node, where, lambda child, _: built.pop(child))
    (expr,) = built.values()
    return expr


def _check_extent(expr: tree.Expr, where: str, limits: ExpressionLimits) -> None:
    text = format_expression(expr)
    try:
        check_text_size(text, limits)
        for _ in measured(tokens(text), limits):
            pass
    except Misread as fault:
        refuse(where, fault.message, fault.hint)


# ------------------------------------------------------------------------- conditions


def _condition(node: object, where: str, inner: Inner) -> tree.Expr:
    fields = Fields(node, where, *_CONDITIONS)
    kind = fields.choice()
    known, read = _CONDITIONS[kind]
    return read(Fields(fields.required(kind), fields.place(kind), *known), inner)


def _items(fields: Fields, inner: Inner, kind: type[tree.And] | type[tree.Or]) -> tree.Expr:
    items: list[tree.Expr] = []
    for value, where in fields.items("items", 2):
        item = inner(index_in(value, where), where)
        if isinstance(item, kind):
            items.extend(item.items)
        else:
            items.append(item)
    return kind(tuple(items))


def _negation(fields: Fields, inner: Inner) -> tree.Expr:
    return tree.Not(inner(fields.index("item"), fields.place("item")))


def _value(fields: Fields, name: str, inner: Inner) -> tree.Value:
    return read_value(fields.required(name), fields.place(name), inner)


def _comparison(fields: Fields, inner: Inner) -> tree.Expr:
    left = _value(fields, "left", inner)
    relation: Any = fields.word("relation", RELATIONS)
    return tree.Compare(left, relation, _value(fields, "right", inner))


def _range(fields: Fields, inner: Inner) -> tree.Expr:
    value = _value(fields, "value", inner)
    low, high = _value(fields, "low", inner), _value(fields, "high", inner)
    return tree.Between(value, low, high, fields.flag("negated"))


def _one_of(fields: Fields, inner: Inner) -> tree.Expr:
    value = _value(fields, "value", inner)
    return tree.In(value, read_literals(fields), fields.flag("negated"))


def _has_all(fields: Fields, inner: Inner) -> tree.Expr:
    return tree.HasAll(_value(fields, "value", inner), read_literals(fields))


def _presence(fields: Fields, inner: Inner) -> tree.Expr:
    return tree.Presence(_value(fields, "value", inner), fields.boolean("present"))


def _match(fields: Fields, inner: Inner) -> tree.Expr:
    value = _value(fields, "value", inner)
    how: Any = fields.word("kind", MATCHES)
    return tree.Match(value, how, fields.text("text"), fields.flag("negated"))


def _truth(fields: Fields, _: Inner) -> tree.Expr:
    if fields.choice() == "name":
        return tree.Truth(tree.Name(fields.name("name")))
    return tree.Truth(tree.Bool(fields.boolean("boolean")))


def _segment(fields: Fields, _: Inner) -> tree.Expr:
    return tree.Segment(fields.text("name"))


def _list(fields: Fields, _: Inner) -> tree.Expr:
    return tree.ListOf(fields.text("name"))


def _consent(fields: Fields, _: Inner) -> tree.Expr:
    channel = fields.text("channel") if fields.has("channel") else None
    return tree.Consent(fields.text("purpose"), channel)


# Each kind of node with the fields it may have.
_CONDITIONS: dict[str, tuple[tuple[str, ...], Callable[[Fields, Inner], tree.Expr]]] = {
    "all_of": (("items",), lambda fields, inner: _items(fields, inner, tree.And)),
    "any_of": (("items",), lambda fields, inner: _items(fields, inner, tree.Or)),
    "negation": (("item",), _negation),
    "comparison": (("left", "relation", "right"), _comparison),
    "range": (("value", "low", "high", "negated"), _range),
    "one_of": (("value", "literals", "negated"), _one_of),
    "has_all": (("value", "literals"), _has_all),
    "presence": (("value", "present"), _presence),
    "match": (("value", "kind", "text", "negated"), _match),
    "truth": (("name", "boolean"), _truth),
    "segment": (("name",), _segment),
    "list": (("name",), _list),
    "consent": (("purpose", "channel"), _consent),
    "sequence": (("first", "links", "window"), read_sequence),
}
