"""Databases with tags that properties name, beside a slow model of them.

The slow model knows each person by a dictionary, asks the reference evaluator about one event at a
time, and does at every microsecond at which something may change what the contract says: one
instant after the other, one person after the other, one rule after the other.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from engine.live.feed import replay_feed
from engine.model.positions import key_text
from engine.rules.parse import parse, parse_step
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_events import EventTypes, ReferenceEvent
from engine.rules.reference_tiers import ReferenceTagRule
from tests.moving_events import EventDatabase
from tests.moving_worlds import DAY_US, START_US

__all__ = ["KEEN", "SEGMENTS", "NamedRule", "NamedWorld", "named_updates"]

ZONE = ZoneInfo("Europe/Berlin")
PAGES = "pqr"
# Reads the tags of other rules, and is kept.
KEEN = "tag contains 'late' and not tag = 'now q' or tag = 'GIVEN' and count(order) = 0"
SEGMENTS = {
    "late": "tag contains 'late'",
    "begins": "tag starts with 'r' and not tag ends with 'p'",
    "none": "tag is missing",
    "both": "tag has all ('read p', 'now q')",
    "keen": "tag = 'KEEN' and tag in ('read p', 'read r', 'late q')",
    "through": "segment('late') or not segment('keen')",
}
_TYPES = {"size": "int", "stage": "category", "seen": "time", "weight": "float", "tag": "set"}
_EVENTS = EventTypes({"read": {"page": "category"}, "order": {"amount": "decimal"}})
# How long after an event something may happen.
_OFFSETS_US = [hours * 3_600_000_000 for hours in (0, 12, 24, 48, 72)]


@dataclass(frozen=True)
class NamedRule:
    """A rule: its tag, the step of its `each`, and whether it is kept."""

    tag: str
    step: str
    sticky: bool

    @property
    def line(self) -> str:
        """As it stands in a model."""
        keep = ", keep: sticky" if self.sticky else ""
        return f"- {{tag: '{self.tag}', each: \"{self.step}\"{keep}}}\n"

    def name(self, page: str) -> str:
        """One of its tags."""
        return self.tag.replace("{page}", page)


@dataclass(eq=False)
class _Person:
    """What is written on somebody; of rules kept (instant, on) by tag; what KEEN said last."""

    own_tags: set[str] = field(default_factory=set)
    events: dict[tuple[str, object], ReferenceEvent] = field(default_factory=dict)
    facts: dict[str, dict[str, list[tuple[int, bool]]]] = field(default_factory=dict)
    keen: bool = False

    def on(self, at_us: int) -> set[str]:
        """The tags kept that hold at an instant."""
        found = set()
        for of_rule in self.facts.values():
            for tag, turns in of_rule.items():
                known = [on for instant, on in turns if instant <= at_us]
                if known and known[-1]:
                    found.add(tag)
        return found

    def turn(self, rule: str, tag: str, at_us: int, on: bool) -> None:
        """A tag is set or ends, where it differs from what it was."""
        turns = self.facts.setdefault(rule, {}).setdefault(tag, [])
        if bool(turns and turns[-1][1]) != on:
            turns.append((at_us, on))


class _Slow:
    def __init__(self) -> None:
        self.people: dict[str, _Person] = {}
        self.now_us = START_US
        self.rules: Sequence[NamedRule] = ()
        self._anonymous = 0

    # ------------------------------------------------------------------------- what happens

    def edit(self, rules: Sequence[NamedRule], now_us: int) -> None:
        self.go(now_us)
        # What an edit may set is what is so now, and was not so before: KEEN says the same.
        self.rules = rules
        kept = {rule.tag for rule in rules if rule.sticky} | {"KEEN"}
        for person in self.people.values():
            for tag in set(person.facts) - kept:
                del person.facts[tag]
            for rule in rules:
                for page in PAGES if rule.sticky else "":
                    events = [one for one in person.events.values() if _page(one) == page]
                    known = rule.name(page) in person.facts.get(rule.tag, {})
                    if not known and any(_counts(rule, one, now_us) for one in events):
                        person.turn(rule.tag, rule.name(page), now_us, True)
            self._judge(person, now_us)

    def update(self, updates: Iterable[Mapping[str, Any]], now_us: int) -> None:
        self.go(now_us)
        before: dict[str, dict[tuple[str, object], ReferenceEvent]] = {}
        removed: dict[str, set[str]] = {}
        for update in updates:
            member = update["member"]
            person = self.people.setdefault(member, _Person())
            before.setdefault(member, dict(person.events))
            for name, value in update.items():
                match name:
                    case "tag":
                        person.own_tags = set(value)
                    case "+tag":
                        person.own_tags |= set(value)
                    case "-tag":
                        person.own_tags -= set(value)
                        removed.setdefault(member, set()).update(value)
                    case "read" | "order":
                        self._event(person, name, value)
        for member, earlier in before.items():
            person = self.people[member]
            for tag in removed.get(member, ()):
                for rule in list(person.facts):
                    if tag in person.facts[rule]:
                        person.turn(rule, tag, now_us, False)
            for rule in self.rules:
                for key, event in person.events.items() if rule.sticky else ():
                    old = earlier.get(key)
                    if old == event or not _counts(rule, event, now_us):
                        continue
                    if old is None or _page(old) != _page(event) or not _counts(rule, old, now_us):
                        person.turn(rule.tag, rule.name(_page(event)), now_us, True)
            self._judge(person, now_us)

    def _event(self, person: _Person, type_: str, value: Mapping[str, Any]) -> None:
        self._anonymous += 1
        key = (type_, value.get("id", self._anonymous))
        if value.get("gone"):
            person.events.pop(key, None)
            return
        properties = {"page": value["page"]} if "page" in value else {}
        person.events[key] = ReferenceEvent(type_, value["time"], properties)

    def go(self, to_us: int) -> None:
        for person in self.people.values():
            times = {one.time_us for one in person.events.values()}
            instants = {at_us + offset_us for at_us in times for offset_us in _OFFSETS_US}
            instants |= set(_midnights(self.now_us, to_us))
            for instant in sorted(instants):
                if not self.now_us < instant <= to_us:
                    continue
                for rule in self.rules:
                    for event in person.events.values() if rule.sticky else ():
                        comes = _counts(rule, event, instant)
                        if comes and not _counts(rule, event, instant - 1):
                            person.turn(rule.tag, rule.name(_page(event)), instant, True)
                self._judge(person, instant)
        self.now_us = max(to_us, self.now_us)

    def _judge(self, person: _Person, at_us: int) -> None:
        holds = self.holds(KEEN, person, at_us)
        if holds and not person.keen:
            person.turn("KEEN", "KEEN", at_us, True)
        person.keen = holds

    # ------------------------------------------------------------------------- what is so

    def holds(self, text: str, person: _Person, at_us: int) -> bool:
        rules = []
        for rule in self.rules:
            step, window = parse_step(rule.step)
            rules.append(ReferenceTagRule(rule.tag, rule.sticky, each=step, window=window))
        rules.append(ReferenceTagRule("KEEN", True, when=parse("true")))
        context = ReferenceContext(
            _TYPES,
            ZONE,
            at_us,
            events=_EVENTS,
            segments={name: parse(one) for name, one in SEGMENTS.items()},
            tag_rules=rules,
        )
        return evaluate(
            parse(text),
            {"tag": person.own_tags},
            context,
            events=person.events.values(),
            sticky_tags=person.on(at_us),
        )

    def has(self, rule: NamedRule, tag: str, person: _Person) -> bool:
        """Whether a rule tells that somebody has a tag."""
        if tag in person.own_tags:
            return True
        if rule.sticky:
            turns = person.facts.get(rule.tag, {}).get(tag, [])
            return bool(turns and turns[-1][1])
        pages = [page for page in PAGES if rule.name(page) == tag]
        return any(
            _page(one) in pages and _counts(rule, one, self.now_us)
            for one in person.events.values()
        )


def _page(event: ReferenceEvent) -> str:
    return str(event.properties.get("page", ""))


def _counts(rule: NamedRule, event: ReferenceEvent, at_us: int) -> bool:
    if not _page(event):
        return False
    context = ReferenceContext(_TYPES, ZONE, at_us, events=_EVENTS)
    return evaluate(parse(f"count({rule.step}) >= 1"), {}, context, events=[event])


def _midnights(after_us: int, through_us: int) -> Iterable[int]:
    """When days begin, and the microsecond after it."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    day = (epoch + timedelta(microseconds=after_us)).astimezone(ZONE).date()
    while True:
        begins = datetime(day.year, day.month, day.day, tzinfo=ZONE)
        at_us = (begins - epoch) // timedelta(microseconds=1)
        if at_us > through_us:
            return
        yield from (at_us, at_us + 1)
        day += timedelta(days=1)


