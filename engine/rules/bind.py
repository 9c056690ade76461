"""Binding: a parsed expression and a model become a bound tree.

1. The segments, scores, tiers and live tags that an expression mentions, directly or through
   others and through computed attributes, are bound first, each once per binder, innermost first
   and without recursion.
2. The expression itself is bound; a segment in it gets its bound definition in place, and so
   does whatever reads a score. What reads a band, a tier or a tag becomes the conditions that it
   follows from (`engine.rules.derived`).
3. What came out is measured, so that no chain of definitions grows past what the readers
   of bound trees can take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from engine.errors import ExpressionInvalid, Issue
from engine.limits import COMPUTED_LEVELS, EXPANDED_LEVELS, EXPANDED_NODES
from engine.model.cuts import Cuts
from engine.model.definitions import Attribute, Model
from engine.model.positions import KeyPath, key_text
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
    ScoreSource,
    StringTest,
    scores_of,
)
from engine.rules.bound_scores import BoundScore
from engine.rules.computed import as_declared, check_fits
from engine.rules.derived import Derived
from engine.rules.derived_bands import bind_bands
from engine.rules.derived_tags import given_by_rules
from engine.rules.derived_tiers import bind_tier, metric_values
from engine.rules.faults import Faults
from engine.rules.known_texts import KnownTexts
from engine.rules.model_rules import tier_rules
from engine.rules.names import ModelScope, unknown
from engine.rules.parse import parse, parse_value
from engine.rules.patterns import Patterns
from engine.rules.predicates import bind_expr
from engine.rules.references import Reference, references, tag_reads
from engine.rules.scores import bind_score, rule_where
from engine.rules.types import Flag, Operand, Quantity, Strings
from engine.rules.values import bind_operand

__all__ = ["Binder", "BoundValue", "bind", "bind_value"]

# What is bound by itself, or leads to such: its kind and its name.
_Named = tuple[Literal["segment", "score", "tier", "tag", "attribute"], str]

BoundValue = Linear | FloatValue | Read | BoundLater


@dataclass(frozen=True, slots=True)
class _Size:
    levels: int
    nodes: int


@dataclass(frozen=True, slots=True)
class _Part:
    """One text of a definition as written: its tree, and the errors of its text."""

    tree: tree.Expr | tree.Value
    faults: Faults


# A definition as written: one text of a segment, a tag or a computed attribute, and several of a
# score (its `when` rules) and a tier (its stages, or what it compares) by their place.
_Definition = dict[int, _Part]


class Binder:
    """Binds expressions to one model, and keeps the definitions that it has bound.

    `segments`: definitions that are parsed already; any other is parsed from the model when
    first mentioned. `cuts`: those in force; a tier that needs some and has none is typed, and has
    no evaluator. Safe to share between threads: two may bind one segment at once, and
    get equal results. `known_texts` has what was asked by this model before, and `patterns` what
    was asked with other literals. `past`: for another instant than the clock, at which attributes
    with history are as they were.
    """

    def __init__(
        self,
        model: Model,
        segments: Mapping[str, tree.Expr] | None = None,
        cuts: Cuts | None = None,
        *,
        past: bool = False,
    ) -> None:
        self.model = model
        self.past = past
        self.cuts = dict(cuts or {})
        self.known_texts = KnownTexts()
        self.patterns = Patterns(model)
        self._given = dict(segments or {})
        self._definitions: dict[_Named, _Definition] = {}
        self._done: set[_Named] = set()
        self._bodies: dict[str, BoundExpr] = {}
        self._scores: dict[str, BoundScore] = {}
        self._derived: dict[_Named, Derived | None] = {}
        self._tags: dict[str, BoundExpr] = {}
        self._live_tags = {
            rule["tag"]: rule["when"]
            for rule in model.tag_rules
            if rule["keep"] == "live" and "when" in rule
        }
        self._computed: dict[str, tuple[Operand, int]] = {}
        self._sizes: dict[_Named, _Size] = {}
        # Definitions that cannot be bound, so that whatever mentions them is told at once.
        self._refused: dict[_Named, tuple[Issue, ...]] = {}

    def bind(self, expr: tree.Expr, text: str = "", where: str = "") -> BoundExpr:
        """The bound tree of an expression; raises ExpressionInvalid.

        `text` is what the expression was parsed from, for positions in errors; `where` names
        the field or key that held it.
        """
        faults = Faults(text, where)
        self._bind_mentioned(expr, faults)
        return self._bind_alone(expr, faults)[0]

    def read(self, text: str) -> tuple[tree.Expr, BoundExpr]:
        """The tree of a text, and the bound tree; raises ExpressionInvalid."""
        expr = parse(text)
        return expr, self.bind(expr, text)

    def operand(self, value: tree.Value, text: str = "", where: str = "") -> Operand:
        """What a value is and what it reads; raises ExpressionInvalid."""
        faults = Faults(text, where)
        self._bind_mentioned(value, faults)
        return bind_operand(value, self._scope(faults))

    def score(self, name: str) -> BoundScore:
        """A score of the model, bound; raises ExpressionInvalid."""
        self._bind_mentioned(tree.Call("score", name), Faults(""))
        return self._scores[name]

    def metrics(self, tier: str) -> tuple[Quantity, ...]:
        """What a tier with cuts compares; raises ExpressionInvalid."""
        self._bind_mentioned(tree.Call("tier", tier), Faults(""))
        return metric_values(
            tier, self.model.tiers[tier], lambda text, key: self.scope(text, key_text(key))
        )

    def tiers_through(self, names: Iterable[str]) -> list[str]:
        """Some tiers, and those that they depend on, each after those that it depends on."""
        for name in names:
            self._bind_mentioned(tree.Call("tier", name), Faults(""))
        return [name for kind, name in self._derived if kind == "tier"]

    def scope(self, text: str, where: str = "") -> ModelScope:
        """The scope of a text that is no expression, such as the step of a rule."""
        return self._scope(Faults(text, where))

    def _scope(self, faults: Faults) -> ModelScope:
        def computed(attribute: Attribute) -> Operand:
            return self._computed_by(attribute, ())[0]

        return self._scope_with(faults, computed)

    def _scope_with(self, faults: Faults, computed: Callable[[Attribute], Operand]) -> ModelScope:
        return ModelScope(
            self.model,
            faults,
            self._segment,
            self._scores.__getitem__,
            bind_expr,
            computed,
            self._names_of,
            self._given_tags,
            self.past,
        )

    def _names_of(self, call: tree.Call) -> Derived | None:
        """What the names of a band or a tier mean, of which the definition is bound."""
        name = call.argument
        if call.function == "tier":
            return self._derived["tier", name]
        known = self._derived.get(("score", name))
        if known is None:
            bands, score = self.model.bands(name), self.model.scores[name]
            known = bind_bands(name, score, bands, ScoreSource(name, self._scores[name]))
            self._derived["score", name] = known
        return known

    def _given_tags(self, test: StringTest) -> tuple[BoundExpr, ...]:
        return given_by_rules(test, self.model, self._tags.__getitem__, self.scope)

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
        scope = self._scope_with(Faults(text, where), computed)
        operand = bind_operand(_parsed_value(text, where), scope)
        check_fits(operand, attribute, scope)
        found = as_declared(operand, attribute, scope), inner + 1
        self._computed[name] = found
        return found

    def _segment(self, node: tree.Segment) -> BoundExpr:
        return BoundSegment(node.name, self._bodies[node.name], node)

    def _bind_alone(self, expr: tree.Expr, faults: Faults) -> tuple[BoundExpr, _Size]:
        """Binds an expression whose segments and scores are bound."""
        bound = bind_expr(expr, self._scope(faults))
        size = self._measure(bound)
        if size.levels > EXPANDED_LEVELS:
            message = (
                f"this has {size.levels} levels with its segments and scores written out, "
                f"and at most {EXPANDED_LEVELS} are allowed"
            )
            raise faults.at(expr, message, "shorten the chain of segments and scores")
        if size.nodes > EXPANDED_NODES:
            message = (
                f"this has {size.nodes} conditions with its segments and scores written out, "
                f"and at most {EXPANDED_NODES} are allowed"
            )
            raise faults.at(expr, message, "mention each segment and score once")
        return bound, size

    def _bind_mentioned(self, part: tree.Expr | tree.Value, faults: Faults) -> None:
        """Binds all segments and scores that `part` needs, depth first on a stack of our own.

        `path` holds the open definitions, each mentioned by the one before it, so a fault
        in the last refuses them all.
        """
        path: dict[_Named, None] = {}
        pending = [self._mentions({0: _Part(part, faults)})]
        try:
            while pending:
                mention, text = next(pending[-1], (None, faults))
                if mention is None:
                    pending.pop()
                    if path:
                        self._bind_definition(next(reversed(path)))
                        path.popitem()
                    continue
                named = self._named(mention, text)
                if named is None or named in self._done:
                    continue
                if named in self._refused:
                    raise ExpressionInvalid(*self._refused[named])
                if named not in path:
                    path[named] = None
                    pending.append(self._mentions(self._definition(named)))
                elif not _of_attributes(named, path):
                    raise _circle(mention, named, list(path), text)
        except ExpressionInvalid as error:
            self._refused.update(dict.fromkeys(path, error.issues))
            raise

    def _named(self, mention: Reference, faults: Faults) -> _Named | None:
        """The definition that a mention leads to; None where it needs none, or has none and
        binding tells so. Raises ExpressionInvalid for a segment that is not there."""
        name = mention.name
        match mention.kind:
            case "segment":
                if name not in self._given and name not in self.model.segments:
                    known_names = dict.fromkeys([*self.model.segments, *self._given])
                    raise unknown(faults, mention.node, "segment", name, known_names)
                return "segment", name
            case "score" if name in self.model.scores:
                return "score", name
            case "tier" if name in self.model.tiers:
                return "tier", name
            case "tag":
                return "tag", name
            case "attribute":
                attribute = self.model.attributes.get(name)
                if attribute is not None and attribute.computed is not None:
                    return "attribute", name
        return None

    def _bind_definition(self, named: _Named) -> None:
        """Binds a definition whose own segments and scores are bound."""
        kind, name = named
        parts = self._definitions[named]
        if kind == "segment":
            body, self._sizes[named] = self._bind_part(parts[0])
            self._bodies[name] = body
        elif kind == "score":
            bound = {at: self._bind_part(part) for at, part in parts.items()}
            sizes = [size for _, size in bound.values()]
            self._sizes[named] = _Size(
                1 + max((size.levels for size in sizes), default=0),
                len(self.model.scores[name]["rules"]) + sum(size.nodes for size in sizes),
            )
            score = bind_score(name, self.model.scores[name], lambda at: bound[at][0], self.scope)
            # Whoever came first has bound it, and nobody shall meet two of one name.
            self._scores.setdefault(name, score)
        elif kind == "tier":
            tier = self.model.tiers[name]

            def stage(at: int) -> BoundExpr:
                return self._hidden(("tiers", name, "stages", at, "when"), parts[at])

            def scope(text: str, key: KeyPath) -> ModelScope:
                return self.scope(text, key_text(key))

            cuts = self.cuts.get(name)
            self._derived.setdefault(named, bind_tier(name, tier, stage, scope, cuts))
        elif kind == "tag":
            self._tags.setdefault(name, self._hidden(("tag_rules", name, "when"), parts[0]))
        # Last, since whoever is done is there.
        self._done.add(named)

    def _hidden(self, key: KeyPath, part: _Part) -> BoundExpr:
        """A condition of a definition that others stand for, as a segment that nobody named."""
        name = f":{key_text(key)}"
        body, self._sizes["segment", name] = self._bind_part(part)
        return BoundSegment(name, body, None)

    def _bind_part(self, part: _Part) -> tuple[BoundExpr, _Size]:
        assert isinstance(part.tree, tree.Expr), "only a computed attribute is a value"
        return self._bind_alone(part.tree, part.faults)

    def _definition(self, named: _Named) -> _Definition:
        known = self._definitions.get(named)
        if known is None:
            known = self._definitions[named] = self._read_definition(named)
        return known

    def _read_definition(self, named: _Named) -> _Definition:
        kind, name = named
        if kind == "attribute":
            text, where = self.model.attributes[name].computed or "", f"attributes.{name}.is"
            return {0: _Part(_parsed_value(text, where), Faults(text, where))}
        if kind == "score":
            found: _Definition = {}
            for at, rule in enumerate(self.model.scores[name]["rules"]):
                if "when" in rule:
                    text, where = rule["when"], rule_where(name, at, "when")
                    found[at] = _Part(_parsed(text, where), Faults(text, where))
            return found
        if kind == "tier":
            return self._read_tier(name)
        if kind == "tag":
            where = key_text(("tag_rules", name, "when"))
            text = self._live_tags[name]
            return {0: _Part(_parsed(text, where), Faults(text, where))}
        where = f"segments.{name}"
        segment = self.model.segments.get(name)
        if name in self._given:
            text = segment.rule if segment is not None else ""
            return {0: _Part(self._given[name], Faults(text, where))}
        assert segment is not None, "who is mentioned is there"
        return {0: _Part(_parsed(segment.rule, where), Faults(segment.rule, where))}

    def _read_tier(self, name: str) -> _Definition:
        rules = [rule for rule in tier_rules(name, self.model.tiers[name])]
        found: _Definition = {}
        for at, rule in enumerate(rules):
            where = key_text(rule.path)
            parsed = _parsed if rule.form == "expression" else _parsed_value
            found[at] = _Part(parsed(rule.text, where), Faults(rule.text, where))
        return found

    def _mentions(self, definition: _Definition) -> Iterator[tuple[Reference, Faults]]:
        """What a definition mentions, in the order written; tags that follow from rules last."""
        for part in definition.values():
            for mention in references(part.tree):
                yield mention, part.faults
            if self._live_tags and isinstance(part.tree, tree.Expr):
                for read in tag_reads(part.tree):
                    for tag in read.among(self._live_tags):
                        yield Reference("tag", tag, read.node), part.faults

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
                    inner = self._sizes["segment", name]
                    nodes += inner.nodes
                    levels = max(levels, level + inner.levels)
                case predicate:
                    for score in scores_of(predicate):
                        inner = self._sizes["score", score.name]
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


def _of_attributes(named: _Named, path: dict[_Named, None]) -> bool:
    """Whether a circle that leads back to `named` has attributes alone: then computing them, which
    has words for it, tells so."""
    nodes = list(path)
    return all(kind == "attribute" for kind, _ in nodes[nodes.index(named) :])


def _circle(
    mention: Reference, named: _Named, path: list[_Named], faults: Faults
) -> ExpressionInvalid:
    circle = [*path[path.index(named) :], named]
    if all(kind == "segment" for kind, _ in circle):
        told, what = " -> ".join(name for _, name in circle), "segments refer"
    else:
        told, what = " -> ".join(f"{kind} '{name}'" for kind, name in circle), "definitions refer"
    message = f"{what} to each other in a circle: {told}"
    return faults.at(mention.node, message, "take one of these references out")
