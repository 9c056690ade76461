"""Aggregates as columns of a plan, and comparisons of one aggregate as leaves over them.

1. What an aggregate comes to for one snapshot and one instant is an `EventColumn`: its window is
   two instants, its types are fields, its property a number. Equal ones are one column.
2. What asks whether there is any event at all (`count(x) >= 1`, `days(x) = 0`, presence) is a
   mark, which costs least; so is the first or last time compared with an instant, as whether
   there is an event before or after it.
3. Types of events may declare a decimal with different numbers of digits. A sum of it is one column
   for each of these, which add up where they are compared; other values are brought to the most
   digits as they are folded.
4. Everything else is a number, code or text of the profile like any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

from engine.core import operations as ops
from engine.core.leaf_plan import Lookup
from engine.core.solve import INT64_MAX, INT64_MIN, IntRange, solve
from engine.core.where_plan import plan_where
from engine.events import head
from engine.model.definitions import Attribute, EventProperty, Model
from engine.model.hidden_events import event_type
from engine.rules import tree
from engine.rules.bound_events import BoundAggregate, BoundEvents
from engine.rules.retention import kept_from_us
from engine.rules.window_bounds import EARLIEST_US, window_bounds
from engine.store.catalog import FieldKind, event_field, property_field
from engine.store.snapshot import Snapshot

__all__ = ["EventPlanner"]

_KINDS: dict[str, Literal["int", "float", "category", "bool", "text"]] = {
    "int": "int",
    "decimal": "int",
    "date": "int",
    "time": "int",
    "float": "float",
    "category": "category",
    "bool": "bool",
    "text": "text",
}


class EventPlanner:
    """Plans aggregates against one snapshot at one instant (`now_us`, microseconds).

    `columns` are those of the plan: column i is field -1 - i of its leaves. `lookups` collects what
    conditions on events took from dictionaries, by number of property; they are made for
    `spare_codes` more codes than are given out: see `leaf_plan`. `clock_us` is the clock, by
    which events may be dropped that were there at an earlier `now_us`.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        now_us: int,
        model: Model,
        spare_codes: int = 0,
        *,
        clock_us: int | None = None,
    ) -> None:
        self.columns: list[ops.Column] = []
        self.lookups: list[tuple[int, Lookup]] = []
        self._snapshot = snapshot
        self.now_us = now_us
        self._latest_us = now_us if clock_us is None else max(now_us, clock_us)
        self._model = model
        self._zone: ZoneInfo = model.time_zone
        self._spare_codes = spare_codes
        self._places: dict[ops.Column, int] = {}
        self._columns_of: dict[int, tuple[BoundAggregate, ops.EventColumn]] = {}

    # ---------------------------------------------------------------------- columns

    def field(self, aggregate: BoundAggregate) -> int:
        """The field of an aggregate's own value; not of sums and averages."""
        return self.place(self._column(aggregate))

    def numbers(self, aggregate: BoundAggregate) -> tuple[ops.Number, ...]:
        """An aggregate of numbers, dates (days) or times: what these add up to."""
        scale = 0 if aggregate.property is None else aggregate.property.scale
        if aggregate.function == "sum":
            return tuple(
                ops.SumNumber(field, denominator) for field, denominator in self._sums(aggregate)
            )
        if aggregate.function == "avg":
            count = self._count(aggregate)
            return tuple(
                ops.AverageNumber(field, count, denominator)
                for field, denominator in self._sums(aggregate)
            )
        field = self.field(aggregate)
        if aggregate.type == "float":
            return (ops.FloatNumber(field),)
        if aggregate.type == "decimal" and _is_mixed(self._column(aggregate).sources):
            return (ops.ScaledNumber(field, 10**scale),)
        return (ops.ColumnNumber(field, 10**scale if aggregate.type == "decimal" else 1),)

    def _sums(self, aggregate: BoundAggregate) -> list[tuple[int, int]]:
        """The fields of sums of one scale each, and what part of one each of them counts."""
        column = self._column(aggregate)
        assert aggregate.property is not None
        unit = 10**aggregate.property.scale
        found = []
        for factor in sorted({source.factor for source in column.sources}) or [1]:
            alike = (source for source in column.sources if source.factor == factor)
            one = replace(column, sources=_unscaled(alike))
            found.append((self.place(one), unit // factor))
        return found

    def present(self, aggregate: BoundAggregate) -> ops.LeafLogic:
        """Whether an aggregate has a value."""
        if aggregate.function in ("count", "days", "distinct", "sum"):
            return True
        return self._mark(self._column(aggregate))

    def dictionary(self, aggregate: BoundAggregate) -> int | None:
        """Number of the field whose dictionary has the strings of a category."""
        read = aggregate.property
        assert read is not None
        fields = self._snapshot.fields
        found = fields.get(property_field(read.name, read.type, read.scale))
        return None if found is None else fields.dictionary_of(found)

    def place(self, column: ops.Column) -> int:
        """The field of a column, made if there is none yet."""
        place = self._places.setdefault(column, len(self.columns))
        if place == len(self.columns):
            self.columns.append(column)
        return -1 - place

    def _column(self, aggregate: BoundAggregate) -> ops.EventColumn:
        # Kept with what it was made for, so that the address is not given to another.
        known = self._columns_of.get(id(aggregate))
        if known is None:
            known = aggregate, self._made(aggregate)
            self._columns_of[id(aggregate)] = known
        return known[1]

    def _made(self, aggregate: BoundAggregate) -> ops.EventColumn:
        from_us, to_us = self.bounds(aggregate.window)
        function = "sum" if aggregate.function == "avg" else aggregate.function
        read = aggregate.property
        kind = "int" if read is None else _KINDS[read.type]
        ends = function in ("first_value", "last_value", "latest")
        return ops.EventColumn(
            function,
            self.sources(aggregate.events, read, from_us=from_us),
            from_us,
            to_us,
            kind,
            self._zone if function == "days" else None,
            (self.dictionary(aggregate) or 0) if ends and kind == "category" else 0,
        )

    def sources(
        self,
        events: BoundEvents,
        read: Attribute | None = None,
        *,
        from_us: int = EARLIEST_US,
    ) -> tuple[ops.EventSource, ...]:
        """Where the events are that have a property, if any; types that the snapshot has no field
        of have none. The window begins at `from_us`."""
        lookups: dict[int, Lookup] = {}
        wheres = plan_where(
            self._snapshot,
            events.types,
            events.where,
            self.now_us,
            self._zone,
            model=self._model,
            lookups=lookups,
            spare_codes=self._spare_codes,
        )
        self.lookups += lookups.items()
        found = []
        for name in events.types:
            number, factor = 0, 1
            if read is not None:
                declared = event_type(self._model, name).properties.get(read.name)
                if declared is None:
                    continue
                number = self._property(declared) or 0
                factor = 10 ** (read.scale - declared.scale)
            field, where = self._events(name), wheres[name]
            if field is not None and where is not None and (number or read is None):
                kept_from_us = self._kept_from(name, from_us)
                found.append(ops.EventSource(field, number, where, kept_from_us, factor))
        return tuple(found)

    def _kept_from(self, name: str, from_us: int) -> int:
        """From when on events of a type are there; always, where the window begins later."""
        border_us = kept_from_us(event_type(self._model, name), self._latest_us, self._zone)
        return EARLIEST_US if border_us <= from_us else border_us

    def _events(self, name: str) -> int | None:
        found = self._snapshot.fields.get(event_field(name))
        return found.id if found is not None and found.kind == FieldKind.EVENTS else None

    def _property(self, read: EventProperty) -> int | None:
        found = self._snapshot.fields.get(property_field(read.name, read.type, read.scale))
        return None if found is None else found.id

    def _count(self, aggregate: BoundAggregate) -> int:
        """The field of how many events an aggregate is made of."""
        return self.place(_counting(self._column(aggregate)))

    def bounds(self, window: tree.Window | None) -> tuple[int, int]:
        """The span [from, to) of a window, in microseconds."""
        return window_bounds(window, self.now_us, self._zone)

    def day_bounds(self, aggregate: BoundAggregate) -> tuple[int, int] | None:
        """The first and last day that an aggregate of dates may be; None where there is none."""
        found = [
            (column.low, column.high)
            for source in self._column(aggregate).sources
            for block in range(self._snapshot.block_count)
            for part in self._snapshot.payloads(source.field, block)
            for column in head.read_columns(part, head.read_head(part))
            if column.role == head.PROPERTY and column.property == source.property
        ]
        return (min(low for low, _ in found), max(high for _, high in found)) if found else None

    # ------------------------------------------------------------------ comparisons

    def compare(
        self, aggregate: BoundAggregate, factor: Fraction, constant: Fraction, op: ops.Compare
    ) -> ops.LeafLogic | None:
        """`factor * aggregate + constant op 0`; None where it is compared as any number is."""
        match aggregate.function:
            case "count" | "days" | "distinct":
                return self._compare_count(aggregate, solve(factor, constant, op))
            case "first" | "last":
                return self._compare_instant(aggregate, solve(factor, constant, op))
            case "sum":
                return self._compare_sum(aggregate, factor, constant, op)
            case "avg":
                return self._compare_average(aggregate, factor, constant, op)
            case _:
                return None

    def _compare_count(self, aggregate: BoundAggregate, wanted: IntRange) -> ops.LeafLogic:
        column = self._column(aggregate)
        low, high = max(wanted.low, 0), min(wanted.high, INT64_MAX)
        if low > high:
            return wanted.negated
        if low == 0 and high == INT64_MAX:
            return not wanted.negated
        if low == 1 and high == INT64_MAX:
            marked = self._mark(column)
            return ("not", (marked,)) if wanted.negated else marked
        if high == 0:
            marked = self._mark(column)
            return marked if wanted.negated else ("not", (marked,))
        most = ops.FEW_MOST
        if column.function == "count" and (high < most or (high == INT64_MAX and low <= most)):
            column, high = replace(column, function="few"), min(high, most)
        return ops.IntRangeLeaf(self.place(column), low, high, wanted.negated)

    def _compare_instant(self, aggregate: BoundAggregate, wanted: IntRange) -> ops.LeafLogic:
        """A first or last time: whether events lie before or after an instant."""
        column = self._column(aggregate)
        if wanted.is_nothing:
            return False
        if wanted.is_everything:
            return self._mark(column)
        wanted = wanted.clamped()
        if wanted.negated or (wanted.low > INT64_MIN and wanted.high < INT64_MAX):
            return ops.IntRangeLeaf(self.place(column), wanted.low, wanted.high, wanted.negated)
        if wanted.low > INT64_MIN:  # not before
            if aggregate.function == "last":
                return self._mark(column, from_us=wanted.low)
            return self._without(column, self._mark(column, to_us=wanted.low))
        if aggregate.function == "first":
            return self._mark(column, to_us=wanted.high + 1)
        return self._without(column, self._mark(column, from_us=wanted.high + 1))

    def _compare_sum(
        self, aggregate: BoundAggregate, factor: Fraction, constant: Fraction, op: ops.Compare
    ) -> ops.LeafLogic | None:
        sums = self._sums(aggregate)
        if len(sums) > 1:
            return None
        ((field, denominator),) = sums
        wanted = solve(factor, constant, op, denominator)
        if op in ("=", "!=") and wanted.low > wanted.high:
            return wanted.negated  # an edge between two sums
        # A column of sums stops at the ends of 64 bits, and nothing is said of beyond.
        edges = [
            edge
            for edge, open_end in ((wanted.low, INT64_MIN), (wanted.high, INT64_MAX))
            if op in ("=", "!=") or edge != open_end
        ]
        if not edges or not all(INT64_MIN < edge < INT64_MAX for edge in edges):
            return None
        return ops.IntRangeLeaf(field, wanted.low, wanted.high, wanted.negated)

    def _compare_average(
        self, aggregate: BoundAggregate, factor: Fraction, constant: Fraction, op: ops.Compare
    ) -> ops.LeafLogic:
        """An average times the number of events is the sum: numbers, and no division."""
        parts = [(field, factor / unit) for field, unit in self._sums(aggregate)]
        scale = math.lcm(*(part.denominator for _, part in parts), constant.denominator)
        counted = ops.ColumnNumber(self._count(aggregate))
        summands = (
            *(ops.LinearSummand(ops.SumNumber(field), int(part * scale)) for field, part in parts),
            ops.LinearSummand(counted, int(constant * scale)),
        )
        compared = ops.LinearLeaf(summands, 0, op)
        return ("and", (self._mark(self._column(aggregate)), compared))

    # ------------------------------------------------------------------------ marks

    def _mark(
        self, column: ops.EventColumn, *, from_us: int = INT64_MIN, to_us: int = INT64_MAX
    ) -> ops.LeafLogic:
        """Who has any of the events of a column, those from or before an instant."""
        from_us, to_us = max(from_us, column.from_us), min(to_us, column.to_us)
        if from_us >= to_us or not column.sources:
            return False
        marked = replace(_counting(column), function="mark", from_us=from_us, to_us=to_us)
        return ops.SetLeaf(self.place(marked), (0,))

    def _without(self, column: ops.EventColumn, others: ops.LeafLogic) -> ops.LeafLogic:
        """Who has an event of a column, and is not among others."""
        return ("and", (self._mark(column), ("not", (others,))))


def _counting(column: ops.EventColumn) -> ops.EventColumn:
    """How many events a column is made of; those without the property do not count."""
    sources = _unscaled(column.sources)
    return replace(column, function="count", kind="int", zone=None, dictionary=0, sources=sources)


def _is_mixed(sources: Sequence[ops.EventSource]) -> bool:
    """Whether some count other than as they are stored."""
    return any(source.factor != 1 for source in sources)


def _unscaled(sources: Iterable[ops.EventSource]) -> tuple[ops.EventSource, ...]:
    """The same events, whatever their values count."""
    return tuple(replace(one, factor=1) if one.factor != 1 else one for one in sources)
