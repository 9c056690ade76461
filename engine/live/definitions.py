"""What is kept current of a model: its segments, and what follows from its other rules.

Beside segments these have members of their own, by key path:
- `scores.NAME.bands.BAND` and `tiers.NAME.VALUE`: who has a band, or a value of a tier;
- `tags.NAME`: who has a tag for which there is a rule, whoever gave it. Of a rule whose tags
  properties name nobody is a member: its tags are kept one by one (engine.live.kept_names);
- `facts.KEY.on` and `facts.KEY.off`: who a fact begins to hold for, and who it ends for
  (engine.model.hidden_events): the `when` of a sticky tag; of a band with `hold` who is at its
  bound, and who is below what holds it. They are told to nobody;
- `actions.NAME`: who satisfies the `on` of an action, of whom the feed tells only who enters. Of an
  action with `each` nobody is a member: the feed tells of events (engine.live.each_actions);
- `scores.NAME.points`, where each change of a score is told: nobody is a member of these either
  (engine.live.kept_points).

Definitions come in *levels*. Those of level 0 read no facts; a fact has the level of the
conditions that set it, and who reads it is at least one level above. So one level can be judged,
its facts written, and then the next one be judged with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from engine.model.definitions import TAG, EventType, Model
from engine.model.hidden_events import band_fact, fact_events, tag_fact, tag_places, told_event
from engine.model.plain import TagRule, tier_names
from engine.model.positions import key_text
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundAggregate
from engine.rules.bound_facts import fact_holds, facts_read, some_fact_holds
from engine.rules.bound_scores import BoundScore
from engine.rules.parse import parse
from engine.rules.steps import count_of_step, happens_at_all

__all__ = [
    "NOBODY",
    "Definition",
    "GoneName",
    "NamedTag",
    "definitions_of",
    "hidden_name",
    "key_of",
    "levels_of",
]

# What begins with it is no segment: no declared name does.
_HIDDEN = ":"
# What nobody satisfies.
NOBODY = bound.BoundConstant(False, None)


@dataclass(frozen=True, slots=True, eq=False)
class NamedTag:
    """A rule whose tags properties name, by its `tag` as written: the count of the events that it
    takes, the fact of a sticky one, and the type of event by which the tags told are stored."""

    tag: str
    step: BoundAggregate
    fact: EventType | None
    told: EventType


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """Something with members. `name` is that of a segment, or a colon and the key path.

    `told` is the key path under which the feed tells who enters and leaves, '' where it does not.
    Of those that share it a profile is in one at most, whose `value` is told.
    `begins` and `ends` are facts (hidden types of events) that do so for whoever enters it.
    `is_action` where only who enters is told, and not who is in it when it is first defined.
    `each` is the count of the events that an action asks something for, `points` a score of which
    each change is told, `named` a rule whose tags properties name; `body` is false then.
    """

    name: str
    body: bound.BoundExpr
    told: str = ""
    value: str | None = None
    begins: EventType | None = None
    ends: EventType | None = None
    is_action: bool = False
    each: BoundAggregate | None = None
    points: BoundScore | None = None
    named: NamedTag | None = None

    @property
    def sets_facts(self) -> bool:
        """Whether a fact begins or ends for whoever enters it."""
        return self.begins is not None or self.ends is not None

    @property
    def says(self) -> bound.BoundExpr:
        """What it means: its `body`, or a condition on what stands for it."""
        if self.points is not None:
            term = bound.LinearTerm(Fraction(1), bound.ScoreSource(self.points.name, self.points))
            return bound.BoundCompare(bound.Linear((term,), Fraction(0)), ">=", None)
        if self.named is not None:
            if self.named.fact is not None:
                return some_fact_holds(self.named.fact, bound.BoundConstant(True, None))
            return happens_at_all(self.named.step)
        return self.body if self.each is None else happens_at_all(self.each)


class GoneName(NamedTuple):
    """A band, or a value of a tier, that an edit takes out of the model while its members are still
    stored: the definition's `name`, and what is `told` of whoever leaves it."""

    name: str
    told: str
    value: str


def hidden_name(*path: str) -> str:
    """Name of the definition that is no segment and has this key path."""
    return _HIDDEN + key_text(path)


def key_of(name: str) -> str:
    """The key path of a definition, as transitions name it."""
    return name[1:] if name.startswith(_HIDDEN) else key_text(("segments", name))


