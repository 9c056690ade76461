"""Values of one profile as numbers."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from engine.explaining.one_profile import EPOCH_DAY, OneProfile, us_of
from engine.rules.calendar import first_instant_us

__all__ = ["day_start_us", "in_units", "plain_number"]


def day_start_us(day: Any, profile: OneProfile) -> int | None:
    """The first instant of a day in the zone of a profile; None where there is no day."""
    return None if day is None else first_instant_us(day.toordinal() - EPOCH_DAY, profile.zone)


def plain_number(number: Fraction) -> int | Fraction:
    """The same; whole numbers as ints, which compare many times faster."""
    return number.numerator if number.denominator == 1 else number


def in_units(value: Any) -> Any:
    """A plain value in the unit of its type: an int or a Fraction, floats as they are."""
    if value is None or isinstance(value, float | int):
        return value
    if isinstance(value, datetime):
        return us_of(value)
    if isinstance(value, date):
        return value.toordinal() - EPOCH_DAY
    assert isinstance(value, Decimal | Fraction), f"{value!r} is no quantity"
    return Fraction(value)
