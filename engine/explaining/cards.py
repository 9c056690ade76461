"""What the rules of a model say of one profile: scores with bands, tiers, and tags by rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from engine.explaining.ledgers import Ledger, ledger_of
from engine.explaining.names import conditions_of, name_of
from engine.explaining.outline import types_of, types_of_scores
from engine.explaining.reading import Reading
from engine.model.definitions import TAG
from engine.model.hidden_events import fact_events, tag_fact, tag_places
from engine.model.plain import TagRule
from engine.model.sections.tag_rules import PLACE
from engine.rules import bound, tree
from engine.rules.aggregates import bind_step
from engine.rules.bind import Binder
from engine.rules.bound_scores import BoundScore
from engine.rules.derived import Derived
from engine.rules.parse import parse_step
from engine.rules.types import Strings

__all__ = ["Asked", "Card", "asked_of", "card_of"]


@dataclass(frozen=True, slots=True)
class Card:
    """`scores` and the `bands` of those that have some, by name; of a tier the name that the
    profile has. Names that it has none of are absent. `tags` are those that rules give it."""

    scores: Mapping[str, Ledger] = field(default_factory=dict)
    bands: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model says of every profile, bound; `types` and `lists` are what is read for it.

    `named` are the tags with places for properties, as rules have them, and the types of events
    whose properties may name them.
    """

    scores: Mapping[str, BoundScore]
    names: Mapping[tuple[str, str], Derived]
    tags: Mapping[str, bound.BoundExpr]
    named: Mapping[str, tuple[str, ...]]
    types: tuple[str, ...]
    lists: tuple[str, ...]


_known: WeakKeyDictionary[Binder, Asked] = WeakKeyDictionary()


def asked_of(binder: Binder) -> Asked:
    """What the model of a binder says of every profile; kept with the binder."""
    if binder not in _known:
        _known[binder] = _asked(binder)
    return _known[binder]


def _asked(binder: Binder) -> Asked:
    model = binder.model
    scores = {name: binder.score(name) for name in model.scores}
    calls: list[tree.Call] = [tree.Call("tier", name) for name in model.tiers]
    calls += [tree.Call("band", name) for name in model.scores if model.bands(name)]
    names: dict[tuple[str, str], Derived] = {}
    for call in calls:
        operand = binder.operand(call)
        if isinstance(operand, Strings) and operand.derived is not None:
            names[call.function, call.argument] = operand.derived
    tags = {
        rule["tag"]: _has_tag(rule["tag"], binder) for rule in model.tag_rules if "each" not in rule
    }
    read = [*tags.values(), *(one for known in names.values() for one in conditions_of(known))]
    named = {
        rule["tag"]: _naming(rule, binder) for rule in model.tag_rules if tag_places(rule["tag"])
    }
    of_names = (name for found in named.values() for name in found)
    types = dict.fromkeys([*types_of(read), *types_of_scores(scores.values()), *of_names])
    read += [one for score in scores.values() for one in score.conditions]
    lists = dict.fromkeys(
        one.name
        for part in read
        for one in bound.predicates_of(part)
        if isinstance(one, bound.BoundList)
    )
    return Asked(scores, names, tags, named, tuple(types), tuple(lists))


def card_of(asked: Asked, binder: Binder, reading: Reading) -> Card:
    """The card of the profile of a reading. Raises NotYet."""
    found = {key: name_of(derived, reading) for key, derived in asked.names.items()}
    return Card(
        {
            name: ledger_of(score, binder.model.scores[name], reading)
            for name, score in asked.scores.items()
        },
        {name: one for (kind, name), one in found.items() if kind == "band" and one is not None},
        {name: one for (kind, name), one in found.items() if kind == "tier" and one is not None},
        (
            *(tag for tag, item in asked.tags.items() if reading.holds(item)),
            *(tag for tag in _named(asked, reading) if reading.holds(_has_tag(tag, binder))),
        ),
    )


def _has_tag(tag: str, binder: Binder) -> bound.BoundExpr:
    return binder.bind(tree.Compare(tree.Name(TAG), "=", tree.Text(tag)))


def _naming(rule: TagRule, binder: Binder) -> tuple[str, ...]:
    """The types of events whose properties name the tags that a rule with `each` gives."""
    if rule["keep"] == "sticky":
        return (fact_events(binder.model)[tag_fact(rule["tag"])].name,)
    step, _ = parse_step(rule["each"])
    return bind_step(step, binder.scope(rule["each"])).types


def _named(asked: Asked, reading: Reading) -> list[str]:
    """The tags that properties of some event of the profile name, each once."""
    found: dict[str, None] = {}
    for tag, types in asked.named.items():
        places = tag_places(tag)
        for event in (one for name in types for one in reading.profile.events.get(name, ())):
            values = {place: event.properties.get(place) for place in places}
            if all(values.values()):
                found[PLACE.sub(lambda place: str(values[place[1]]), tag)] = None  # noqa: B023
    return list(found)