class NamedWorld(EventDatabase):
    """A database with a slow model of its tags; `agree` holds both against each other."""

    def __init__(self, path: Path, rules: Sequence[NamedRule] = (), *, now_us: int = START_US):
        self.slow = _Slow()
        super().__init__(path, SEGMENTS, now_us=now_us, rules=_written(rules))
        self.slow.edit(rules, now_us)

    def edit(self, rules: Sequence[NamedRule]) -> None:
        """Puts other rules in force."""
        self.apply(SEGMENTS, rules=_written(rules))
        self.slow.edit(rules, self.now_us)

    def send(self, *updates: dict[str, Any]) -> None:
        super().send(*updates)
        self.slow.update(updates, self.now_us)

    def agree(self, *, whole_feed: bool = True) -> None:
        super().agree(whole_feed=whole_feed)
        self.slow.go(self.now_us)
        with self.database.members("true") as members:
            names = [value for chunk in members.identifiers("member") for value in chunk]
        people = [self.slow.people[name] for name in names]
        past = [self.now_us - shift for shift in (0, 1, DAY_US)]
        tags = [rule.name(page) for rule in self.slow.rules for page in PAGES]
        for text in (*SEGMENTS.values(), "tag = 'KEEN'", *(f"tag = '{tag}'" for tag in tags)):
            # Tags that somebody gave are those of today, whenever is asked.
            for at_us in past if "segment" not in text else past[:1]:
                with self.database.members(text, as_of_us=at_us) as members:
                    rows = members.rows.tolist()
                slow = [
                    n for n, person in enumerate(people) if self.slow.holds(text, person, at_us)
                ]
                assert rows == slow, (text, at_us, self.slow.rules)
        if whole_feed:
            told = replay_feed(self.database.feed)
            for rule in self.slow.rules:
                for page in PAGES:
                    tag = rule.name(page)
                    key = f"{key_text(('tags', rule.tag))} = {tag}"
                    slow = [n for n, one in enumerate(people) if self.slow.has(rule, tag, one)]
                    assert told.get(key, np.zeros(0)).tolist() == slow, key


