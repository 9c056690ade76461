"""What a store must hold after some updates: the rules of ingest on plain dictionaries.

`World` takes one update after the other, as tests write them (see `Update`), and says of each
whether it is refused. It knows nothing of batches, blocks, logs or processes, so it is the
same whatever happened between the updates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from engine.limits import TIME_US
from tests.loads import ERASE

__all__ = [
    "EVENTS",
    "EVENT_RULES",
    "KEPT",
    "MODEL_FILES",
    "SEGMENTS",
    "VARIANT_FILES",
    "Event",
    "Person",
    "Update",
    "World",
]

# Identifier kinds, attribute names, `+name` and `-name` for values that a set gains and loses,
# `by` for the giver and `time` for the event time in microseconds; a missing key or None says
# nothing, ERASE takes away. Types of events for what the profile did: dictionaries of `time`, `id`,
# `gone` and properties.
Update = Mapping[str, Any]

# Segments on one attribute and on many, on sets, on other segments, on what is missing.
SEGMENTS: dict[str, str] = {
    "large": "size >= 50",
    "rich": "spent > 10.5 or rate < 0.25",
    "fan": "likes = 'x' and not tag = 'asleep'",
    "northern": "city in ('京', '津') and segment('large')",
    "blank": "city is missing and remark is missing",
    "chosen": "segment('fan') or segment('northern') or vip",
    "old": "born < date '1980-01-01' and joined >= date '2020-01-01'",
}
# What becomes of them when the model is edited.
_VARIANT = {"large": "size >= 20", "fan": "likes = 'y'", "spoken": "remark contains 'a'"}
_HEAD = """\
time_zone: UTC
identifiers:
  member: {per_profile: 1}
  phone: {per_profile: 2, blocked: ['000']}
  mail: {}
attributes:
  city: {type: category}
  size: {type: int}
  spent: {type: decimal, scale: 2}
  rate: {type: float}
  vip: {type: bool}
  born: {type: date}
  joined: {type: time}
  remark: {type: text}
  likes: {type: set}
events:
  order:
    properties:
      amount: {type: decimal, scale: 2}
      channel: {type: category}
      note: {type: text}
      urgent: {type: bool}
  ping: {}
sources:
  crm: {identify: {member: member}, attributes: {city: city}}
segments:
"""
# A tag that stays. The World does not know in which batches updates came, and a rule is judged once
# a batch: so it says who must have the tag, and who may.
KEPT = "kept"
# And whoever enters `large` gets a band, a fact, and something is to be done.
_RULES = """\
tag_rules:
- {tag: kept, when: "size >= 50", keep: sticky}
scores:
  heat:
    rules: [{when: "segment('large')", points: 10}]
    bands: {warm: 10}
    hold: {warm: 5}
actions:
  grown: {on: "band('heat') = 'warm'", do: call}
