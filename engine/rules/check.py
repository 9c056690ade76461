"""Every expression of a model checked, before the model is used.

1. Each text is parsed, and its names, types and windows are checked by themselves; a segment
   in it need only exist, so that a fault in a definition is told once, where it stands.
2. The graph of references must have no circle. Its nodes are segments, scores, tiers,
   computed attributes, and tags that follow from an expression, one by one.
3. In a model without faults so far, scores are bound, and what mentions segments, scores or
   computed attributes with them in place: chains of definitions may not grow without bound, nor
   may a score.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.errors import ExpressionInvalid, Issue
from engine.model.definitions import Model
from engine.model.hidden_events import tag_places
from engine.model.positions import KeyPath, Positions, key_text
from engine.rules import tree
from engine.rules.aggregates import bind_step
from engine.rules.bind import Binder
from engine.rules.bound import BoundExpr, BoundLater
from engine.rules.bound_scores import BoundScore
from engine.rules.circles import circles
from engine.rules.computed import check_fits
from engine.rules.faults import Faults
from engine.rules.model_rules import Node, Rule, model_rules
from engine.rules.names import EventScope, ModelScope, unknown
from engine.rules.parse import parse, parse_step, parse_value
from engine.rules.predicates import bind_expr
from engine.rules.references import references, tag_reads
from engine.rules.types import KIND_WORDS
from engine.rules.values import bind_operand
from engine.rules.windows import check_window

__all__ = ["check_expressions"]


@dataclass(frozen=True, slots=True)
class _Read:
    """A rule that is right by itself, with its tree (None for a step)."""

    rule: Rule
    part: tree.Expr | tree.Value | None


def check_expressions(model: Model, positions: Positions) -> list[Issue]:
    """Every fault in the expressions of a model, with file, line and key; [] for none.

    An issue's line is that of the key. Offset and length count within the text of the rule;
    the message names the place in words.
    """
    read: list[_Read] = []
    issues: list[Issue] = []
    for rule in model_rules(model):
        try:
            read.append(_Read(rule, _check_alone(rule, model)))
        except ExpressionInvalid as error:
            issues += [_placed(issue, rule, positions) for issue in error.issues]
    issues += _circle_issues(read, positions)
    if not issues:
        issues += _extent_issues(read, model, positions)
    return issues


def _check_alone(rule: Rule, model: Model) -> tree.Expr | tree.Value | None:
    """The tree of a rule whose names and types are right; raises ExpressionInvalid."""
    scope = _scope_alone(rule, model)
    match rule.form:
        case "expression":
            expr = parse(rule.text)
            bind_expr(expr, scope)
            return expr
        case "value":
            value = parse_value(rule.text)
            check_fits(bind_operand(value, scope), rule.fits, scope)
            return value
        case "step":
            step, window = parse_step(rule.text)
            bind_step(step, scope)
            check_window(window, scope)
            if rule.defines is not None and rule.defines[0] == "tag":
                _check_places(rule.defines[1], step, scope)
            return None


def _check_places(tag: str, step: tree.Step, scope: ModelScope) -> None:
    """Raises ExpressionInvalid unless a tag takes its name from strings."""
    events = EventScope(scope, scope.events(step.selector))
    for place in tag_places(tag):
        found = events.property(place, step)
        if found.type != "category":
            message = f"the tag takes its name from '{place}', which is {KIND_WORDS[found.type]}"
            raise scope.faults.at(step, message, "take a property that is a category")


def _scope_alone(rule: Rule, model: Model) -> ModelScope:
    faults = Faults(rule.text)

    def segment(node: tree.Segment) -> BoundExpr:
        if node.name not in model.segments:
            raise unknown(faults, node, "segment", node.name, model.segments)
        return BoundLater("segment", node)

    return ModelScope(model, faults, segment, lambda name: BoundScore(name, ()), bind_expr)


# ------------------------------------------------------------------------------ circles


def _circle_issues(read: list[_Read], positions: Positions) -> Iterator[Issue]:
    paths: dict[Node, KeyPath] = {}
    for one in read:
        if one.rule.defines is not None:
            paths.setdefault(one.rule.defines, one.rule.path)
    graph = _graph(read)
    for circle in circles(graph):
        told = " -> ".join(f"{kind} '{name}'" for kind, name in circle)
        hint = "take one of these references out"
        yield positions.issue(paths[circle[0]], f"a circle of references: {told}", hint)


def _graph(read: list[_Read]) -> dict[Node, list[Node]]:
    graph: dict[Node, list[Node]] = {
        one.rule.defines: [] for one in read if one.rule.defines is not None
    }
    tags = {name: None for kind, name in graph if kind == "tag"}
    for one in read:
        if one.rule.defines is None or one.part is None:
            continue
        targets: dict[Node, None] = {}
        for reference in references(one.part):
            targets[(reference.kind, reference.name)] = None
        if isinstance(one.part, tree.Expr):
            for tag_read in tag_reads(one.part):
                targets.update(dict.fromkeys(("tag", tag) for tag in tag_read.among(tags)))
        graph[one.rule.defines] += targets
    return graph


# ------------------------------------------------------------------------------- extent


def _extent_issues(read: list[_Read], model: Model, positions: Positions) -> Iterator[Issue]:
    segments = {
        one.rule.defines[1]: one.part
        for one in read
        if one.rule.defines is not None
        and one.rule.defines[0] == "segment"
        and isinstance(one.part, tree.Expr)
    }
    binder = Binder(model, segments)
    computed = {name for name, found in model.attributes.items() if found.computed is not None}
    for one in read:
        if one.part is None:
            continue
        mentions = list(references(one.part))
        of_definitions = any(m.kind in ("segment", "score", "tier") for m in mentions)
        if model.tag_rules and isinstance(one.part, tree.Expr):
            of_definitions |= any(True for _ in tag_reads(one.part))
        if of_definitions or any(m.kind == "attribute" and m.name in computed for m in mentions):
            where = ""
            try:
                if isinstance(one.part, tree.Expr):
                    binder.bind(one.part, one.rule.text)
                elif one.rule.defines is not None and one.rule.defines[0] == "attribute":
                    name = one.rule.defines[1]
                    where = f"attributes.{name}.is"
                    binder.operand(tree.Name(name))
                else:
                    binder.operand(one.part, one.rule.text)
            except ExpressionInvalid as error:
                # With another `where` it is the fault of a definition, and told there.
                mine = (issue for issue in error.issues if issue.where == where)
                yield from (_placed(issue, one.rule, positions) for issue in mine)
    for name in model.scores:
        path: KeyPath = ("scores", name)
        try:
            binder.score(name)
        except ExpressionInvalid as error:
            for issue in error.issues:
                if issue.where == key_text(path):
                    yield positions.issue(path, issue.message, issue.hint)


def _placed(issue: Issue, rule: Rule, positions: Positions) -> Issue:
    """An issue of a rule's text as one of the model file."""
    told = issue.message
    if issue.column:
        line = f"line {issue.line}, " if "\n" in rule.text.strip() else ""
        told = f"{told}, at {line}column {issue.column} of the rule"
    placed = positions.issue(rule.path, told, issue.hint)
    return replace(placed, offset=issue.offset, length=issue.length)
