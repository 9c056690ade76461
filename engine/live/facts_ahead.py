"""Facts that an edit of the model would set, as conditions: what a plan of the edit reads.

A definition that reads a fact is worked out before the fact is written. So where an edit brings a
condition of a fact, or another one, the fact is replaced by what it will be: it holds already or
begins, and does not end. Who enters a condition is who satisfies it, and did not before, by what is
stored; of tags that properties name, who has such an event and neither got nor lost the tag before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from engine.live.definitions import Definition, levels_of
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate, BoundEvents
from engine.rules.bound_facts import facts_read
from engine.rules.steps import happens_at_all

__all__ = ["FactsAhead"]

_EVERYBODY = bound.BoundConstant(True, None)


class FactsAhead:
    """`definitions` are those of the model to come, of which some `differ` from before; `stored`
    has the fields of the members before the edit, by name. `named` maps the types of facts that an
    edit of a rule may set to the count of the events that it takes.

    Afterwards `differ` has those, too, that read a fact that may be set or end, and `stored` the
    conditions of facts alone.
    """

    def __init__(
        self,
        definitions: Mapping[str, Definition],
        differ: Iterable[str],
        stored: Mapping[str, int],
        named: Mapping[str, BoundAggregate],
    ) -> None:
        self.differ = set(differ)
        # A segment by its stored members would not be worked out.
        self.stored = {
            name: number
            for name, number in stored.items()
            if name in definitions and (definitions[name].begins or definitions[name].ends)
        }
        self._named = named
        self._begins: dict[str, bound.BoundExpr] = {}
        self._ends: dict[str, bound.BoundExpr] = {}
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
        """An expression with facts as they will be; those in conditions of scores as they are."""
        if facts_read(expression).isdisjoint(self._changing):
            return expression
        waiting = [expression]
        while waiting:
            item = waiting[-1]
            parts = _parts(item)
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
            case bound.BoundCompare() if not facts_read(item).isdisjoint(self._named):
                return self._some_fact(item)
            case _:
                return item

    def _some_fact(self, item: bound.BoundCompare) -> bound.BoundExpr:
        """Whether one of several facts holds that properties name (some_fact_holds)."""
        begun, _ = bound.aggregates_of(item)
        (fact,) = begun.events.types
        assert isinstance(begun.events.where, bound.BoundAnd)
        where, *_ = begun.events.where.items
        step = self._named[fact]
        wheres = [one for one in (step.events.where, where) if one is not None]
        taken = bound.BoundAnd(tuple(wheres), None) if len(wheres) > 1 else wheres[0]
        some = happens_at_all(replace(step, events=BoundEvents(step.events.types, taken)))
        known = happens_at_all(BoundAggregate("count", BoundEvents((fact,), where), "int"))
        fresh = bound.BoundAnd((some, bound.BoundNot(known, None)), None)
        return bound.BoundOr((item, fresh), None)

    def _fact(
        self, item: bound.BoundBool, read: BoundAggregate, events: BoundEvents
    ) -> bound.BoundExpr:
        (fact, *others) = events.types
        if others:
            return item
        found: bound.BoundExpr = item
        if fact in self._named:
            step = self._named[fact]
            source = step.events
            wheres = [where for where in (source.where, events.where) if where is not None]
            where = bound.BoundAnd(tuple(wheres), None) if len(wheres) > 1 else wheres[0]
            some = happens_at_all(replace(step, events=BoundEvents(source.types, where)))
            fresh = bound.BoundNot(happens_at_all(BoundAggregate("count", events, "int")), None)
            found = bound.BoundOr((found, bound.BoundAnd((some, fresh), None)), None)
        if fact in self._begins:
            found = bound.BoundOr((found, self._begins[fact]), None)
        if fact in self._ends:
            found = bound.BoundAnd((found, bound.BoundNot(self._ends[fact], None)), None)
        return found


def _parts(item: bound.BoundExpr) -> tuple[bound.BoundExpr, ...]:
    """What logic joins; not what scores ask."""
    match item:
        case bound.BoundAnd() | bound.BoundOr() | bound.BoundNot() | bound.BoundSegment():
            return bound.parts_of(item)
        case _:
            return ()
