"""The slow and obvious evaluator: one expression, one profile, plain Python.

It is the oracle of the tests, so it shares nothing with the path it judges: it reads the
tree as it stands and a profile as a dict, and imports nothing else of the engine. Every
value is worked out in full at every node; a missing one is None, and a predicate that meets
None is false.

Expressions are taken to be valid: what the binder refuses has no meaning here either, and
fails with an AssertionError. What it cannot evaluate so far it refuses with ReferenceUnsupported.
Events are in reference_events.py, scores in reference_scores.py, tiers and the rules of tags in
reference_tiers.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

from engine.rules import tree
from engine.rules.reference_events import (
    EventTypes,
    ReferenceEvent,
    chosen_events,
    in_window,
    matches,
    summed_up,
)
from engine.rules.reference_scores import (
    ReferenceBand,
    ReferenceScore,
    band_of,
    band_order,
    score_of,
)
from engine.rules.reference_tiers import ReferenceTagRule, ReferenceTier, given_tags, tier_name

__all__ = [
    "ReferenceContext",
    "ReferenceUnsupported",
    "bucket",
    "evaluate",
    "evaluate_value",
    "xxh64",
]


class ReferenceUnsupported(Exception):
    """The reference has no evaluator for this construct so far."""


@dataclass(frozen=True)
class ReferenceContext:
    """What an expression reads besides the profile.

    `types` has the type of every attribute by name. `lists` holds, for each uploaded list,
    the uids of the profiles in it. `now_us` is the instant asked, in microseconds from
    1970-01-01T00:00Z. `computed` has what the attributes with `is:` are computed from. `tiers`
    have the cuts in force at that instant, and `kept_from_us` is the instant before which the
    events of a type are dropped.
    """

    types: Mapping[str, str]
    zone: ZoneInfo
    now_us: int
    lists: Mapping[str, Set[bytes]] = field(default_factory=dict)
    segments: Mapping[str, tree.Expr] = field(default_factory=dict)
    events: EventTypes = field(default_factory=EventTypes)
    computed: Mapping[str, tree.Value] = field(default_factory=dict)
    scores: Mapping[str, ReferenceScore] = field(default_factory=dict)
    tiers: Mapping[str, ReferenceTier] = field(default_factory=dict)
    tag_rules: Sequence[ReferenceTagRule] = ()
    kept_from_us: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class _Moment:
    """An instant, microseconds from 1970-01-01T00:00Z; unlike a datetime it never overflows."""

    us: Fraction


@dataclass(frozen=True, order=True)
class _Length:
    """A duration in microseconds; may be negative, and a part of one."""

    us: Fraction


def evaluate(
    expr: tree.Expr,
    profile: Mapping[str, Any],
    context: ReferenceContext,
    *,
    uid: bytes = bytes(16),
    events: Iterable[ReferenceEvent] = (),
    sticky_tags: Iterable[str] = (),
) -> bool:
    """Whether the profile satisfies the expression.

    `profile` maps attribute names to int, Decimal, float, bool, date, aware datetime, str or
    a set of str, as the type says; an absent name, None and an empty set are missing. `events`
    are those of the profile, in any order; `sticky_tags` those whose facts hold at the instant.
    """
    sticky = frozenset(sticky_tags)
    return _Evaluation(profile, context, uid, tuple(events), sticky).holds(expr)


def evaluate_value(
    value: tree.Value,
    profile: Mapping[str, Any],
    context: ReferenceContext,
    *,
    uid: bytes = bytes(16),
    events: Iterable[ReferenceEvent] = (),
) -> Any:
    """The value of a profile; None where it is missing, and where it is no number though a float.

    str, bool, float, Fraction, a frozenset of str; a date as days from 1970-01-01, a time and a
    duration as microseconds, all Fraction.
    """
    found = _Evaluation(profile, context, uid, tuple(events)).value(value)
    match found:
        case _Moment(us) | _Length(us):
            return us
        case date():
            return Fraction((found - date(1970, 1, 1)).days)
        case ReferenceBand(name):
            return name
        case float() if isnan(found):
            return None
        case _:
            return found


@dataclass(frozen=True)
class _Evaluation:
    profile: Mapping[str, Any]
    context: ReferenceContext
    uid: bytes
    events: tuple[ReferenceEvent, ...] = ()
    sticky_tags: frozenset[str] = frozenset()

    # ------------------------------------------------------------------ predicates

    def holds(self, expr: tree.Expr) -> bool:
        match expr:
            case tree.And(items):
                return all([self.holds(item) for item in items])
            case tree.Or(items):
                return any([self.holds(item) for item in items])
            case tree.Not(item):
                return not self.holds(item)
            case tree.Compare(left, op, right):
                return self.compared(self.value(left), op, self.value(right))
            case tree.Between(value, low, high, negated):
                return self.between(self.value(value), self.value(low), self.value(high), negated)
            case tree.In(value, literals, negated):
                return self.among(self.value(value), [self.value(x) for x in literals], negated)
            case tree.Presence(value, present):
                return (self.value(value) is not None) == present
            case tree.Match(value, how, text, negated):
                return self.matches(self.value(value), how, text, negated)
            case tree.HasAll(value, literals):
                elements = self.value(value)
                return elements is not None and {self.value(x) for x in literals} <= elements
            case tree.Truth(value):
                return self.value(value) is True
            case tree.Segment(name):
                return self.holds(self.context.segments[name])
            case tree.ListOf(name):
                return self.uid in self.context.lists[name]
            case tree.Sequence():
                return self.follow(expr)
            case _:
                raise ReferenceUnsupported(type(expr).__name__)

    def compared(self, left: Any, op: str, right: Any) -> bool:
        if left is None or right is None:
            return False
        if isinstance(right, frozenset):
            left, right = right, left
        if isinstance(left, frozenset):
            assert op == "=" and isinstance(right, str), "a set only contains a string"
            return right in left
        if isinstance(left, ReferenceBand) or isinstance(right, ReferenceBand):
            left, right = band_order(left, right)
        left, right = self.alike(left, right, op)
        if isinstance(left, float) and (isnan(left) or isnan(right)):
            return False
        match op:
            case "=":
                return bool(left == right)
            case "!=":
                return bool(left != right)
        assert not isinstance(left, (str, bool)), "strings and booleans have no order"
        match op:
            case "<":
                return bool(left < right)
            case "<=":
                return bool(left <= right)
            case ">":
                return bool(left > right)
            case _:
                return bool(left >= right)

    def alike(self, left: Any, right: Any, op: str) -> tuple[Any, Any]:
        """Both sides in one type: doubles if one is a float, instants if one is a time."""
        if isinstance(left, float) or isinstance(right, float):
            return float(left), float(right)
        if isinstance(left, _Moment) and isinstance(right, date):
            assert op not in ("=", "!="), "a date does not equal an instant"
            return left, self.start_of(right)
        if isinstance(left, date) and isinstance(right, _Moment):
            assert op not in ("=", "!="), "a date does not equal an instant"
            return self.start_of(left), right
        assert type(left) is type(right), f"{left!r} and {right!r} do not compare"
        return left, right

    def between(self, value: Any, low: Any, high: Any, negated: bool) -> bool:
        if value is None or low is None or high is None:
            return False
        if negated:
            return self.compared(value, "<", low) or self.compared(value, ">", high)
        return self.compared(value, ">=", low) and self.compared(value, "<=", high)

    def among(self, value: Any, literals: list[Any], negated: bool) -> bool:
        if value is None:
            return False
        if negated:
            return all([self.compared(value, "!=", literal) for literal in literals])
        return any([self.compared(value, "=", literal) for literal in literals])

    def matches(self, value: Any, how: str, text: str, negated: bool) -> bool:
        if value is None:
            return False
        if isinstance(value, frozenset):
            assert not negated, "a set has no negated operators"
            return any([self.matches(element, how, text, False) for element in value])
        if isinstance(value, ReferenceBand):
            value = value.name
        match how:
            case "contains":
                return (text in value) != negated
            case "starts with":
                return value.startswith(text) is not negated
            case _:
                return value.endswith(text) is not negated

    # ---------------------------------------------------------------------- values

    def value(self, value: tree.Value) -> Any:
        """str, bool, float, Fraction, date, _Moment, _Length, frozenset of str; None if missing."""
        match value:
            case tree.Sum(terms):
                return self.sum([self.term(term) for term in terms], [t.sign for t in terms])
            case tree.Name(name):
                return self.attribute(name)
            case tree.Text(text):
                return text
            case tree.Number(number):
                return Fraction(number)
            case tree.Bool(truth):
                return truth
            case tree.Date(days):
                return date(1970, 1, 1) + timedelta(days=days)
            case tree.Time(local_us, offset_s):
                return self.moment(local_us, offset_s)
            case tree.Duration(amount, unit):
                return _Length(Fraction(amount * _SECONDS[unit] * 1_000_000))
            case tree.Now():
                return _Moment(Fraction(self.context.now_us))
            case tree.Call("bucket", salt):
                return Fraction(bucket(self.uid, salt))
            case tree.Call("score", name) if name in self.context.scores:
                return self.score(name)
            case tree.Call("band", name) if name in self.context.scores:
                return band_of(self.context.scores[name], self.score(name))
            case tree.Call("tier", name):
                tier = self.context.tiers[name]
                return tier_name(tier, self.holds, self.measured, self.context.now_us)
            case tree.Call(function):
                raise ReferenceUnsupported(function)
            case tree.Aggregate():
                return self.aggregate(value)

    def measured(self, value: tree.Value) -> Any:
        """What a tier compares: of a day its first instant, of an instant its microseconds."""
        found = self.value(value)
        found = self.start_of(found) if isinstance(found, date) else found
        return found.us if isinstance(found, (_Moment, _Length)) else found

    def tags(self) -> frozenset[str] | None:
        """The tags of a profile, whoever gave them."""

        def happened(step: tree.Step, window: tree.Window | None) -> list[ReferenceEvent]:
            chosen = self.chosen(step.selector, step.where)
            return [event for event in chosen if self.is_inside(event.time_us, window)]

        def holds(rule: ReferenceTagRule) -> bool:
            # No rule depends on its own tag, so it need not be asked for that.
            others = [other for other in rules if other is not rule]
            context = replace(self.context, tag_rules=others)
            assert rule.when is not None
            return replace(self, context=context).holds(rule.when)

        rules = self.context.tag_rules
        given = given_tags(rules, self.sticky_tags, holds, happened)
        return frozenset(self.profile.get("tag") or ()) | given or None

    def attribute(self, name: str) -> Any:
        if name == "tag" and self.context.tag_rules:
            return self.tags()
        type_ = self.context.types[name]
        if name in self.context.computed:
            return self.of_type(type_, self.value(self.context.computed[name]))
        value = self.profile.get(name)
        if value is None:
            return None
        assert isinstance(value, _CLASSES[type_]), f"{name} is no {type_}: {value!r}"
        match type_:
            case "int" | "decimal":
                return Fraction(value)
            case "time":
                since = value - datetime(1970, 1, 1, tzinfo=UTC)
                return _Moment(Fraction(since // timedelta(microseconds=1)))
            case "set":
                return frozenset(value) or None
            case _:
                return value

    def of_type(self, type_: str, value: Any) -> Any:
        """What was computed, as the type that its attribute has."""
        match type_:
            case "float" if value is not None:
                return float(value)
            case "time" if isinstance(value, date):
                return self.start_of(value)
            case "category" | "text" if isinstance(value, ReferenceBand):
                return value.name
            case _:
                return value

    def term(self, term: tree.Term) -> Any:
        """A term without its sign, as (factor, value); None where the value is missing."""
        value = self.value(term.atom)
        factor = None if term.factor is None else Fraction(term.factor.value)
        return None if value is None else (factor, value)

    def sum(self, terms: list[Any], signs: list[int]) -> Any:
        if None in terms:
            return None
        in_doubles = any([isinstance(value, float) for _, value in terms])
        total: Any = None
        for (factor, value), sign in zip(terms, signs, strict=True):
            if in_doubles:
                value = float(value) if factor is None else float(factor) * float(value)
            elif factor is not None:
                value = _Length(factor * value.us) if isinstance(value, _Length) else factor * value
            total = value if total is None else self.combined(total, sign, value)
        return total

    def combined(self, left: Any, sign: int, right: Any) -> Any:
        """`left + right` or `left - right`."""
        if isinstance(left, (float, Fraction)):
            return left + right if sign > 0 else left - right
        if isinstance(left, date) and isinstance(right, date):
            assert sign < 0, "dates are never added"
            return _Length(Fraction((left - right).days * 86_400 * 1_000_000))
        left = self.start_of(left) if isinstance(left, date) else left
        right = self.start_of(right) if isinstance(right, date) else right
        us = left.us + sign * right.us
        if isinstance(left, _Moment) == isinstance(right, _Moment):
            assert isinstance(left, _Length) or sign < 0, "instants are never added"
            return _Length(us)
        assert isinstance(left, _Moment) or sign > 0, "an instant is never taken from a length"
        return _Moment(us)

    # ---------------------------------------------------------------------- events

    def aggregate(self, node: tree.Aggregate) -> Any:
        """The value of an aggregate over the events of the profile."""
        if node.step is not None:
            chosen = self.chosen(node.step.selector, node.step.where)
            found = [(event.time_us, None) for event in chosen]
        else:
            assert node.property is not None
            name = node.property.property
            found = []
            for event in self.chosen(node.property.events, node.where):
                types = self.context.events.properties[event.type]
                if (
                    name in types
                    and (value := self.of_event(event, types).attribute(name)) is not None
                ):
                    found.append((event.time_us, value))
        found = [each for each in found if self.is_inside(each[0], node.window)]
        value = summed_up(node.function, found, self.context.zone)
        if node.function in ("first", "last") and value is not None:
            return _Moment(Fraction(value))
        return value

    def score(self, name: str) -> Fraction:
        """The points of a score of the model."""

        def times_us(step: tree.Step, window: tree.Window | None) -> list[int]:
            chosen = self.chosen(step.selector, step.where)
            return [event.time_us for event in chosen if self.is_inside(event.time_us, window)]

        return score_of(self.context.scores[name], self.holds, times_us, self.context.now_us)

    def follow(self, node: tree.Sequence) -> bool:
        """Whether events of the profile come one after the other as a sequence says."""

        def times(step: tree.Step) -> list[int]:
            chosen = self.chosen(step.selector, step.where)
            return [event.time_us for event in chosen if event.time_us <= self.context.now_us]

        first = [time_us for time_us in times(node.first) if self.is_inside(time_us, node.window)]
        links = [
            (times(link.step), int(self.value(link.within).us), link.absent) for link in node.links
        ]
        return matches(first, links, self.context.now_us)

    def chosen(
        self, selector: tree.Selector | tree.AnyEvent, where: tree.Expr | None
    ) -> list[ReferenceEvent]:
        def holds(where: tree.Expr, event: ReferenceEvent, types: Mapping[str, str]) -> bool:
            return self.of_event(event, types).holds(where)

        borders = self.context.kept_from_us
        there = [e for e in self.events if e.type not in borders or e.time_us >= borders[e.type]]
        return chosen_events(selector, where, there, self.context.events, holds)

    def of_event(self, event: ReferenceEvent, types: Mapping[str, str]) -> _Evaluation:
        """The evaluation in which names are properties of one event."""
        context = replace(self.context, types=types, computed={}, tag_rules=())
        return _Evaluation(event.properties, context, self.uid)

    def is_inside(self, time_us: int, window: tree.Window | None) -> bool:
        return in_window(
            time_us,
            window,
            self.context.now_us,
            self.context.zone,
            lambda day: int(self.start_of(day).us),
            self.border_us,
        )

    def border_us(self, instant: tree.Instant) -> int:
        value = self.value(instant.at)
        if isinstance(value, date):
            value = self.start_of(value)
        shift = 0 if instant.shift is None else self.value(instant.shift).us
        return int(value.us + instant.sign * shift)

    # ---------------------------------------------------------------------- clocks

    def start_of(self, day: date) -> _Moment:
        return _Moment(Fraction(_first_instant_us(day, self.context.zone)))

    def moment(self, local_us: int, offset_s: int | None) -> _Moment:
        if offset_s is not None:
            return _Moment(Fraction(local_us - offset_s * 1_000_000))
        clock = datetime(1970, 1, 1) + timedelta(microseconds=local_us)
        return _Moment(Fraction(local_us - _offset_us(clock.replace(tzinfo=self.context.zone))))


_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}

_CLASSES: dict[str, Any] = {
    "int": int,
    "decimal": (int, Decimal),
    "float": float,
    "bool": bool,
    "date": date,
    "time": datetime,
    "category": str,
    "text": str,
    "set": (set, frozenset),
}


def _offset_us(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None, "a zone gives every moment an offset"
    return offset // timedelta(microseconds=1)


@cache
def _first_instant_us(day: date, zone: ZoneInfo) -> int:
    """The earliest instant at which calendars show `day`; if none does, a later day.

    Walks from 36 hours before midnight in Greenwich to 36 after it, a minute at a time, and
    goes over the minute before the first hit by the second: clocks have changed at odd ones.
    """
    midnight_us = (day - date(1970, 1, 1)).days * 86_400 * 1_000_000
    if not date(1, 1, 4) <= day <= date(9999, 12, 28):
        # Greenwich would be out of the years that datetime knows; zones are steady there.
        return midnight_us - _offset_us(datetime(day.year, day.month, day.day, tzinfo=zone))
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    minutes = [midnight + timedelta(minutes=minute) for minute in range(-36 * 60, 36 * 60)]
    first = _first_on(day, minutes, zone)
    seconds = [first + timedelta(seconds=second) for second in range(-60, 1)]
    first = _first_on(day, seconds, zone)
    return (first - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _first_on(day: date, moments: list[datetime], zone: ZoneInfo) -> datetime:
    for wanted in (day, day + timedelta(days=1)):
        for moment in moments:
            if moment.astimezone(zone).date() == wanted:
                return moment
    raise AssertionError(f"no instant on {day} or the day after")


# --------------------------------------------------------------------------------- hash

_MASK = (1 << 64) - 1
_P1, _P2, _P3, _P4, _P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def bucket(uid: bytes, salt: str) -> int:
    """`bucket('salt')` of a profile, 0..9999."""
    return xxh64(uid, xxh64(salt.encode(), 0)) % 10_000


def xxh64(data: bytes, seed: int) -> int:
    """XXH64 as its specification puts it (github.com/Cyan4973/xxHash, doc/xxhash_spec.md)."""
    lanes = [seed + _P1 + _P2, seed + _P2, seed, seed - _P1]
    whole = len(data) // 32 * 32
    for start in range(0, whole, 32):
        words = struct.unpack_from("<4Q", data, start)
        lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
    if whole:
        rotated = zip(lanes, (1, 7, 12, 18), strict=True)
        total = sum([_rotated(lane, bits) for lane, bits in rotated])
        for lane in lanes:
            total = (total ^ _round(0, lane)) * _P1 + _P4
    else:
        total = seed + _P5
    return _avalanche(_with_rest((total + len(data)) & _MASK, data[whole:]))


def _with_rest(total: int, rest: bytes) -> int:
    while len(rest) >= 8:
        total = _rotated(total ^ _round(0, int.from_bytes(rest[:8], "little")), 27) * _P1 + _P4
        rest = rest[8:]
    if len(rest) >= 4:
        total = _rotated(total ^ int.from_bytes(rest[:4], "little") * _P1, 23) * _P2 + _P3
        rest = rest[4:]
    for byte in rest:
        total = _rotated(total ^ byte * _P5, 11) * _P1
    return total & _MASK


def _avalanche(total: int) -> int:
    total = (total ^ total >> 33) * _P2 & _MASK
    total = (total ^ total >> 29) * _P3 & _MASK
    return total ^ total >> 32


def _round(lane: int, word: int) -> int:
    return _rotated(lane + word * _P2, 31) * _P1 & _MASK


def _rotated(value: int, bits: int) -> int:
    value &= _MASK
    return (value << bits | value >> (64 - bits)) & _MASK
