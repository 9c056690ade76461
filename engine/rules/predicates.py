"""Logic and predicates bound, one tree node at a time.

Recursion follows brackets and `not`, whose depth the parser bounds; chains are flat.
"""

from __future__ import annotations

from engine.rules import tree
from engine.rules.aggregates import bind_sequence
from engine.rules.bound import (
    BoundAnd,
    BoundBool,
    BoundConstant,
    BoundExpr,
    BoundLater,
    BoundList,
    BoundNot,
    BoundOr,
)
from engine.rules.comparisons import (
    bind_between,
    bind_compare,
    bind_has_all,
    bind_in,
    bind_match,
    bind_presence,
)
from engine.rules.names import ModelScope, Scope, unknown
from engine.rules.types import KIND_WORDS, Flag
from engine.rules.values import bind_operand

__all__ = ["bind_expr"]


def bind_expr(expr: tree.Expr, scope: Scope) -> BoundExpr:
    """An expression whose names and types are settled; raises ExpressionInvalid."""
    match expr:
        case tree.And(items):
            return BoundAnd(tuple(bind_expr(item, scope) for item in items), expr)
        case tree.Or(items):
            return BoundOr(tuple(bind_expr(item, scope) for item in items), expr)
        case tree.Not(item):
            return BoundNot(bind_expr(item, scope), expr)
        case tree.Compare():
            return bind_compare(expr, scope)
        case tree.Between():
            return bind_between(expr, scope)
        case tree.In():
            return bind_in(expr, scope)
        case tree.Presence():
            return bind_presence(expr, scope)
        case tree.Match():
            return bind_match(expr, scope)
        case tree.HasAll():
            return bind_has_all(expr, scope)
        case tree.Truth():
            return _truth(expr, scope)
        case tree.Segment():
            return scope.outer(expr, "segment(...)").segment(expr)
        case tree.ListOf(name):
            scope.outer(expr, "list(...)")
            return BoundList(name, expr)
        case tree.Consent():
            return _consent(expr, scope.outer(expr, "consent(...)"))
        case tree.Sequence():
            return bind_sequence(expr, scope.outer(expr, "sequence(...)"))


def _truth(expr: tree.Truth, scope: Scope) -> BoundExpr:
    if isinstance(expr.value, tree.Bool):
        return BoundConstant(expr.value.value, expr)
    attribute = scope.field(expr.value)
    if attribute.type == "bool":
        flag = bind_operand(expr.value, scope)
        assert isinstance(flag, Flag) and flag.read is not None, "a boolean is read"
        return BoundBool(flag.read, True, expr)
    word = KIND_WORDS[attribute.type]
    message = f"'{attribute.name}' is {word}, and only a boolean stands alone"
    hint = f"compare it, or write {attribute.name} is present"
    raise scope.faults.at(expr.value, message, hint)


def _consent(expr: tree.Consent, scope: ModelScope) -> BoundExpr:
    purpose = scope.model.purposes.get(expr.purpose)
    if purpose is None:
        raise unknown(scope.faults, expr, "purpose", expr.purpose, scope.model.purposes)
    if expr.channel is not None and expr.channel not in purpose.channels:
        what = f"channel of '{expr.purpose}'"
        raise unknown(scope.faults, expr, what, expr.channel, purpose.channels)
    return BoundLater("consent", expr)
