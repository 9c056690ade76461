"""What the rules of a model say of one profile: scores with bands, tiers, and tags by rule.

What has no evaluator so far, or no cuts, is left out and noted: the rest of a profile is worth
showing without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from engine.errors import NotYet
from engine.explaining.ledgers import Ledger, ledger_of
from engine.explaining.named_tags import GivenTags, given_tags, tags_of
from engine.explaining.names import conditions_of, name_of
from engine.explaining.outline import Reads, reads_of
from engine.explaining.reading import Reading
from engine.explaining.tier_questions import derived_of
from engine.model.positions import key_text
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.bound_scores import BoundScore
from engine.rules.derived import Derived

__all__ = ["Asked", "Card", "asked_of", "card_of"]


@dataclass(frozen=True, slots=True)
class Card:
    """`scores` and the `bands` of those that have some, by name; of a tier the name that the
    profile has. Names that it has none of are absent. `tags` are those that rules give it. `notes`
    says by the key of the model, `scores.lead`, why something is left out."""

    scores: Mapping[str, Ledger] = field(default_factory=dict)
    bands: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model says of every profile, bound, and what is read for it; `notes` as of a Card."""

    scores: Mapping[str, BoundScore]
    names: Mapping[tuple[str, str], Derived]
    given: GivenTags
    reads: Reads
    notes: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.scores or self.names or self.given.tags or self.given.named or self.notes)


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
    notes: dict[str, str] = {}
    for call in calls:
        try:
            names[call.function, call.argument] = derived_of(call, binder)
        except NotYet as reason:
            notes[_key("tiers", call.argument)] = str(reason)
    given = given_tags(binder)
    read = [*given.conditions, *(one for known in names.values() for one in conditions_of(known))]
    reads = reads_of(read, scores.values(), given.types)
    return Asked(scores, names, given, reads, notes)


def card_of(asked: Asked, binder: Binder, reading: Reading) -> Card:
    """The card of the profile of a reading."""
    notes = dict(asked.notes)
    scores: dict[str, Ledger] = {}
    found: dict[str, dict[str, str]] = {"band": {}, "tier": {}}
    tags: dict[str, None] = {}
    for name, score in asked.scores.items():
        try:
            scores[name] = ledger_of(score, binder.model.scores[name], reading)
        except NotYet as reason:
            notes[_key("scores", name)] = str(reason)
    for (kind, name), derived in asked.names.items():
        try:
            one = name_of(derived, reading)
        except NotYet as reason:
            notes[_key("tiers" if kind == "tier" else "scores", name)] = str(reason)
        else:
            if one is not None:
                found[kind][name] = one
    for tag, item in asked.given.tags.items():
        try:
            if reading.holds(item):
                tags[tag] = None
        except NotYet as reason:
            notes[_key("tag_rules", tag)] = str(reason)
    for rule in asked.given.named:
        try:
            tags |= dict.fromkeys(tags_of(rule, reading))
        except NotYet as reason:
            notes[_key("tag_rules", rule.tag)] = str(reason)
    return Card(scores, found["band"], found["tier"], tuple(tags), notes)


def _key(section: str, name: str) -> str:
    return key_text((section, name))
