"""What is so of an audience beside its size: totals of a value, its distribution, a funnel.

Every answer is exact, of one snapshot and one instant. Nothing is kept in memory but what is
asked for: values are read and gathered a block at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from engine.audience import Audience, CountResult
from engine.core.control import Control
from engine.errors import ExpressionInvalid, InputInvalid, Issue
from engine.limits import MEASURED_GROUPS
from engine.measuring import distribution as shapes
from engine.measuring.codes import codes_of
from engine.measuring.totals import Total, totals
from engine.measuring.value import Value
from engine.model.definitions import Attribute, Model
from engine.name_groups import count_by_names, group_call, group_expressions
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundAggregate
from engine.rules.canonical import format_expression
from engine.rules.funnel import funnel_steps
from engine.rules.parse import parse
from engine.rules.types import KIND_WORDS
from engine.store.snapshot import Snapshot

__all__ = [
    "Cut",
    "Distribution",
    "Edges",
    "EqualBins",
    "Funnel",
    "Measures",
    "Quantiles",
    "Reached",
    "Summary",
    "Thresholds",
    "Top",
    "ValueCount",
]

# Who asks for none says so: everybody.
EVERYBODY = tree.Truth(tree.Bool(True))


@dataclass(frozen=True, slots=True)
class EqualBins:
    """At most so many bins of equal width."""

    count: int = 10


@dataclass(frozen=True, slots=True)
class Quantiles:
    """At most so many bins with as nearly the same number of values as can be."""

    count: int


@dataclass(frozen=True, slots=True)
class Edges:
    """Bins between ascending borders, values of the language that read no profile."""

    at: Sequence[str]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How many values are at least, or at most, each of some borders."""

    at: Sequence[str]
    op: Literal[">=", "<="] = ">="


@dataclass(frozen=True, slots=True)
class Top:
    """The so many most frequent values of a category, set or bool."""

    count: int = 20


