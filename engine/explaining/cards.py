"""What the rules of a model say of one profile: scores with bands, tiers, and tags by rule.

What has no evaluator so far, or no cuts, is left out and noted: the rest of a profile is worth
showing without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from engine.errors import NotYet
from engine.explaining.closures import Closures
from engine.explaining.ledgers import Ledger, ledger_of
from engine.explaining.name_nodes import Name
from engine.explaining.named_tags import GivenTags, given_tags, tags_of
from engine.explaining.names import conditions_of, name_node
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
    nodes = _nodes_of(asked, binder, reading.closures)
    notes = dict(asked.notes)
    # First the scores: their ledgers have the points that the rest may ask for.
    scores = _said(nodes.scores, reading, notes, "scores")
    tiers = _said(nodes.tiers, reading, notes, "tiers")
    bands = _said(nodes.bands, reading, notes, "scores")
    tags = [tag for tag, is_so in _said(nodes.tags, reading, notes, "tag_rules") if is_so]
    for _, named in _said(nodes.named, reading, notes, "tag_rules"):
        tags += named
    return Card(
        dict(scores),
        {name: band for name, band in bands if band is not None},
        {name: tier for name, tier in tiers if tier is not None},
        tuple(dict.fromkeys(tags)),
        notes,
    )


_Said = TypeVar("_Said")
_Nodes = Sequence[tuple[str, Callable[[Reading], _Said]]]


class _AskedNodes(NamedTuple):
    """What is asked of every reading, made ready, each with its name in the model."""

    asked: Asked
    scores: _Nodes[Ledger]
    tiers: _Nodes[str | None]
    bands: _Nodes[str | None]
    tags: _Nodes[bool]
    named: _Nodes[list[str]]


def _nodes_of(asked: Asked, binder: Binder, closures: Closures) -> _AskedNodes:
    """Kept with what is asked of all profiles."""
    # With what it was made of, so that its id is nobody else's.
    known: _AskedNodes | None = closures.kept.get(id(asked))
    if known is None:
        names: dict[str, list[tuple[str, Name]]] = {"tier": [], "band": []}
        for (kind, name), derived in asked.names.items():
            names[kind].append((name, name_node(derived, closures)))
        known = closures.kept[id(asked)] = _AskedNodes(
            asked,
            [
                (name, partial(ledger_of, score, binder.model.scores[name]))
                for name, score in asked.scores.items()
            ],
            names["tier"],
            names["band"],
            [(tag, closures.truth(item)) for tag, item in asked.given.tags.items()],
            [(rule.tag, partial(tags_of, rule)) for rule in asked.given.named],
        )
    return known


def _said(
    nodes: _Nodes[_Said], reading: Reading, notes: dict[str, str], section: str
) -> list[tuple[str, _Said]]:
    """What nodes say of a profile; what has no evaluator is left out and noted."""
    try:
        return [(name, node(reading)) for name, node in nodes]
    except NotYet:
        found = []
        for name, node in nodes:
            try:
                found.append((name, node(reading)))
            except NotYet as reason:
                notes[_key(section, name)] = str(reason)
        return found


def _key(section: str, name: str) -> str:
    return key_text((section, name))
