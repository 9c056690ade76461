"""Values that attributes and properties could take."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Any

from engine.explaining.event_lines import EXACT
from engine.explaining.one_profile import EPOCH, EPOCH_DAY, PlainValue, instant_of
from engine.limits import DATE_DAYS, DECIMAL_UNSCALED, TIME_US
from engine.model.definitions import Attribute
from engine.rules import bound

__all__ = ["example", "fresh", "of_number", "of_test"]

_INT = -(1 << 63), (1 << 63) - 1


def of_number(attribute: Attribute, number: Fraction | float) -> PlainValue | None:
    """A number in the unit of an attribute's type as its value; None where it cannot be one."""
    if attribute.type == "float":
        return float(number) + 0.0 if isfinite(number) else None
    exact = Fraction(number)
    whole = exact * 10**attribute.scale if attribute.type == "decimal" else exact
    if whole.denominator != 1:
        return None
    value = int(whole)
    match attribute.type:
        case "int" if _INT[0] <= value <= _INT[1]:
            return value
        case "decimal" if DECIMAL_UNSCALED[0] <= value <= DECIMAL_UNSCALED[1]:
            return Decimal(value).scaleb(-attribute.scale, EXACT)
        case "date" if DATE_DAYS[0] <= value <= DATE_DAYS[1]:
            return date.fromordinal(value + EPOCH_DAY)
        case "time" if TIME_US[0] <= value <= TIME_US[1]:
            return instant_of(value)
        case _:
            return None


def of_test(test: bound.StringTest, wanted: bool) -> str | None:
    """A string that passes a test, or does not; None where there is none."""
    if wanted:
        return min(test.values, default=None)
    for other in ("-", "*", "?", "", "".join((*sorted(test.values), "-"))):
        if not test.passes(other):
            return other
    return None


def example(attribute: Attribute) -> PlainValue:
    """Some value of an attribute."""
    plain: dict[str, PlainValue] = {
        "set": frozenset({"-"}),
        "bool": True,
        "float": 0.0,
        "int": 0,
        "decimal": Decimal(0),
        "date": date(2000, 1, 1),
        "time": datetime(2000, 1, 1, tzinfo=UTC),
    }
    return plain.get(attribute.type, "-")


def fresh(attribute: Attribute, seen: Collection[Any], count: int) -> list[PlainValue]:
    """So many different values that are not among those seen; fewer where there are no more."""
    found: list[PlainValue] = []
    if attribute.type == "bool":
        found += [value for value in (True, False) if value not in seen]
        return found[:count]
    number = 0
    while len(found) < count:
        number += 1
        value: PlainValue
        match attribute.type:
            case "int":
                value = number
            case "decimal":
                value = Decimal(number).scaleb(-attribute.scale, EXACT)
            case "float":
                value = float(number)
            case "date":
                value = date(2000, 1, 1) + timedelta(days=number)
            case "time":
                value = EPOCH + timedelta(microseconds=number)
            case _:
                value = f"-{number}"
        if value not in seen:
            found.append(value)
    return found