# How a distribution is cut; see engine.measuring.distribution.
Cut = EqualBins | Quantiles | Edges | Thresholds | Top


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of a value over an audience, whose count and instant are in `answer`; with groups
    those of each that has anybody in it, by name (None: without the attribute)."""

    answer: CountResult
    value: Value
    total: Total
    groups: dict[str | None, Total] | None = None


@dataclass(frozen=True, slots=True)
class ValueCount:
    """How many profiles have one value of a category or a bool, or one element of a set."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a value is distributed over an audience, whose count and instant are in `answer`.

    Of a number `histogram` and, where asked for, the counts at `thresholds`. Of a category, bool,
    band, tier or set the most frequent `values`, equal ones in the order of their names, and of the
    others how many there are and the sum of their counts.
    """

    answer: CountResult
    value: Value
    present: int
    histogram: shapes.Histogram | None = None
    thresholds: tuple[shapes.AtThreshold, ...] = ()
    values: tuple[ValueCount, ...] = ()
    other_values: int = 0
    other_count: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """A step of a funnel as it is written, and how many profiles reached it."""

    step: str
    count: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """How far the profiles of an audience, counted in `answer`, came in a sequence."""

    answer: CountResult
    sequence: str
    steps: tuple[Reached, ...]


class Measures:
    """Questions to the newest version of a store. Safe to share between threads.

    `audience` makes the reader of a snapshot, an instant and a control. An audience of None is
    everybody.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        audience: Callable[[Snapshot, int | None, Control | None], Audience],
        binder: Callable[[Snapshot], Binder],
    ) -> None:
        self._snapshot = snapshot
        self._audience = audience
        self._binder = binder

    def summarize(
        self,
        value: str,
        expression: str | tree.Expr | None = None,
        *,
        group_by: str | None = None,
        as_of_us: int | None = None,
        control: Control | None = None,
    ) -> Summary:
        """Count, sum, mean, least and greatest of a number, date, time or duration.

        Raises ExpressionInvalid, InputInvalid, NotFound, NotYet.
        """
        with self._snapshot() as snapshot:
            audience = self._asked(snapshot, expression, as_of_us, control)
            measured = audience.value(value)
            _refuse_unless(measured.is_number, value, measured, "a number, a date or a time")
            group: Attribute | BoundAggregate | None = None
            names: list[str | None] = [None]
            call = None
            if group_by is not None:
                call = group_call(group_by, self._binder(snapshot).model)
            if call is not None:
                return self._by_names(snapshot, audience, measured, call, control)
            if group_by is not None:
                group, names = audience.group_names(group_by)
                if len(names) > MEASURED_GROUPS:
                    raise _ill(
                        "group_by",
                        f"has {len(names) - 1:,} values, and at most {MEASURED_GROUPS - 1:,} "
                        "groups are summed up",
                        "take an attribute with fewer values",
                    )
            total, found = totals(audience.reading(measured.leaf, group), measured, len(names))
            groups = {name: one for name, one in zip(names, found, strict=True) if one.count}
            also = measured.attributes
            if isinstance(group, Attribute):
                also = (*also, group)
            answer = audience.answer(total.count, also, measured.aggregates)
            return Summary(answer, measured, total, None if group is None else groups)

    def _by_names(
        self,
        snapshot: Snapshot,
        audience: Audience,
        measured: Value,
        call: tree.Call,
        control: Control | None,
    ) -> Summary:
        """The totals of an audience, and of those in it who have each name of a band or tier."""
        total, _ = totals(audience.reading(measured.leaf), measured, 1)
        groups = {}
        model = self._binder(snapshot).model
        for name, expression in group_expressions(audience.expression, call, model):
            part = self._audience(snapshot, audience.as_of_us, control)
            part.add(expression)
            value = part.value(measured.text)
            groups[name], _ = totals(part.reading(value.leaf), value, 1)
        answer = audience.answer(total.count, measured.attributes)
        found = {name: one for name, one in groups.items() if one.count}
        return Summary(answer, measured, total, found)

    def distribution(
        self,
        value: str,
        expression: str | tree.Expr | None = None,
        cut: Cut | None = None,
        *,
        as_of_us: int | None = None,
        control: Control | None = None,
    ) -> Distribution:
        """How a value is distributed, cut as asked for; without that into 10 bins of equal width,
        or into the 20 most frequent values."""
        with self._snapshot() as snapshot:
            audience = self._asked(snapshot, expression, as_of_us, control)
            measured = audience.value(value)
            if cut is None:
                cut = EqualBins() if measured.is_number else Top()
            if isinstance(cut, Top):
                _refuse_unless(not measured.is_number, value, measured, "a category, set or bool")
                if measured.call is not None:
                    model = self._binder(snapshot).model
                    return _by_names(audience, measured, measured.call, model, cut.count)
                return _frequent(audience, measured, cut.count)
            _refuse_unless(measured.is_number, value, measured, "a number, a date or a time")
            return _over_numbers(audience, measured, cut)

    def funnel(
        self,
        sequence: str,
        expression: str | tree.Expr | None = None,
        *,
        as_of_us: int | None = None,
        control: Control | None = None,
    ) -> Funnel:
        """How many profiles reached each step of a sequence, all steps in one pass."""
        asked = _sequence(sequence)
        with self._snapshot() as snapshot:
            # Bound as it was written, for the places of faults.
            self._binder(snapshot).bind(asked, sequence, "sequence")
            audience = self._asked(snapshot, expression, as_of_us, control)
            among = _parsed(expression)
            steps = funnel_steps(asked)
            for step in steps:
                reached = step.reached if among is None else _both(among, step.reached)
                audience.add(reached)
            answer, *counted = audience.counts()
            said = dict.fromkeys(note for one in (answer, *counted[-1:]) for note in one.notes)
        reached_by = zip(steps, counted, strict=True)
        return Funnel(
            replace(
                answer,
                elapsed_us=max(one.elapsed_us for one in (answer, *counted)),
                notes=tuple(said),
            ),
            format_expression(asked),
            tuple(Reached(step.text, one.count) for step, one in reached_by),
        )

    def _asked(
        self,
        snapshot: Snapshot,
        expression: str | tree.Expr | None,
        as_of_us: int | None,
        control: Control | None,
    ) -> Audience:
        audience = self._audience(snapshot, as_of_us, control)
        audience.add(EVERYBODY if expression is None else expression, "audience")
        return audience