"""


def _files(segments: Mapping[str, str]) -> dict[str, str]:
    lines = [f'  {name}: "{text}"\n' for name, text in segments.items()]
    return {"model.yaml": _HEAD + "".join(lines) + _RULES}


MODEL_FILES = _files(SEGMENTS)
VARIANT_FILES = _files({**SEGMENTS, **_VARIANT})

SINGLE = ("city", "size", "spent", "rate", "vip", "born", "joined", "remark")
SETS = ("likes", "tag")
LIMITS = {"member": 1, "phone": 2, "mail": None}
BLOCKED = {"phone": {"000"}}
EVENTS = ("order", "ping")


@dataclass(frozen=True)
class Event:
    """Something that a profile did, `time` in microseconds. `key` is whose it is and its id there,
    None for one without."""

    type: str
    time: int
    properties: Mapping[str, Any]
    key: tuple[str, str] | None


@dataclass(eq=False)
class Person:
    """One profile: what it owns, what is written on it, and when that was so."""

    identifiers: dict[str, set[str]] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    given: dict[tuple[str, str], set[str]] = field(default_factory=dict)  # by set and giver
    events: list[Event] = field(default_factory=list)
    was_large: bool = False

    def values(self, name: str) -> set[str]:
        """What all givers together gave."""
        return set().union(*(held for (of, _), held in self.given.items() if of == name))

    def visible(self) -> tuple[dict[str, list[str]], dict[str, Any]]:
        """Identifiers and attributes as a ProfileRecord has them."""
        sets = {name: sorted(held) for name in SETS if (held := self.values(name))}
        owned = {kind: sorted(held) for kind, held in self.identifiers.items()}
        return owned, {**self.attributes, **sets}

    def any_identifier(self) -> tuple[str, str]:
        """A pair (kind, value) that finds it."""
        return next((kind, min(held)) for kind, held in self.identifiers.items())

    @property
    def is_large(self) -> bool:
        """Whether the condition of KEPT holds."""
        return _large(self, variant=False)

    def segments(self, *, variant: bool = False) -> set[str]:
        """The segments that it is in."""
        return {
            name
            for name, test in (_VARIANT_TESTS if variant else _TESTS).items()
            if test(self, variant)
        }


def _large(person: Person, variant: bool) -> bool:
    return person.attributes.get("size", -1) >= (20 if variant else 50)


def _fan(person: Person, variant: bool) -> bool:
    if variant:
        return "y" in person.values("likes")
    return "x" in person.values("likes") and "asleep" not in person.values("tag")


def _northern(person: Person, variant: bool) -> bool:
    return person.attributes.get("city") in ("京", "津") and _large(person, variant)


def _rich(person: Person, _: bool) -> bool:
    here = person.attributes
    return here.get("spent", Decimal(0)) > Decimal("10.5") or here.get("rate", 1.0) < 0.25


def _old(person: Person, _: bool) -> bool:
    born, joined = person.attributes.get("born"), person.attributes.get("joined")
    return born is not None and joined is not None and born.year < 1980 and joined.year >= 2020


_TESTS: dict[str, Callable[[Person, bool], bool]] = {
    "large": _large,
    "rich": _rich,
    "fan": _fan,
    "northern": _northern,
    "blank": lambda person, _: not {"city", "remark"} & set(person.attributes),
    "chosen": lambda person, variant: (
        _fan(person, variant)
        or _northern(person, variant)
        or bool(person.attributes.get("vip", False))
    ),
    "old": _old,
}
_VARIANT_TESTS: dict[str, Callable[[Person, bool], bool]] = {
    **_TESTS,
    "spoken": lambda person, _: "a" in person.attributes.get("remark", ""),
}


# Expressions on events, and who they are true for.
EVENT_RULES: dict[str, Callable[[Person], bool]] = {
    "count(order) >= 2": lambda person: len(_of(person, "order")) >= 2,
    "count(order where channel = 'web' and not urgent) = 1": lambda person: (
        sum(
            one.properties.get("channel") == "web" and not one.properties.get("urgent", False)
            for one in _of(person, "order")
        )
        == 1
    ),
    "sum(order.amount) > 10.5": lambda person: (
        sum(one.properties.get("amount", 0) for one in _of(person, "order")) > Decimal("10.5")
    ),
    "last(ping) < first(order)": lambda person: (
        max((one.time for one in _of(person, "ping")), default=math.inf)
        < min((one.time for one in _of(person, "order")), default=-math.inf)
    ),
}


def _of(person: Person, type_: str) -> list[Event]:
    return [event for event in person.events if event.type == type_]


@dataclass
class World:
    """All people, and who owns which identifier."""

    people: list[Person] = field(default_factory=list)
    owners: dict[tuple[str, str], Person] = field(default_factory=dict)
    is_variant: bool = False

    def apply(self, update: Update, giver: str, source: str = "") -> str | None:
        """Carries out one update, or returns how the reason of its refusal ends. `source` is whose
        the ids of events are; without one they are the giver's."""
        if (fault := _fault(update)) is not None:
            return fault
        usable = {
            kind: update[kind]
            for kind in LIMITS
            if update.get(kind) and update[kind] not in BLOCKED.get(kind, ())
        }
        if not usable:
            return "no identifier"
        found: list[Person] = []
        for owner in (self.owners.get(pair) for pair in usable.items()):
            if owner is not None and all(owner is not other for other in found):
                found.append(owner)
        if len(found) > 1:
            return "merging profiles is not built yet"
        person = found[0] if found else Person()
        for kind, value in usable.items():
            limit = LIMITS[kind]
            owned = person.identifiers.get(kind, set())
            if (kind, value) not in self.owners and limit is not None and len(owned) >= limit:
                return f"may have {limit}"
        if not found:
            self.people.append(person)
        for pair in usable.items():
            self.owners[pair] = person
            person.identifiers.setdefault(pair[0], set()).add(pair[1])
        _write(person, update, giver)
        person.was_large |= _large(person, variant=False)
        for name in EVENTS:
            if update.get(name) is not None:
                _happen(person, name, update[name], source or giver)
        return None

    def segments_of(self, person: Person) -> set[str]:
        """The segments that somebody is in by the model in force."""
        return person.segments(variant=self.is_variant)

    def segment_texts(self) -> dict[str, str]:
        """Name -> expression by the model in force."""
        return {**SEGMENTS, **_VARIANT} if self.is_variant else SEGMENTS


def _fault(update: Update) -> str | None:
    rate, time = update.get("rate"), update.get("time")
    if isinstance(rate, float) and not math.isfinite(rate):
        return "rate is not a finite number"
    if time is not None and not TIME_US[0] <= time <= TIME_US[1]:
        return "the event time is outside the years 1 to 9999"
    for name in EVENTS:
        brought = update.get(name)
        if brought is None:
            continue
        if brought.get("gone"):
            if not brought.get("id"):
                return "is taken away by its id, and has none"
        elif "time" not in brought:
            return "has no time"
    return None


def _happen(person: Person, name: str, brought: Mapping[str, Any], source: str) -> None:
    key = (source, brought["id"]) if brought.get("id") else None
    if key is not None:
        person.events = [one for one in person.events if (one.type, one.key) != (name, key)]
    if not brought.get("gone"):
        said = {what: brought[what] for what in brought if what not in ("time", "id", "gone")}
        person.events.append(Event(name, brought["time"], said, key))


def _write(person: Person, update: Update, giver: str) -> None:
    time = update.get("time")
    for name in SINGLE:
        cell = update.get(name)
        stands = person.times.get(name)
        if cell is None or (time is not None and stands is not None and stands > time):
            continue
        if cell is ERASE:
            person.attributes.pop(name, None)
        else:
            person.attributes[name] = cell
        if time is None:
            person.times.pop(name, None)
        else:
            person.times[name] = time
    for name in SETS:
        held = person.given.setdefault((name, update.get("by") or giver), set())
        if update.get(name) is ERASE:
            held.clear()
        elif update.get(name):
            held.clear()
            held.update(update[name])
        held.difference_update(update.get(f"-{name}") or ())
        held.update(update.get(f"+{name}") or ())
