"""A tag explained: who gave it, and what the rules that may give it say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.explaining.fact_intervals import fact_interval
from engine.explaining.outline import Outline, outline, reads_of
from engine.explaining.standings import TagRuleStanding, TagStanding
from engine.explaining.subjects import Nodes
from engine.model.definitions import TAG
from engine.model.hidden_events import fact_events, tag_fact, tag_places, tag_values
from engine.model.plain import TagRule
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_facts import fact_holds
from engine.rules.parse import parse, parse_step

__all__ = ["TagQuestion"]


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    declared: TagRule
    asked: Outline
    fact: bound.BoundExpr | None


class TagQuestion:
    """Asks for a tag, whether or not anybody has it."""

    def __init__(self, name: str, binder: Binder) -> None:
        self._name = name
        has = tree.Compare(tree.Name(TAG), "=", tree.Text(name))
        self._has = binder.bind(has)
        self._rules = [
            _rule(rule, condition, values, binder)
            for rule in binder.model.tag_rules
            for condition, values in _conditions(rule, name)
        ]
        items = [self._has, *(one.fact for one in self._rules if one.fact is not None)]
        items += [node.item for one in self._rules for node in one.asked.nodes[:1]]
        self.reads = reads_of(items)

    def stand(self, nodes: Nodes, givers: Sequence[str]) -> TagStanding:
        """The answer for the profile of a reading. Raises NotYet."""
        rules = []
        for rule in self._rules:
            node, since_us = nodes.add(rule.asked), None
            gives = nodes.all[node].truth
            if rule.fact is not None:
                gives, since_us = fact_interval(rule.fact, nodes.reading)
            text = rule.asked.expression
            declared = rule.declared
            rules.append(
                TagRuleStanding(declared["tag"], declared["keep"], text, gives, node, since_us)
            )
        return TagStanding(self._name, nodes.reading.holds(self._has), tuple(givers), tuple(rules))


def _rule(rule: TagRule, condition: tree.Expr, values: tuple[str, ...], binder: Binder) -> _Rule:
    fact = None
    if rule["keep"] == "sticky":
        places = dict(zip(tag_places(rule["tag"]), values, strict=True))
        fact = fact_holds(fact_events(binder.model)[tag_fact(rule["tag"])], places)
    return _Rule(rule, outline(condition, binder.bind(condition), binder), fact)


def _conditions(rule: TagRule, name: str) -> Iterator[tuple[tree.Expr, tuple[str, ...]]]:
    """What a rule asks of whoever gets a tag from it, and the values of its places there; nothing
    where it never gives that tag."""
    if "when" in rule:
        if rule["tag"] == name:
            yield parse(rule["when"]), ()
        return
    step, window = parse_step(rule["each"])
    for values in tag_values(rule["tag"], name):
        named: list[tree.Expr] = [
            tree.Compare(tree.Name(place), "=", tree.Text(value))
            for place, value in zip(tag_places(rule["tag"]), values, strict=True)
        ]
        items = [*([] if step.where is None else [step.where]), *named]
        where = items[0] if len(items) == 1 else tree.And(tuple(items))
        counted = tree.Aggregate("count", step=tree.Step(step.selector, where), window=window)
        yield tree.Compare(counted, ">=", tree.Number(Decimal(1))), values