def _over_numbers(
    audience: Audience, value: Value, cut: EqualBins | Quantiles | Edges | Thresholds
) -> Distribution:
    curve: tuple[shapes.AtThreshold, ...] = ()
    match cut:
        case EqualBins(count):
            found = shapes.equal_bins(audience.reading(value.leaf), value, count)
        case Quantiles(count):
            found = shapes.quantile_bins(audience.reading(value.leaf), value, count)
        case Edges(at):
            borders = audience.borders(at, value, "edges[{}]")
            for place, (low, high) in enumerate(pairwise(borders), 1):
                if low >= high:
                    raise _ill(f"edges[{place}]", "is not above the one before it")
            found = shapes.cut(audience.reading(value.leaf), value, borders)
        case Thresholds(at, op):
            borders = audience.borders(at, value, "thresholds[{}]")
            found, curve = shapes.thresholds(audience.reading(value.leaf), value, borders, op)
    answer = audience.answer(found.matched, value.attributes, value.aggregates)
    return Distribution(answer, value, found.present, None if curve else found, curve)


def _frequent(audience: Audience, value: Value, top: int) -> Distribution:
    read = value.attribute or value.aggregate
    assert read is not None, "other values are numbers"
    names = audience.code_names(read)
    is_set = value.kind == "set"
    reading = audience.reading(None, read)
    counts, matched = codes_of(reading, len(names), is_set)
    # Code 0: of a set those with any element, of others those without a value.
    present = int(counts[0]) if is_set else matched - int(counts[0])
    found = [
        ValueCount(names[code] or "", int(counts[code]))
        for code in np.flatnonzero(counts).tolist()
        if code
    ]
    answer = audience.answer(matched, value.attributes, value.aggregates)
    return _most_frequent(answer, value, present, found, top)


def _by_names(
    audience: Audience, value: Value, call: tree.Call, model: Model, top: int
) -> Distribution:
    """The same of a band or a tier."""
    answer = count_by_names(audience, call, model)
    counts = answer.groups or {}
    found = [ValueCount(name, count) for name, count in counts.items() if name is not None]
    present = answer.count - counts.get(None, 0)
    return _most_frequent(replace(answer, groups=None), value, present, found, top)


def _most_frequent(
    answer: CountResult, value: Value, present: int, found: list[ValueCount], top: int
) -> Distribution:
    found.sort(key=lambda one: (-one.count, one.value))
    rest = found[top:]
    return Distribution(
        answer,
        value,
        present,
        values=tuple(found[:top]),
        other_values=len(rest),
        other_count=sum(one.count for one in rest),
    )


def _sequence(text: str) -> tree.Sequence:
    try:
        found = parse(text)
    except ExpressionInvalid as error:
        raise ExpressionInvalid(
            *(replace(issue, where="sequence") for issue in error.issues)
        ) from None
    if not isinstance(found, tree.Sequence):
        raise _ill("sequence", "is no sequence", "write sequence(first then second within 3 days)")
    return found


def _parsed(expression: str | tree.Expr | None) -> tree.Expr | None:
    return parse(expression) if isinstance(expression, str) else expression


def _both(one: tree.Expr, other: tree.Expr) -> tree.Expr:
    items = one.items if isinstance(one, tree.And) else (one,)
    return tree.And((*items, other))


def _refuse_unless(fits: bool, text: str, value: Value, wanted: str) -> None:
    if not fits:
        word = KIND_WORDS[value.kind]
        raise ExpressionInvalid(
            Issue(
                f"{value.text} is {word}, and this is asked of {wanted}",
                where="value",
                line=1,
                column=1,
                length=len(text),
            )
        )


def _ill(field: str, message: str, hint: str = "") -> InputInvalid:
    issue = Issue(message, where=field, hint=hint)
    return InputInvalid(str(issue), issues=(issue,))
