"""What would make an expression true of a profile that it is false of, or the other way round.

1. A condition says what it would take: another value, an event more, so much time. Each of these is
   tried out on a copy of the profile, and what does not do is dropped: so every way that is told
   really leads there.
2. Parts that must all be as wanted are brought there one after the other, each from where those
   before it led; of parts of which one is enough the ways of each stand side by side.
3. Events are never taken away, since they happened; what would need that, time alone can do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil

from engine.explaining.added_events import MOST_EVENTS, EventMaker
from engine.explaining.changes import Added, Change, Listed, Put, Wait, Way, applied, shifted
from engine.explaining.courses import course_of, instants_of
from engine.explaining.new_values import example, of_number, of_test
from engine.explaining.reaching import doubles_to_reach, numbers_to_reach
from engine.explaining.reading import Reading
from engine.model.definitions import Attribute, Model
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate, BoundSequence
from engine.rules.bound_scores import BoundScore, BoundScoreRule, BoundWhenRule
from engine.rules.calendar import local_day

__all__ = ["Ways"]

# Ways that are told of one node.
MOST_WAYS = 3
# Parts of one `or` that are asked for a way.
_MOST_PARTS = 32
# Instants that are looked at for how long a way does.
_MOST_INSTANTS = 32
# Levels of logic below a node that are looked into.
_MOST_LEVELS = 64


class Ways:
    """Finds ways for one model; `asked` keeps nothing of a profile."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._maker = EventMaker(model, self._of_where)

    def find(self, item: bound.BoundExpr, wanted: bool, reading: Reading) -> list[Way]:
        """Ways to make a node as wanted, the nearest first; none where none is known. What time
        alone does comes last."""
        found = self._find(item, wanted, reading, 0)
        at = course_of(item, reading).next_turn
        # What takes as long as waiting is not worth the trouble.
        by_changes = [
            self._with_end(item, wanted, reading, way)
            for way in found
            if not _is_wait(way) and (at is None or way.after.now_us < at)
        ]
        if at is None:
            return by_changes
        wait = Wait(at)
        return [*by_changes[: MOST_WAYS - 1], Way((wait,), applied((wait,), reading))]

    def _of_where(self, item: bound.BoundExpr, reading: Reading) -> Iterable[tuple[Change, ...]]:
        return [way.changes for way in self._find(item, True, reading, 0)]

    # ------------------------------------------------------------------------- logic

    def _find(self, item: bound.BoundExpr, wanted: bool, reading: Reading, level: int) -> list[Way]:
        if reading.holds(item) == wanted:
            return [Way((), reading)]
        if level == _MOST_LEVELS:
            return []
        match item:
            case bound.BoundNot(item=inner):
                return self._find(inner, not wanted, reading, level + 1)
            case bound.BoundSegment(body=body):
                return self._find(body, wanted, reading, level + 1)
            case bound.BoundAnd(items=items) | bound.BoundOr(items=items):
                if isinstance(item, bound.BoundAnd) == wanted:
                    return self._all(item, items, wanted, reading, level)
                return self._any(items, wanted, reading, level)
            case _:
                return self._of_leaf(item, wanted, reading)

    def _any(
        self, items: Sequence[bound.BoundExpr], wanted: bool, reading: Reading, level: int
    ) -> list[Way]:
        found = []
        for part in items[:_MOST_PARTS]:
            found += self._find(part, wanted, reading, level + 1)
        return sorted(found, key=lambda way: way.cost)[:MOST_WAYS]

    def _all(
        self,
        item: bound.BoundExpr,
        items: Sequence[bound.BoundExpr],
        wanted: bool,
        reading: Reading,
        level: int,
    ) -> list[Way]:
        missing = [part for part in items if reading.holds(part) != wanted]
        ways = self._find(missing[0], wanted, reading, level + 1)
        for part in missing[1:]:
            # Of several ways the first goes on; the others are told of the part itself.
            ways = [
                way.then(more)
                for way in ways[:1]
                for more in self._find(part, wanted, way.after, level + 1)
            ]
        return [way for way in ways if way.after.holds(item) == wanted]

    # ------------------------------------------------------------------------ leaves

    def _of_leaf(self, item: bound.BoundExpr, wanted: bool, reading: Reading) -> list[Way]:
        found: list[Way] = []
        for changes in self._candidates(item, wanted, reading):
            after = applied(changes, reading)
            if after.holds(item) == wanted:
                fewest = _fewest(changes, item, wanted, reading)
                found.append(Way(fewest, applied(fewest, reading)))
                if len(found) == MOST_WAYS:
                    return found
        if not found:
            at = course_of(item, reading).next_turn
            if at is not None:
                found.append(Way((Wait(at),), reading.at(at)))
        return found

    def _candidates(
        self, item: bound.BoundExpr, wanted: bool, reading: Reading
    ) -> Iterator[Sequence[Change]]:
        match item:
            case bound.BoundCompare() | bound.BoundIn():
                yield from self._numbers(item, wanted, reading)
            case bound.BoundFloatCompare() | bound.BoundFloatIn():
                yield from self._doubles(item, reading)
            case bound.BoundCategory(read=read, test=test, negated=negated):
                yield from self._strings(read, test, wanted != negated, wanted, reading)
            case bound.BoundText(read=read, how=how, needle=needle, negated=negated):
                test = bound.StringTest(how, frozenset({needle}))
                yield from self._strings(read, test, wanted != negated, wanted, reading)
            case bound.BoundCategoryPair(left=left, right=right, negated=negated):
                yield from self._pairs(left, right, wanted != negated, reading)
            case bound.BoundBool(read=read, wanted=truth):
                yield from self._value(read, truth == wanted, reading)
            case bound.BoundSet(attribute=attribute, test=test):
                yield from _elements(attribute, test, wanted, reading)
            case bound.BoundPresence(read=Attribute() as attribute):
                yield [_put(attribute, example(attribute) if wanted else None, reading)]
            case bound.BoundPresence(read=BoundAggregate() as aggregate) if wanted:
                yield from ([added] for added in self._maker.presence(aggregate, reading))
            case bound.BoundList(name=name):
                yield [Listed(name, wanted)]
            case BoundSequence() if wanted:
                yield from self._steps(item, reading)

    def _value(
        self, read: bound.Read, value: object, reading: Reading
    ) -> Iterator[Sequence[Change]]:
        """What is read becomes a value: the attribute gets it, or an event brings it."""
        if isinstance(read, Attribute):
            yield [_put(read, value, reading)]
        else:
            for added in self._maker.some(read, [value], reading):  # type: ignore[list-item]
                yield [added]

    def _strings(
        self,
        read: bound.Read,
        test: bound.StringTest,
        passing: bool,
        wanted: bool,
        reading: Reading,
    ) -> Iterator[Sequence[Change]]:
        if isinstance(read, Attribute) and not wanted:
            yield [_put(read, None, reading)]
            return
        text = of_test(test, passing)
        if text is not None:
            yield from self._value(read, text, reading)

    def _pairs(
        self, left: bound.Read, right: bound.Read, equal: bool, reading: Reading
    ) -> Iterator[Sequence[Change]]:
        for read, other in ((left, right), (right, left)):
            text = reading.stored(other)
            if text is not None:
                yield from self._value(read, text if equal else f"{text}-", reading)
        if reading.stored(left) is None and reading.stored(right) is None:
            for changes in self._value(left, "-", reading):
                for more in self._value(right, "-" if equal else "--", reading):
                    yield [*changes, *more]

    # ----------------------------------------------------------------------- numbers

    def _numbers(
        self, item: bound.BoundCompare | bound.BoundIn, wanted: bool, reading: Reading
    ) -> Iterator[Sequence[Change]]:
        sources = [term.source for term in item.form.terms]
        missing = [source for source in sources if reading.source(source) is None]
        if len(missing) > 1:
            # All but the last get some value, and the last the one that it then takes.
            filled: list[Change] = []
            for source in missing[:-1]:
                given = next(self._filled(source, applied(filled, reading)), None)
                if given is None:
                    return
                filled.append(given)
            after = applied(filled, reading)
            if any(after.source(source) is None for source in missing[:-1]):
                return
            for changes in self._numbers(item, wanted, after):
                yield [*filled, *changes]
            return
        for source in missing or sources:
            for number in numbers_to_reach(item, source, wanted, reading):
                yield from self._reach(source, number, reading)

    def _filled(self, source: bound.Source, reading: Reading) -> Iterator[Change]:
        match source:
            case bound.AttributeSource(attribute) | bound.DateStartSource(attribute):
                yield _put(attribute, example(attribute), reading)
            case bound.AggregateSource(aggregate):
                yield from self._maker.presence(aggregate, reading)

    def _reach(
        self, source: bound.Source, number: Fraction | float, reading: Reading
    ) -> Iterator[Sequence[Change]]:
        match source:
            case bound.AttributeSource(attribute):
                value = of_number(attribute, number)
                if value is not None:
                    yield [_put(attribute, value, reading)]
            case bound.DateStartSource(attribute):
                day = local_day(int(number), reading.profile.zone)
                for near in (day, day + 1, day - 1):
                    value = of_number(attribute, near)
                    if value is not None:
                        yield [_put(attribute, value, reading)]
            case bound.ScoreSource(score=score):
                yield from self._points(score, Fraction(number) * 1000, reading)
            case bound.AggregateSource():
                for added in self._maker.to_reach(source, number, reading):
                    yield [added]

    def _points(
        self, score: BoundScore, wanted: Fraction, reading: Reading
    ) -> Iterator[Sequence[Change]]:
        """Changes after which a score may have so many thousandths: by one rule, else by several,
        those that give most first."""
        upwards = wanted > reading.points(score)
        by_rule = []
        for rule in score.rules:
            missing = wanted - reading.points(score)
            found = next(self._of_rule(rule, missing, reading), None)
            if found is not None:
                yield found
                after = applied(found, reading).points(score)
                if (after > reading.points(score)) == upwards:
                    by_rule.append((abs(after - reading.points(score)), rule))
        changes: list[Change] = []
        for _, rule in sorted(by_rule, key=lambda one: -one[0]):
            after_all = applied(changes, reading)
            missing = wanted - after_all.points(score)
            if (missing > 0) != upwards or not missing:
                return
            changes += next(self._of_rule(rule, missing, after_all), ())
            yield changes

    def _of_rule(
        self, rule: BoundScoreRule, missing: Fraction, reading: Reading
    ) -> Iterator[Sequence[Change]]:
        """What makes a rule give so many thousandths more, or as many of them as it can."""
        if isinstance(rule, BoundWhenRule):
            wanted = (rule.points > 0) == (missing > 0)
            if reading.holds(rule.condition) != wanted:
                for way in self._find(rule.condition, wanted, reading, _MOST_LEVELS // 2):
                    yield way.changes
        elif rule.points and (rule.points > 0) == (missing > 0):
            count = ceil(missing / rule.points)
            event = self._maker.one(rule.events, reading.now_us, {}, reading)
            if rule.at_most is not None:
                count = min(count, ceil(Fraction(rule.at_most, abs(rule.points))))
            if event is not None and count <= MOST_EVENTS:
                yield [Added((event,) * count, rule.events.types)]

    def _doubles(
        self, item: bound.BoundFloatCompare | bound.BoundFloatIn, reading: Reading
    ) -> Iterator[Sequence[Change]]:
        for source in dict.fromkeys(bound.sources_of(item)):
            for double in doubles_to_reach(item, reading):
                yield from self._reach(source, double, reading)

    # --------------------------------------------------------------------- sequences

    def _steps(self, item: BoundSequence, reading: Reading) -> Iterator[Sequence[Change]]:
        """The steps that are missing, from the furthest place on that still leads there."""
        path = reading.path(item)
        for done in range(path.steps_done, -1, -1):
            place = path.reached[done - 1][-1] if done else None
            changes = self._rest(item, done, None if place is None else place.time_us, reading)
            if changes:
                yield changes

    def _rest(
        self, item: BoundSequence, done: int, last_us: int | None, reading: Reading
    ) -> list[Change]:
        changes: list[Change] = []
        now_us = reading.now_us
        # A silence that was asked for before this place is over: it was counted as a step.
        silent_us = 0
        for link in item.links[: max(done - 1, 0)]:
            silent_us = max(silent_us, link.within_us) if link.absent else 0
        if last_us is None:
            event = self._maker.one(item.first, now_us, {}, reading)
            if event is None:
                return []
            changes.append(Added((event,), item.first.types))
            last_us, done = now_us, 1
        for link in item.links[done - 1 :]:
            if link.absent:
                silent_us = max(silent_us, link.within_us)
                if last_us + silent_us > now_us:
                    now_us = last_us + silent_us
                    changes.append(Wait(now_us))
                continue
            at_us = max(now_us, last_us + silent_us + 1)
            event = self._maker.one(link.events, at_us, {}, reading)
            if event is None or at_us > last_us + link.within_us:
                return []
            changes.append(Added((event,), link.events.types))
            last_us, silent_us = at_us, 0
            now_us = at_us
        return changes

    # ------------------------------------------------------------------ until when

    def _with_end(self, item: bound.BoundExpr, wanted: bool, reading: Reading, way: Way) -> Way:
        """A way, with the instant before which the same events still do."""
        if way.after.now_us != reading.now_us or not any(
            isinstance(change, Added) for change in way.changes
        ):
            return way
        instants: set[int] = set()
        for leaf in bound.predicates_of(item):
            if isinstance(leaf, bound.BoundCompare | bound.BoundIn) and leaf.form.now_factor:
                return way
            instants.update(instants_of(leaf, reading))
            if isinstance(leaf, BoundSequence):
                instants.update(_too_late(leaf, reading))
        for at in sorted(instants)[:_MOST_INSTANTS]:
            later = shifted(way.changes, at - reading.now_us)
            if applied(later, reading).at(at).holds(item) != wanted:
                return Way(way.changes, way.after, at)
        return way


def _fewest(
    changes: Sequence[Change], item: bound.BoundExpr, wanted: bool, reading: Reading
) -> tuple[Change, ...]:
    """The same with as few events as do. What a rule of a score is short of is counted by itself,
    and its events may turn other rules, too."""
    kept = list(changes)
    if not any(isinstance(source, bound.ScoreSource) for source in bound.sources_of(item)):
        return tuple(kept)
    for place, change in enumerate(changes):
        if isinstance(change, Added) and change.read is None:
            least, most = 1, len(change.events)
            while least < most:
                middle = (least + most) // 2
                fewer = replace(change, events=change.events[:middle])
                tried = [*kept[:place], fewer, *kept[place + 1 :]]
                if applied(tried, reading).holds(item) == wanted:
                    most, kept = middle, tried
                else:
                    least = middle + 1
    return tuple(kept)


def _is_wait(way: Way) -> bool:
    return all(isinstance(change, Wait) for change in way.changes)


def _too_late(item: BoundSequence, reading: Reading) -> Iterator[int]:
    """The first instants at which a step no longer follows the events that are there."""
    for step in (item.first, *(link.events for link in item.links)):
        for time_us in reading.line(step).times:
            for link in item.links:
                if time_us + link.within_us >= reading.now_us:
                    yield time_us + link.within_us + 1


def _put(attribute: Attribute, value: object, reading: Reading) -> Put:
    before = reading.profile.attributes.get(attribute.name)
    return Put(attribute.name, value, before)  # type: ignore[arg-type]


def _elements(
    attribute: Attribute, test: bound.StringTest, wanted: bool, reading: Reading
) -> Iterator[Sequence[Change]]:
    elements = frozenset(reading.stored(attribute) or ())
    text = of_test(test, True)
    if wanted and text is not None:
        yield [_put(attribute, elements | {text}, reading)]
    elif not wanted:
        left = frozenset(one for one in elements if not test.passes(one))
        yield [_put(attribute, left or None, reading)]
