"""Facts that an edit of the model would set, as conditions: what a plan of the edit reads.

A definition that reads a fact is worked out before the fact is written. So where an edit brings a
condition of a fact, or another one, the fact is replaced by what it will be: it holds already or
begins, and does not end. Who enters a condition is who satisfies it, and did not before, by what is
stored.

Of tags that properties name these are the pairs of a profile and a tag of which there is an event
and no fact so far. No condition says that of a match over several tags, so the pairs are found, and
whoever has one that the match takes stands in the condition as a list does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from engine.live.definitions import Definition, levels_of
from engine.live.named_facts import FreshNames
from engine.live.standing_list import StandingList
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate, BoundEvents
from engine.rules.bound_facts import facts_read
from engine.rules.bound_scores import BoundScore, BoundWhenRule

__all__ = ["FactsAhead"]

# No uploaded list has a name that begins so.
_LIST = ":ahead:"
_EVERYBODY = bound.BoundConstant(True, None)


class FactsAhead:
    """`definitions` are those of the model to come, of which some `differ` from before; `stored`
    has the fields of the members before the edit, by name. `named` finds, by the types of facts
    that an edit of a rule may set, those that it sets.

    Afterwards `differ` has those, too, that read a fact that may be set or end, and `stored` the
    conditions of facts alone. `lists` are those that `body` puts into conditions.
    """

    def __init__(
        self,
        definitions: Mapping[str, Definition],
        differ: Iterable[str],
        stored: Mapping[str, int],
        named: Mapping[str, Callable[[], FreshNames]],
    ) -> None:
        self.differ = set(differ)
        # A segment by its stored members would not be worked out.
        self.stored = {
            name: number
            for name, number in stored.items()
            if name in definitions and (definitions[name].begins or definitions[name].ends)
        }
        self.lists: dict[str, StandingList] = {}
        self._named = named
        self._fresh: dict[str, FreshNames] = {}
        self._begins: dict[str, bound.BoundExpr] = {}
        self._ends: dict[str, bound.BoundExpr] = {}
        self._scores: dict[int, tuple[BoundScore, BoundScore]] = {}
        self._known: dict[int, tuple[bound.BoundExpr, bound.BoundExpr]] = {}
        levels = levels_of(definitions.values())
        for name in sorted(definitions, key=levels.__getitem__):
            definition = definitions[name]
            if not facts_read(definition.body).isdisjoint(self._changing):
                self.differ.add(name)
            if name in self.differ and (definition.begins or definition.ends):
                entered = self._entered(definition)
                if definition.begins is not None:
                    self._begins[definition.begins.name] = entered
                if definition.ends is not None:
                    self._ends[definition.ends.name] = entered

    @property
    def _changing(self) -> set[str]:
        return {*self._begins, *self._ends, *self._named}

    def _entered(self, definition: Definition) -> bound.BoundExpr:
        now = self.body(definition.body)
        if definition.name not in self.stored:
            return now
        before = bound.BoundSegment(definition.name, _EVERYBODY, None)
        return bound.BoundAnd((now, bound.BoundNot(before, None)), None)

    def body(self, expression: bound.BoundExpr) -> bound.BoundExpr:
        """An expression with facts as they will be."""
        if facts_read(expression).isdisjoint(self._changing):
            return expression
        waiting = [expression]
        while waiting:
            item = waiting[-1]
            parts = bound.parts_of(item)
            missing = [part for part in parts if id(part) not in self._known]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            # With the item, so that its number stays its own.
            self._known[id(item)] = item, self._made(item)
        return self._known[id(expression)][1]

    def _made(self, item: bound.BoundExpr) -> bound.BoundExpr:
        match item:
            case bound.BoundAnd(items=items) | bound.BoundOr(items=items):
                return replace(item, items=tuple(self._known[id(one)][1] for one in items))
            case bound.BoundNot(item=inner):
                return replace(item, item=self._known[id(inner)][1])
            case bound.BoundSegment(name=name, body=body):
                made = self._known[id(body)][1]
                return item if made is body else bound.BoundSegment(name, made, None)
            case bound.BoundBool(read=BoundAggregate(events=events) as read):
                return self._fact(item, read, events)
            case bound.BoundCompare() if self._is_match(item):
                return self._some_fact(item)
            case _:
                return bound.with_scores(item, self._score) if bound.scores_of(item) else item

    def _score(self, score: BoundScore) -> BoundScore:
        """A score whose conditions are as they will be; one that stays is itself."""
        if id(score) not in self._scores:
            rules = tuple(
                replace(rule, condition=self._known[id(rule.condition)][1])
                if isinstance(rule, BoundWhenRule)
                else rule
                for rule in score.rules
            )
            before = [rule.condition for rule in score.rules if isinstance(rule, BoundWhenRule)]
            after = [rule.condition for rule in rules if isinstance(rule, BoundWhenRule)]
            same = all(one is other for one, other in zip(before, after, strict=True))
            self._scores[id(score)] = score, score if same else replace(score, rules=rules)
        return self._scores[id(score)][1]

    def _is_match(self, item: bound.BoundCompare) -> bool:
        """Whether it asks for one of several facts that an edit may set."""
        types = {name for one in bound.aggregates_of(item) for name in one.events.types}
        return not types.isdisjoint(self._named)

    def _some_fact(self, item: bound.BoundCompare) -> bound.BoundExpr:
        """Whether one of several facts holds that properties name (some_fact_holds)."""
        begun, _ = bound.aggregates_of(item)
        (fact,) = begun.events.types
        assert isinstance(begun.events.where, bound.BoundAnd)
        where, *_ = begun.events.where.items
        return bound.BoundOr((item, self._begun(fact, where)), None)

    def _begun(self, fact: str, where: bound.BoundExpr | None) -> bound.BoundExpr:
        """Whoever gets one of the facts of a type that properties name, and that `where` takes."""
        if fact not in self._fresh:
            self._fresh[fact] = self._named[fact]()
        name = f"{_LIST}{len(self.lists)}"
        self.lists[name] = StandingList.of_rows(self._fresh[fact].passing(where))
        return bound.BoundList(name, None)

    def _fact(
        self, item: bound.BoundBool, read: BoundAggregate, events: BoundEvents
    ) -> bound.BoundExpr:
        (fact, *others) = events.types
        if others:
            return item
        found: bound.BoundExpr = item
        if fact in self._named:
            found = bound.BoundOr((found, self._begun(fact, events.where)), None)
        if fact in self._begins:
            found = bound.BoundOr((found, self._begins[fact]), None)
        if fact in self._ends:
            found = bound.BoundAnd((found, bound.BoundNot(self._ends[fact], None)), None)
        return found
