"""Databases with sticky tags and tiers beside a slow model of them.

The slow model knows each person by a dictionary and asks the reference evaluator. It judges every
sticky rule of a person after each update, and at every microsecond at which one of the rules may
come to hold for that person, one after the other in the order of the file.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import yaml

from engine.live.feed import replay_feed
from engine.rules.parse import parse
from engine.rules.reference import ReferenceContext, evaluate
from engine.rules.reference_tiers import ReferenceTagRule, ReferenceTier
from tests.crash.live_check import stored_rows
from tests.loads import ERASE
from tests.moving_worlds import DAY_US, START_US, MovingDatabase, random_updates
from tests.told import runs_told

__all__ = ["FACT_RULES", "FACT_SEGMENTS", "OTHER_RULES", "FactDatabase", "fact_updates"]

# Each rule stands after those whose tags it reads.
FACT_RULES = """\
tag_rules:
- {tag: GONE, when: "joined <= now - 1 day", keep: sticky}
- {tag: EXACT, when: "seen = now - 1 day or stage = 'z'", keep: sticky}
- {tag: BIG, when: "size >= 50 and not tag = 'GONE'", keep: sticky}
- {tag: BACK, when: "tag = 'BIG' and joined > now - 1 day", keep: sticky}
- {tag: BOTH, when: "tag has all ('BIG', 'EXACT')"}
- {tag: ODD, when: "tag in ('EXACT', 'BACK') and not seen > now", keep: sticky}
- {tag: LAST, when: "tag = 'BOTH' and tag = 'ODD' or tag = 'given'", keep: sticky}
tiers:
  life:
    stages:
    - {name: late, when: "tag = 'BACK' and seen < now - 2 days"}
    - {name: early, when: "joined > now - 1 day"}
    - {name: odd, when: "tag = 'ODD' and not tag = 'GONE'"}
  all: {stages: [{name: large, when: "size >= 50"}], default: small}
scores:
  heat:
    rules:
    - {when: "size >= 20", points: 30}
    - {when: "size >= 50", points: 30.5}
    - {when: "stage = 'x'", points: 25}
    - {when: "stage = 'z'", points: -20}
    - {when: "joined > now - 1 day", points: 15}
    - {when: "tag = 'BIG'", points: 10}
    bands: {low: -10, mid: 40, high: 60, top: 85}
    hold: {mid: 25, top: 60.5}
    feed: changes
