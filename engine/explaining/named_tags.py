"""The tags that a profile has from rules, and from those whose tags properties name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

from engine.errors import NotYet
from engine.explaining.reading import Reading
from engine.model.definitions import TAG, EventType
from engine.model.hidden_events import ON, fact_events, tag_fact, tag_places
from engine.model.sections.tag_rules import PLACE
from engine.rules import bound, tree
from engine.rules.aggregates import bind_step
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundEvents
from engine.rules.parse import parse_step

__all__ = ["GivenTags", "NamedTags", "given_tags", "named_tags", "tags_of"]


@dataclass(frozen=True, slots=True, eq=False)
class NamedTags:
    """One such rule: the events that name its tags, or of a sticky one the type of its facts."""

    tag: str
    places: tuple[str, ...]
    events: BoundEvents
    window: tree.Window | None
    fact: EventType | None

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the events that say which tags they are."""
        return self.events.types if self.fact is None else (self.fact.name,)


@dataclass(frozen=True, slots=True, eq=False)
class GivenTags:
    """All rules of a model: whoever has each tag that a rule names itself, and those whose tags
    properties name."""

    tags: Mapping[str, bound.BoundExpr]
    named: tuple[NamedTags, ...]

    @property
    def conditions(self) -> Iterator[bound.BoundExpr]:
        """What is read to say which tags they are, beside `types`."""
        yield from self.tags.values()
        for one in self.named:
            if one.events.where is not None:
                yield one.events.where

    @property
    def types(self) -> Iterator[str]:
        """The types of the events that name tags."""
        for one in self.named:
            yield from one.types

    def of(self, reading: Reading) -> frozenset[str]:
        """The tags that the profile of a reading has from rules now. One that has no evaluator so
        far is left out."""
        found: set[str] = set()
        for tag, item in self.tags.items():
            try:
                if reading.holds(item):
                    found.add(tag)
            except NotYet:
                continue
        for rule in self.named:
            found.update(tags_of(rule, reading))
        return frozenset(found)


_known: WeakKeyDictionary[Binder, GivenTags] = WeakKeyDictionary()


def given_tags(binder: Binder) -> GivenTags:
    """What the rules of a model give, bound; kept with the binder."""
    if binder not in _known:
        tags = {
            rule["tag"]: binder.bind(tree.Compare(tree.Name(TAG), "=", tree.Text(rule["tag"])))
            for rule in binder.model.tag_rules
            if "each" not in rule
        }
        _known[binder] = GivenTags(tags, tuple(named_tags(binder)))
    return _known[binder]


def named_tags(binder: Binder) -> list[NamedTags]:
    """The rules of a model whose tags properties name."""
    found = []
    facts = fact_events(binder.model)
    for rule in binder.model.tag_rules:
        if "each" in rule:
            step, window = parse_step(rule["each"])
            fact = facts[tag_fact(rule["tag"])] if rule["keep"] == "sticky" else None
            events = bind_step(step, binder.scope(rule["each"]))
            places = tag_places(rule["tag"])
            found.append(NamedTags(rule["tag"], places, events, window, fact))
    return found


def tags_of(rule: NamedTags, reading: Reading) -> list[str]:
    """The tags that a rule gives the profile of a reading now; one may come several times.
    Raises NotYet."""
    return [*_tags(rule, reading)]


def _tags(rule: NamedTags, reading: Reading) -> Iterator[str]:
    if rule.fact is not None:
        states: dict[tuple[object, ...], bool] = {}
        happened = [
            event
            for event in reading.profile.events.get(rule.fact.name, ())
            if event.time_us <= reading.now_us
        ]
        # Of one instant the last counts, which is on where one of them is.
        for event in sorted(happened, key=lambda one: (one.time_us, bool(one.properties[ON.name]))):
            named = tuple(event.properties.get(place) for place in rule.places)
            states[named] = bool(event.properties[ON.name])
        for values, on in states.items():
            if on:
                yield _name(rule.tag, rule.places, tuple(map(str, values)))
        return
    line = reading.line(rule.events)
    if not line.events:
        return
    first, end = line.stretch(*reading.bounds(rule.window))
    for event in line.events[first:end]:
        values = tuple([event.properties.get(place) for place in rule.places])
        if all(values):
            yield _name(rule.tag, rule.places, tuple(map(str, values)))


# Names of a rule's tags are few, and come again with every profile.
@lru_cache(maxsize=4096)
def _name(tag: str, places: tuple[str, ...], values: tuple[str, ...]) -> str:
    named = dict(zip(places, values, strict=True))
    return PLACE.sub(lambda place: named[place.group(1)], tag)