def _written(rules: Sequence[NamedRule]) -> str:
    lines = "".join(rule.line for rule in rules)
    return f'tag_rules:\n{lines}- {{tag: KEEN, when: "{KEEN}", keep: sticky}}\n'


def named_updates(chance: random.Random, now_us: int, size: int) -> list[dict[str, Any]]:
    """Events of few people, now, late, ahead, brought again, corrected and taken away; and tags
    given to them, replaced and taken away."""
    found = []
    for _ in range(size):
        number = chance.randrange(3)
        update: dict[str, Any] = {"member": f"m{number}"}
        type_ = chance.choice(("read", "read", "read", "order"))
        shift = chance.choice((-9, -3, -2, -1, 0, 0, 0, 1)) * DAY_US
        shift += chance.choice((0, 0, 1, -1, -chance.randrange(DAY_US)))
        event: dict[str, Any] = {"time": min(now_us + shift, now_us + DAY_US)}
        if type_ == "read" and chance.random() < 0.9:
            event["page"] = chance.choice(PAGES)
        if chance.random() < 0.6:
            event["id"] = f"{chance.randrange(2)}"
            if "page" in event and chance.random() < 0.7:
                # Mostly a correction names the tag that the event named before.
                event["page"] = PAGES[number]
            if chance.random() < 0.15:
                event["gone"] = True
        if chance.random() < 0.9:
            update[type_] = event
        if chance.random() < 0.5:
            tags = [f"{word} {page}" for word in ("read", "late", "now") for page in PAGES]
            some = chance.sample([*tags, "KEEN", "GIVEN"], 5)
            update[chance.choice(("-tag", "-tag", "+tag", "tag"))] = some
        found.append(update)
    return found
