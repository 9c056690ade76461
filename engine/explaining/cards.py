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
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_scores import BoundScore
from engine.rules.derived import Derived
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
    """What a model says of every profile, bound; `types` and `lists` are what is read for it."""

    scores: Mapping[str, BoundScore]
    names: Mapping[tuple[str, str], Derived]
    tags: Mapping[str, bound.BoundExpr]
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
        rule["tag"]: binder.bind(tree.Compare(tree.Name(TAG), "=", tree.Text(rule["tag"])))
        for rule in model.tag_rules
        if "each" not in rule
    }
    read = [*tags.values(), *(one for known in names.values() for one in conditions_of(known))]
    types = dict.fromkeys([*types_of(read), *types_of_scores(scores.values())])
    read += [one for score in scores.values() for one in score.conditions]
    lists = dict.fromkeys(
        one.name
        for part in read
        for one in bound.predicates_of(part)
        if isinstance(one, bound.BoundList)
    )
    return Asked(scores, names, tags, tuple(types), tuple(lists))


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
        tuple(tag for tag, item in asked.tags.items() if reading.holds(item)),
    )
