"""Every text of a model that the rule language reads, with its key and what it must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.model.definitions import Attribute, Model
from engine.model.plain import Metrics, Tier
from engine.model.positions import KeyPath

__all__ = ["Node", "Rule", "model_rules", "tier_rules"]

# What may refer to others, and be referred to: its kind and its name.
Node = tuple[Literal["segment", "score", "tier", "attribute", "tag"], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One text. `defines` is what follows from it, None where nothing can refer to that.

    `fits` says what a value must be: the attribute that it computes, or one of the kinds of
    a metric.
    """

    path: KeyPath
    text: str
    form: Literal["expression", "step", "value"]
    defines: Node | None = None
    fits: Attribute | Literal["instant", "number", "quantity"] = "quantity"


def model_rules(model: Model) -> Iterator[Rule]:
    """The rules of a model, in the order of its sections."""
    for name, attribute in model.attributes.items():
        if attribute.computed is not None:
            key: KeyPath = ("attributes", name, "is")
            yield Rule(key, attribute.computed, "value", ("attribute", name), attribute)
    for at, tag_rule in enumerate(model.tag_rules):
        yield from _when_or_each(("tag_rules", at), tag_rule, ("tag", tag_rule["tag"]))
    for name, score in model.scores.items():
        for at, score_rule in enumerate(score["rules"]):
            yield from _when_or_each(("scores", name, "rules", at), score_rule, ("score", name))
    for name, tier in model.tiers.items():
        yield from tier_rules(name, tier)
    for name, segment in model.segments.items():
        yield Rule(("segments", name), segment.rule, "expression", ("segment", name))
    for name, action in model.actions.items():
        if "on" in action:
            yield Rule(("actions", name, "on"), action["on"], "expression")
        if "each" in action:
            yield Rule(("actions", name, "each"), action["each"], "step")


def _when_or_each(path: KeyPath, rule: dict[str, str], defines: Node) -> Iterator[Rule]:
    if "when" in rule:
        yield Rule((*path, "when"), rule["when"], "expression", defines)
    if "each" in rule:
        yield Rule((*path, "each"), rule["each"], "step", defines)


def tier_rules(name: str, tier: Tier) -> Iterator[Rule]:
    """The rules of one tier, in order."""
    path: KeyPath = ("tiers", name)
    node: Node = ("tier", name)
    for at, stage in enumerate(tier.get("stages", ())):
        yield Rule((*path, "stages", at, "when"), stage["when"], "expression", node)
    if "rfm" in tier:
        yield from _metric_rules((*path, "rfm"), tier["rfm"], node)
    if "rfe" in tier:
        yield from _metric_rules((*path, "rfe"), tier["rfe"], node)
    if "top" in tier:
        yield Rule((*path, "top", "by"), tier["top"]["by"], "value", node)


def _metric_rules(path: KeyPath, metrics: Metrics, node: Node) -> Iterator[Rule]:
    yield Rule((*path, "recency"), metrics["recency"], "value", node, "instant")
    yield Rule((*path, "frequency"), metrics["frequency"], "value", node, "number")
    if "monetary" in metrics:
        yield Rule((*path, "monetary"), metrics["monetary"], "value", node, "number")
