"""Bound trees over plain dicts, one profile at a time: what bound.py says, said in Python.

Profiles are dicts as the reference takes them. Aggregates and scores have no values here.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

from engine.model.definitions import Attribute
from engine.rules.bound import (
    AttributeSource,
    BoundAnd,
    BoundBool,
    BoundCategory,
    BoundCategoryPair,
    BoundCompare,
    BoundConstant,
    BoundExpr,
    BoundFloatCompare,
    BoundFloatIn,
    BoundIn,
    BoundList,
    BoundNot,
    BoundOr,
    BoundPresence,
    BoundSegment,
    BoundSet,
    BoundText,
    BucketSource,
    DateStartSource,
    FloatValue,
    Linear,
    Source,
    StringTest,
)
from engine.rules.calendar import first_instant_us
from engine.rules.reference import bucket

__all__ = ["BoundEvaluation"]

COMPARISONS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class BoundEvaluation:
    """One profile at one instant."""

    profile: Mapping[str, Any]
    zone: ZoneInfo
    now_us: int
    uid: bytes = bytes(16)
    lists: Mapping[str, Set[bytes]] = field(default_factory=dict)

    def holds(self, bound: BoundExpr) -> bool:
        match bound:
            case BoundConstant(value):
                return value
            case BoundAnd(items):
                return all(self.holds(item) for item in items)
            case BoundOr(items):
                return any(self.holds(item) for item in items)
            case BoundNot(item):
                return not self.holds(item)
            case BoundSegment(_, body):
                return self.holds(body)
            case BoundList(name):
                return self.uid in self.lists[name]
            case BoundPresence(attribute):
                return self.stored(attribute) is not None
            case BoundBool(attribute, wanted):
                return self.stored(attribute) is wanted
            case BoundCompare(form, op):
                value = self.linear(form)
                return value is not None and COMPARISONS[op](value, 0)
            case BoundIn(form, values, negated):
                value = self.linear(form)
                return value is not None and (value in values) != negated
            case BoundFloatCompare(left, op, right):
                sides = [self.double(left), self.double(right)]
                return not any(side is None or isnan(side) for side in sides) and COMPARISONS[op](
                    *sides
                )
            case BoundFloatIn(value, numbers, negated):
                double = self.double(value)
                return double is not None and not isnan(double) and (double in numbers) != negated
            case _:
                return self.holds_for_strings(bound)

    def holds_for_strings(self, bound: BoundExpr) -> bool:
        match bound:
            case BoundCategory(attribute, test, negated):
                text = self.stored(attribute)
                return text is not None and passes(text, test) != negated
            case BoundCategoryPair(left, right, negated):
                pair = self.stored(left), self.stored(right)
                return None not in pair and (pair[0] == pair[1]) != negated
            case BoundSet(attribute, test):
                return any(passes(element, test) for element in self.stored(attribute) or ())
            case BoundText(attribute, how, needle, negated):
                text = self.stored(attribute)
                test = StringTest(how, frozenset({needle}))
                return text is not None and passes(text, test) != negated
            case _:
                raise AssertionError(f"no evaluator for {bound}")

    def stored(self, attribute: Attribute) -> Any:
        """The value of an attribute, None if missing; the empty set is missing."""
        value = self.profile.get(attribute.name)
        return None if isinstance(value, (set, frozenset)) and not value else value

    def linear(self, form: Linear) -> Fraction | None:
        sources = [term.source for term in form.terms]
        assert len(set(sources)) == len(sources), "each source appears once"
        total = form.constant + form.now_factor * self.now_us
        for term in form.terms:
            value = self.source(term.source)
            if value is None:
                return None
            total += term.factor * value
        return total

    def double(self, value: FloatValue) -> float | None:
        if value.exact is not None:
            exact = self.linear(value.exact)
            return None if exact is None else float(exact)
        total = None
        for term in value.terms:
            source = term.source if isinstance(term.source, float) else self.source(term.source)
            if source is None:
                return None
            double = float(source) if term.factor is None else term.factor * float(source)
            total = term.sign * double if total is None else total + term.sign * double
        return total

    def source(self, source: Source) -> Any:
        """A Fraction in the unit of its type, a float for floats, None if missing."""
        match source:
            case BucketSource(salt):
                return Fraction(bucket(self.uid, salt))
            case DateStartSource(attribute):
                day = self.stored(attribute)
                return None if day is None else Fraction(first_instant_us(days(day), self.zone))
            case AttributeSource(attribute):
                value = self.stored(attribute)
                if value is None or attribute.type == "float":
                    return value
                if attribute.type == "time":
                    epoch = datetime(1970, 1, 1, tzinfo=UTC)
                    return Fraction((value - epoch) // timedelta(microseconds=1))
                return Fraction(days(value) if attribute.type == "date" else value)
            case _:
                raise AssertionError(f"no value for {source}")


def days(day: date) -> int:
    """Days from 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def passes(text: str, test: StringTest) -> bool:
    """Whether one string passes a test."""
    match test.how:
        case "in":
            return text in test.values
        case "contains":
            return any(needle in text for needle in test.values)
        case "starts with":
            return any(text.startswith(needle) for needle in test.values)
        case _:
            return any(text.endswith(needle) for needle in test.values)