"""

# An edit: a rule more, one less, one that asks something else.
OTHER_RULES = (
    FACT_RULES.replace("size >= 50 and", "size >= 20 and")
    .replace("seen = now - 1 day or", "joined = seen or")
    .replace("tag: LAST, when: \"tag = 'BOTH'", "tag: MORE, when: \"tag = 'BOTH'")
    .replace("tag = 'ODD' and not", "not")
    .replace("hold: {mid: 25, top: 60.5}", "hold: {mid: 30.5, high: 55}")
)

FACT_SEGMENTS = {
    "big": "tag = 'BIG'",
    "any": "tag contains 'O' and not tag = 'GONE'",
    "late": "tier('life') = 'late' or tier('life') is missing",
    "fresh": "joined > now - 3 days and not tag = 'EXACT'",
    "tagged": "tag is present",
}

# How far after a time of a person something may happen.
_OFFSETS_US = [days * DAY_US + shift for days in range(4) for shift in (-1, 0, 1)]
_TIMES = ("joined", "seen")


@dataclass(eq=False)
class _Person:
    """What is written on somebody, and what the rules remember: facts as (instant, holds)."""

    cells: dict[str, Any] = field(default_factory=dict)
    own_tags: set[str] = field(default_factory=set)
    held: dict[str, bool] = field(default_factory=dict)
    facts: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)
    points: dict[str, Any] = field(default_factory=dict)

    def sticky(self, at_us: int) -> set[str]:
        """The facts that hold at an instant."""
        found = set()
        for tag, events in self.facts.items():
            known = [on for instant, on in events if instant <= at_us]
            if known and known[-1]:
                found.add(tag)
        return found

    def profile(self) -> dict[str, Any]:
        return {**self.cells, "tag": self.own_tags}


class _Slow:
    """Section 6 of the contract, person by person."""

    def __init__(self, zone: str) -> None:
        self.people: dict[str, _Person] = {}
        self.now_us = START_US
        self._zone = zone
        self.rules: list[ReferenceTagRule] = []
        self.tiers: dict[str, ReferenceTier] = {}
        self.scores: dict[str, Any] = {}
        # (score, member, instant, thousandths before and after) of each change.
        self.told: list[tuple[str, str, int, int | None, int]] = []

    def edit(self, rules: str, segments: dict[str, str]) -> None:
        written = yaml.safe_load(rules)
        self.segments = segments
        self.rules = [
            ReferenceTagRule(rule["tag"], rule.get("keep") == "sticky", parse(rule["when"]))
            for rule in written["tag_rules"]
        ]
        self.tiers = {
            name: ReferenceTier(
                stages=[(one["name"], parse(one["when"])) for one in tier["stages"]],
                default=tier.get("default"),
            )
            for name, tier in written["tiers"].items()
        }
        self.scores = written["scores"]
        there = {rule.tag for rule in self.rules if rule.sticky}
        there |= {f"{name} {b}" for name, score in self.scores.items() for b in score["hold"]}
        for person in self.people.values():
            for of_rules in (person.held, person.facts):
                for tag in set(of_rules) - there:
                    del of_rules[tag]
            self._judge(person, self.now_us)

    def update(self, updates: Iterable[dict[str, Any]], now_us: int) -> None:
        self.go(now_us)
        touched = {}
        for update in updates:
            person = self.people.setdefault(update["member"], _Person())
            touched[update["member"]] = person
            for name, value in update.items():
                match name:
                    case "member":
                        pass
                    case "tag":
                        person.own_tags = set(value)
                    case "+tag":
                        person.own_tags |= set(value)
                    case "-tag":
                        person.own_tags -= set(value)
                        for tag in value:
                            if tag in person.sticky(now_us):
                                person.facts[tag].append((now_us, False))
                    case _ if value is ERASE:
                        person.cells.pop(name, None)
                    case _:
                        person.cells[name] = _value(name, value)
        for person in touched.values():
            self._judge(person, now_us)

    def go(self, to_us: int) -> None:
        for person in self.people.values():
            times = [_us(person.cells[name]) for name in _TIMES if name in person.cells]
            instants = {time_us + offset_us for time_us in times for offset_us in _OFFSETS_US}
            for instant in sorted(instants):
                if self.now_us < instant <= to_us:
                    self._judge(person, instant)
        self.now_us = max(to_us, self.now_us)

    def _judge(self, person: _Person, at_us: int) -> None:
        for rule in self.rules:
            if not rule.sticky:
                continue
            assert rule.when is not None
            holds = self.holds(rule.when, person, at_us)
            if holds and not person.held.get(rule.tag) and rule.tag not in person.sticky(at_us):
                person.facts.setdefault(rule.tag, []).append((at_us, True))
            person.held[rule.tag] = holds
        for name, score in self.scores.items():
            points = self.points(name, person, at_us)
            for band, hold in score["hold"].items():
                key = f"{name} {band}"
                is_on = key in person.sticky(at_us)
                if (is_on and points < hold) or (not is_on and points >= score["bands"][band]):
                    person.facts.setdefault(key, []).append((at_us, not is_on))
        for name in self.scores:
            now, before = round(1000 * self.points(name, person, at_us)), person.points.get(name)
            if now != before:
                member = next(one for one, known in self.people.items() if known is person)
                self.told.append((name, member, at_us, before, now))
            person.points[name] = now

    def points(self, name: str, person: _Person, at_us: int) -> Any:
        """Whole tenths, which doubles of this size add up exactly enough to compare."""
        rules = self.scores[name]["rules"]
        given = (rule["points"] for rule in rules if self.holds(parse(rule["when"]), person, at_us))
        return round(sum(given), 1)

    def band(self, name: str, person: _Person, at_us: int) -> str | None:
        """The highest whose latch is on."""
        score, found = self.scores[name], None
        for band, bound in sorted(score["bands"].items(), key=lambda item: float(item[1])):
            is_on = self.points(name, person, at_us) >= bound
            if band in score["hold"]:
                is_on = f"{name} {band}" in person.sticky(at_us)
            if is_on:
                found = band
        return found

    def holds(self, expr: Any, person: _Person, at_us: int) -> bool:
        types = {"joined": "time", "seen": "time", "renewal": "date", "born": "date",
                 "size": "int", "stage": "category", "tag": "set"}  # fmt: skip
        context = ReferenceContext(
            types,
            ZoneInfo(self._zone),
            at_us,
            segments={name: parse(text) for name, text in self.segments.items()},
            tag_rules=self.rules,
            tiers=self.tiers,
        )
        # Bands that are held are no tags.
        sticky = person.sticky(at_us) & {rule.tag for rule in self.rules}
        return evaluate(expr, person.profile(), context, sticky_tags=sticky)


class FactDatabase(MovingDatabase):
    """A database with a slow model of its facts; `agree` holds both against each other."""

    def __init__(self, path: Path, *, zone: str = "Europe/Berlin", now_us: int = START_US) -> None:
        self.slow = _Slow(zone)
        self._rules = FACT_RULES
        super().__init__(path, FACT_SEGMENTS, zone=zone, now_us=now_us, rules=FACT_RULES)
        self.slow.edit(FACT_RULES, FACT_SEGMENTS)
        self._zone = zone

    def edit(self, rules: str) -> None:
        """Puts other rules in force."""
        self.apply(FACT_SEGMENTS, zone=self._zone, rules=rules)
        self._rules = rules
        self.slow.go(self.now_us)
        self.slow.edit(rules, FACT_SEGMENTS)

    def send(self, *updates: dict[str, Any]) -> None:
        """Ingests updates as one batch; the slow model takes them, too."""
        super().send(*updates)
        self.slow.update(updates, self.now_us)

    def agree(self, *, whole_feed: bool = True) -> None:
        """Stored members, conditions and the feed are those of the slow model, now and before."""
        super().agree(whole_feed=whole_feed)
        self.slow.go(self.now_us)
        with self.database.members("true") as members:
            names = [value for chunk in members.identifiers("member") for value in chunk]
        assert sorted(names) == sorted(self.slow.people)
        told = replay_feed(self.database.feed) if whole_feed else None
        for rule in self.slow.rules:
            rows = self._same(f"tag = '{rule.tag}'", names, self.now_us)
            self._stored(f":tags.{rule.tag}", rows, told, f"tags.{rule.tag}")
        for tier in self.slow.tiers:
            for value in self._values(tier):
                rows = self._same(f"tier('{tier}') = '{value}'", names, self.now_us)
                self._stored(f":tiers.{tier}.{value}", rows, told, f"tiers.{tier} = {value}")
        for name, score in self.slow.scores.items():
            if told is not None:
                found = self._points(name, names)
                assert Counter(found) == Counter(
                    one[1:] for one in self.slow.told if one[0] == name
                )
            for band in score["bands"]:
                with self.database.members(f"band('{name}') = '{band}'") as members:
                    rows = members.rows.tolist()
                people = [self.slow.people[member] for member in names]
                slow = [self.slow.band(name, person, self.now_us) == band for person in people]
                assert rows == np.flatnonzero(slow).tolist(), band
                self._stored(f":scores.{name}.bands.{band}", rows, told, f"scores.{name} = {band}")
        for text in (*FACT_SEGMENTS.values(), "tag = 'ODD'"):
            self._same(text, names, self.now_us)
            self._same(text, names, self.now_us - random.Random(text).randrange(5 * DAY_US))

    def _points(
        self, score: str, names: Sequence[str]
    ) -> list[tuple[str, int, int | None, int | None]]:
        """Each change of a score that the feed tells."""
        found: list[tuple[str, int, int | None, int | None]] = []
        for run in runs_told(self.database):
            if run.definition == f"scores.{score}.points":
                assert run.points is not None
                found += [(names[row], run.instant_us, *run.points) for row in run.rows.tolist()]
        return found

    def _values(self, tier: str) -> Sequence[str]:
        found = self.slow.tiers[tier]
        return [name for name, _ in found.stages] + ([found.default] if found.default else [])

    def _same(self, text: str, names: Sequence[str], at_us: int) -> list[int]:
        """Who satisfies an expression at an instant, by the database and by the slow model."""
        with self.database.members(text, as_of_us=at_us) as members:
            rows: list[int] = members.rows.tolist()
        slow = [
            row
            for row, name in enumerate(names)
            if self.slow.holds(parse(text), self.slow.people[name], at_us)
        ]
        assert rows == slow, f"{text} at {at_us}"
        return rows

    def _stored(self, name: str, rows: list[int], told: Any, key: str) -> None:
        with self.database._store.snapshot() as snapshot:
            assert stored_rows(snapshot, name) == rows, name
            assert snapshot.segment_counts[name] == len(rows), name
        if told is not None:
            assert told.get(key, np.zeros(0)).tolist() == rows, key


def fact_updates(
    chance: random.Random, now_us: int, people: int, size: int
) -> list[dict[str, Any]]:
    """Updates of random people, some of which give, replace or take away tags."""
    updates = random_updates(chance, now_us, people, size)
    for update in updates:
        if chance.random() < 0.4:
            some = chance.sample(("GONE", "EXACT", "BIG", "BACK", "ODD", "LAST", "given"), 2)
            update[chance.choice(("-tag", "-tag", "+tag", "tag"))] = some
    return updates


def _value(name: str, value: Any) -> Any:
    match name:
        case "joined" | "seen":
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
        case "renewal" | "born":
            return date(1970, 1, 1) + timedelta(days=value)
        case _:
            return value


def _us(value: datetime) -> int:
    return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
