"""Values as people read them, from the integers that are stored."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from engine.store.catalog import Field

__all__ = ["AttributeValue", "of_int"]

AttributeValue = int | Decimal | float | bool | date | datetime | str | list[str]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def of_int(field: Field, number: int) -> AttributeValue:
    """The value of an int, decimal, date or time."""
    if field.type == "decimal":
        return Decimal(number).scaleb(-field.scale)
    if field.type == "date":
        return date.fromordinal(_EPOCH_DAY + number)
    if field.type == "time":
        return _EPOCH + timedelta(microseconds=number)
    return number
