"""What is kept current of a model: its segments, and what follows from its other rules.

Beside segments these have members of their own, by key path:
- `tags.NAME`: who has a tag for which there is a rule, whoever gave it;
- `facts.KEY.on` and `facts.KEY.off`: who the fact begins to hold for, and who it ends for
  (engine.model.hidden_events): the `when` of a sticky tag. They are told to nobody.

Definitions come in *levels*. Those of level 0 read no facts; a fact has the level of the
conditions that set it, and who reads it is at least one level above. So one level can be judged,
its facts written, and then the next one be judged with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.model.definitions import TAG, EventType, Model
from engine.model.hidden_events import fact_events, tag_fact, tag_places
from engine.model.plain import TagRule
from engine.model.positions import key_text
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_facts import fact_holds, facts_read
from engine.rules.parse import parse

__all__ = ["Definition", "definitions_of", "hidden_name", "key_of", "levels_of"]

# What begins with it is no segment: no declared name does.
_HIDDEN = ":"


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """Something with members. `name` is that of a segment, or a colon and the key path.

    `begins` and `ends` are facts (hidden types of events) that do so for whoever enters it.
    `is_told` says whether the feed tells who enters and leaves.
    """

    name: str
    body: bound.BoundExpr
    is_told: bool = True
    begins: EventType | None = None
    ends: EventType | None = None


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
        yield Definition(name, binder.bind(tree.Segment(name)))
    facts = fact_events(model)
    for at, rule in enumerate(model.tag_rules):
        if not tag_places(rule["tag"]):
            yield from _of_tag(at, rule, model, binder, facts)


def _of_tag(
    at: int, rule: TagRule, model: Model, binder: Binder, facts: Mapping[str, EventType]
) -> Iterator[Definition]:
    tag, text = rule["tag"], rule["when"]
    held = bound.BoundSet(model.attributes[TAG], bound.StringTest("in", frozenset({tag})), None)
    when = binder.bind(parse(text), text, key_text(("tag_rules", at, "when")))
    if rule["keep"] == "live":
        yield Definition(hidden_name("tags", tag), bound.BoundOr((held, when), None))
        return
    key = tag_fact(tag)
    yield Definition(hidden_name("facts", key, "on"), when, is_told=False, begins=facts[key])
    by_rule = fact_holds(facts[key])
    yield Definition(hidden_name("tags", tag), bound.BoundOr((held, by_rule), None))


def levels_of(definitions: Iterable[Definition]) -> dict[str, int]:
    """Level of each definition, by name. References have no circles."""
    all_of = list(definitions)
    read = {definition.name: facts_read(definition.body) for definition in all_of}
    levels = dict.fromkeys(read, 0)
    of_fact: dict[str, int] = {}
    rises = True
    while rises:
        rises = False
        for definition in all_of:
            name = definition.name
            level = max((of_fact.get(fact, 0) + 1 for fact in read[name]), default=0)
            for fact in (definition.begins, definition.ends):
                if fact is not None and of_fact.get(fact.name, 0) < level:
                    of_fact[fact.name] = level
                    rises = True
            if level > levels[name]:
                levels[name] = level
                rises = True
    # Both conditions of a fact are judged together.
    for definition in all_of:
        for fact in (definition.begins, definition.ends):
            if fact is not None:
                levels[definition.name] = max(levels[definition.name], of_fact.get(fact.name, 0))
    return levels
