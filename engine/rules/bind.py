"""Binding: a parsed expression and a model become a bound tree.

1. The segments that an expression mentions, directly or through others, are bound first,
   each once per binder, innermost first and without recursion.
2. The expression itself is bound; a segment in it gets its bound definition in place.
3. What came out is measured, so that no chain of definitions grows past what the readers
   of bound trees can take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from engine.errors import ExpressionInvalid, Issue
from engine.limits import COMPUTED_LEVELS, EXPANDED_LEVELS, EXPANDED_NODES
from engine.model.definitions import Attribute, Model
from engine.rules import tree
from engine.rules.bound import (
    BoundAnd,
    BoundExpr,
    BoundLater,
    BoundNot,
    BoundOr,
    BoundSegment,
    FloatValue,
    Linear,
    Read,
)
from engine.rules.computed import as_declared, check_fits
from engine.rules.faults import Faults
from engine.rules.known_texts import KnownTexts
from engine.rules.names import ModelScope, unknown
from engine.rules.parse import parse, parse_value
from engine.rules.predicates import bind_expr
from engine.rules.types import Flag, Operand, Quantity, Strings
from engine.rules.values import bind_operand

__all__ = ["Binder", "BoundValue", "bind", "bind_value"]

BoundValue = Linear | FloatValue | Read | BoundLater


@dataclass(frozen=True, slots=True)
class _Size:
    levels: int
    nodes: int


@dataclass(frozen=True, slots=True)
class _Definition:
    """A segment as written: its tree, and the errors of its text."""

    expr: tree.Expr
    faults: Faults


class Binder:
    """Binds expressions to one model, and keeps the segments that it has bound.

    `segments`: definitions that are parsed already; any other is parsed from the model when
    first mentioned. Safe to share between threads: two may bind one segment at once, and
    get equal results. `known_texts` has what was asked by this model before.
    """

    def __init__(self, model: Model, segments: Mapping[str, tree.Expr] | None = None) -> None:
        self.model = model
        self.known_texts = KnownTexts()
        self._given = dict(segments or {})
        self._definitions: dict[str, _Definition] = {}
        self._bodies: dict[str, BoundExpr] = {}
        self._computed: dict[str, tuple[Operand, int]] = {}
        self._sizes: dict[str, _Size] = {}
        # Definitions that cannot be bound, so that whatever mentions them is told at once.
        self._refused: dict[str, tuple[Issue, ...]] = {}

    def bind(self, expr: tree.Expr, text: str = "", where: str = "") -> BoundExpr:
        """The bound tree of an expression; raises ExpressionInvalid.

        `text` is what the expression was parsed from, for positions in errors; `where` names
        the field or key that held it.
        """
        faults = Faults(text, where)
        self._bind_segments(expr, faults)
        return self._bind_alone(expr, faults)[0]

    def operand(self, value: tree.Value, text: str = "", where: str = "") -> Operand:
        """What a value is and what it reads; raises ExpressionInvalid."""
        return bind_operand(value, self._scope(Faults(text, where)))

    def scope(self, text: str, where: str = "") -> ModelScope:
        """The scope of a text that is no expression, such as the step of a rule."""
        return self._scope(Faults(text, where))

    def _scope(self, faults: Faults) -> ModelScope:
        def computed(attribute: Attribute) -> Operand:
            return self._computed_by(attribute, ())[0]

        return ModelScope(self.model, faults, self._segment, bind_expr, computed)

    def _computed_by(self, attribute: Attribute, computing: tuple[str, ...]) -> tuple[Operand, int]:
        """What stands for an attribute with `is:`, and how many such are below each other there.

        `computing`: those whose `is:` leads to this one, each read by the one before it.
        """
        name, text, path = attribute.name, attribute.computed, (*computing, attribute.name)
        assert text is not None, "only what is computed stands for something"
        if name in self._computed:
            return self._computed[name]
        if name in computing:
            raise _computed_fault(path[0], f"in a circle: {' -> '.join(path)}")
        inner = 0

        def computed(attribute: Attribute) -> Operand:
            nonlocal inner
            operand, levels = self._computed_by(attribute, path)
            inner = max(inner, levels)
            if len(path) + levels > COMPUTED_LEVELS:
                raise _computed_fault(path[0], f"more than {COMPUTED_LEVELS} below each other")
            return operand

        where = f"attributes.{name}.is"
        if len(path) > COMPUTED_LEVELS:
            raise _computed_fault(path[0], f"more than {COMPUTED_LEVELS} below each other")
        scope = ModelScope(self.model, Faults(text, where), self._segment, bind_expr, computed)
        operand = bind_operand(_parsed_value(text, where), scope)
        check_fits(operand, attribute, scope)
        found = as_declared(operand, attribute, scope), inner + 1
        self._computed[name] = found
        return found

    def _segment(self, node: tree.Segment) -> BoundExpr:
        return BoundSegment(node.name, self._bodies[node.name], node)

    def _bind_alone(self, expr: tree.Expr, faults: Faults) -> tuple[BoundExpr, _Size]:
        """Binds an expression whose segments are bound."""
        bound = bind_expr(expr, self._scope(faults))
        size = self._measure(bound)
        if size.levels > EXPANDED_LEVELS:
            message = (
                f"this has {size.levels} levels with its segments written out, "
                f"and at most {EXPANDED_LEVELS} are allowed"
            )
            raise faults.at(expr, message, "shorten the chain of segments")
        if size.nodes > EXPANDED_NODES:
            message = (
                f"this has {size.nodes} conditions with its segments written out, "
                f"and at most {EXPANDED_NODES} are allowed"
            )
            raise faults.at(expr, message, "mention each segment once")
        return bound, size

    def _bind_segments(self, expr: tree.Expr, faults: Faults) -> None:
        """Binds all segments that `expr` needs, depth first on a stack of our own.

        `path` holds the open definitions, each mentioned by the one before it, so a fault
        in the last refuses them all.
        """
        path: dict[str, None] = {}
        pending = [(_segments_of(expr), faults)]
        try:
            while pending:
                mentions, text = pending[-1]
                node = next(mentions, None)
                if node is None:
                    pending.pop()
                    if path:
                        self._bind_segment(next(reversed(path)))
                        path.popitem()
                elif node.name in path:
                    raise _circle(node, list(path), text)
                elif node.name in self._refused:
                    raise ExpressionInvalid(*self._refused[node.name])
                elif node.name not in self._bodies:
                    definition = self._definition(node, text)
                    path[node.name] = None
                    pending.append((_segments_of(definition.expr), definition.faults))
        except ExpressionInvalid as error:
            self._refused.update(dict.fromkeys(path, error.issues))
            raise

    def _bind_segment(self, name: str) -> None:
        """Binds a definition whose own segments are bound."""
        definition = self._definitions[name]
        body, self._sizes[name] = self._bind_alone(definition.expr, definition.faults)
        # Last, since a body that is there counts as done.
        self._bodies[name] = body

    def _definition(self, node: tree.Segment, faults: Faults) -> _Definition:
        name = node.name
        known = self._definitions.get(name)
        if known is not None:
            return known
        where = f"segments.{name}"
        segment = self.model.segments.get(name)
        if name in self._given:
            text = segment.rule if segment is not None else ""
            found = _Definition(self._given[name], Faults(text, where))
        elif segment is not None:
            found = _Definition(_parsed(segment.rule, where), Faults(segment.rule, where))
        else:
            known_names = dict.fromkeys([*self.model.segments, *self._given])
            raise unknown(faults, node, "segment", name, known_names)
        self._definitions[name] = found
        return found

    def _measure(self, bound: BoundExpr) -> _Size:
        levels = nodes = 0
        pending = [(bound, 1)]
        while pending:
            node, level = pending.pop()
            nodes += 1
            levels = max(levels, level)
            match node:
                case BoundAnd(items) | BoundOr(items):
                    pending.extend((item, level + 1) for item in items)
                case BoundNot(item):
                    pending.append((item, level + 1))
                case BoundSegment(name):
                    inner = self._sizes[name]
                    nodes += inner.nodes
                    levels = max(levels, level + inner.levels)
        return _Size(levels, nodes)


def bind(
    expr: tree.Expr,
    model: Model,
    *,
    text: str = "",
    segments: Mapping[str, tree.Expr] | None = None,
) -> BoundExpr:
    """The bound tree of one expression; raises ExpressionInvalid.

    Who binds many expressions to one model keeps a `Binder`, which keeps bound segments.
    """
    return Binder(model, segments).bind(expr, text)


def bind_value(value: tree.Value, model: Model, *, text: str = "") -> BoundValue:
    """A value to group, order or distribute by; raises ExpressionInvalid.

    A quantity becomes its form (doubles where it reads a float), a category, set, text or
    boolean what it reads, and what has no evaluator so far a BoundLater.
    """
    operand = Binder(model).operand(value, text)
    match operand:
        case Quantity():
            return operand.in_doubles() if operand.kind == "float" else operand.form
        case Strings(read=None, construct=construct):
            return BoundLater(construct, None)
        case Strings(read=read) | Flag(read=read) if read is not None:
            return read
        case _:
            raise Faults(text).at(value, "a literal is the same for every profile", "name a field")


def _parsed(text: str, where: str) -> tree.Expr:
    try:
        return parse(text)
    except ExpressionInvalid as error:
        raise ExpressionInvalid(*(replace(issue, where=where) for issue in error.issues)) from None


def _computed_fault(name: str, how: str) -> ExpressionInvalid:
    message, hint = f"attributes are computed from each other, {how}", "write one of them out"
    return ExpressionInvalid(Issue(message, where=f"attributes.{name}.is", hint=hint))


def _parsed_value(text: str, where: str) -> tree.Value:
    try:
        return parse_value(text)
    except ExpressionInvalid as error:
        raise ExpressionInvalid(*(replace(issue, where=where) for issue in error.issues)) from None


def _segments_of(expr: tree.Expr) -> Iterator[tree.Segment]:
    """The segments that an expression mentions, in the order written."""
    pending = [expr]
    while pending:
        node = pending.pop()
        match node:
            case tree.And(items) | tree.Or(items):
                pending.extend(reversed(items))
            case tree.Not(item):
                pending.append(item)
            case tree.Segment():
                yield node


def _circle(node: tree.Segment, path: list[str], faults: Faults) -> ExpressionInvalid:
    circle = [*path[path.index(node.name) :], node.name]
    message = f"segments refer to each other in a circle: {' -> '.join(circle)}"
    return faults.at(node, message, "take one of these references out")