def definitions_of(model: Model, binder: Binder) -> Iterator[Definition]:
    """Everything that is kept of a model where it can be, in the order of the feed. Raises
    ExpressionInvalid."""
    for name in model.segments:
        yield Definition(name, binder.bind(tree.Segment(name)), key_of(name))
    facts = fact_events(model)
    for name in model.scores:
        yield from _of_score(name, model, binder, facts)
    for name, tier in model.tiers.items():
        for value in tier_names(tier):
            body = binder.bind(tree.Compare(tree.Call("tier", name), "=", tree.Text(value)))
            hidden = hidden_name("tiers", name, value)
            yield Definition(hidden, body, key_text(("tiers", name)), value)
    for at, rule in enumerate(model.tag_rules):
        if tag_places(rule["tag"]):
            yield _of_named(rule, model, binder, facts)
        else:
            yield from _of_tag(at, rule, model, binder, facts)
    for name, action in model.actions.items():
        if "on" in action:
            key = key_text(("actions", name))
            body = binder.bind(parse(action["on"]), action["on"], key_text(("actions", name, "on")))
            yield Definition(hidden_name("actions", name), body, key, is_action=True)
        else:
            counted = count_of_step(binder, action["each"])
            yield Definition(hidden_name("actions", name), NOBODY, each=counted)


def _of_score(
    name: str, model: Model, binder: Binder, facts: Mapping[str, EventType]
) -> Iterator[Definition]:
    score, bands = tree.Call("score", name), model.bands(name)
    for band, hold in model.scores[name]["hold"].items():
        key = band_fact(name, band)
        at_bound = binder.bind(tree.Compare(score, ">=", tree.Number(bands[band])))
        # Who has no score is held in no band.
        below = binder.bind(tree.Not(tree.Compare(score, ">=", tree.Number(hold))))
        yield Definition(hidden_name("facts", key, "on"), at_bound, begins=facts[key])
        yield Definition(hidden_name("facts", key, "off"), below, ends=facts[key])
    told = key_text(("scores", name))
    for band in bands:
        body = binder.bind(tree.Compare(tree.Call("band", name), "=", tree.Text(band)))
        yield Definition(hidden_name("scores", name, "bands", band), body, told, band)
    if "feed" in model.scores[name]:
        yield Definition(hidden_name("scores", name, "points"), NOBODY, points=binder.score(name))


def _of_tag(
    at: int, rule: TagRule, model: Model, binder: Binder, facts: Mapping[str, EventType]
) -> Iterator[Definition]:
    tag, text = rule["tag"], rule["when"]
    told = key_text(("tags", tag))
    held = bound.BoundSet(model.attributes[TAG], bound.StringTest("in", frozenset({tag})), None)
    when = binder.bind(parse(text), text, key_text(("tag_rules", at, "when")))
    if rule["keep"] == "live":
        yield Definition(hidden_name("tags", tag), bound.BoundOr((held, when), None), told)
        return
    key = tag_fact(tag)
    yield Definition(hidden_name("facts", key, "on"), when, begins=facts[key])
    by_rule = fact_holds(facts[key])
    yield Definition(hidden_name("tags", tag), bound.BoundOr((held, by_rule), None), told)


def _of_named(
    rule: TagRule, model: Model, binder: Binder, facts: Mapping[str, EventType]
) -> Definition:
    tag = rule["tag"]
    fact = facts[tag_fact(tag)] if rule["keep"] == "sticky" else None
    named = NamedTag(tag, count_of_step(binder, rule["each"]), fact, told_event(model, rule))
    return Definition(hidden_name("tags", tag), NOBODY, named=named)


def levels_of(definitions: Iterable[Definition]) -> dict[str, int]:
    """Level of each definition, by name. References have no circles, and what begins and what ends
    a fact read the same. The bands of a score, and the values of a tier, are of one level, so that
    an edit, too, tells of whoever leaves one and enters another at once."""
    all_of = list(definitions)
    read = {definition.name: facts_read(definition.says) for definition in all_of}
    levels = dict.fromkeys(read, 0)
    of_fact: dict[str, int] = {}
    of_group: dict[str, int] = {}
    rises = True
    while rises:
        rises = False
        for definition in all_of:
            name = definition.name
            level = max((of_fact.get(fact, 0) + 1 for fact in read[name]), default=0)
            if definition.value is not None:
                level = max(level, of_group.get(definition.told, 0))
                if level > of_group.get(definition.told, 0):
                    of_group[definition.told] = level
                    rises = True
            for fact in (definition.begins, definition.ends):
                if fact is not None and of_fact.get(fact.name, 0) < level:
                    of_fact[fact.name] = level
                    rises = True
            if level > levels[name]:
                levels[name] = level
                rises = True
    return levels
