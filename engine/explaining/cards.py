"""What the rules of a model say of one profile: scores with bands, tiers, and tags by rule.

What has no evaluator so far, or no cuts, is left out and noted: the rest of a profile is worth
showing without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
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

_Found = TypeVar("_Found")


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

    def told(key: str, ask: Callable[..., _Found], *given: object) -> _Found | None:
        try:
            return ask(*given)
        except NotYet as reason:
            notes[key] = str(reason)
            return None

    scores: dict[str, Ledger] = {}
    found: dict[tuple[str, str], str] = {}
    tags: dict[str, None] = {}
    for name, score in asked.scores.items():
        declared = binder.model.scores[name]
        ledger = told(_key("scores", name), ledger_of, score, declared, reading)
        if ledger is not None:
            scores[name] = ledger
    for (kind, name), derived in asked.names.items():
        section = "tiers" if kind == "tier" else "scores"
        one = told(_key(section, name), name_of, derived, reading)
        if one is not None:
            found[kind, name] = one
    for tag, item in asked.given.tags.items():
        if told(_key("tag_rules", tag), reading.holds, item):
            tags[tag] = None
    for rule in asked.given.named:
        tags |= dict.fromkeys(told(_key("tag_rules", rule.tag), tags_of, rule, reading) or ())
    return Card(
        scores,
        {name: one for (kind, name), one in found.items() if kind == "band"},
        {name: one for (kind, name), one in found.items() if kind == "tier"},
        tuple(tags),
        notes,
    )


def _key(section: str, name: str) -> str:
    return key_text((section, name))
