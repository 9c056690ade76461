"""Values as JSON: the same for scripts that read the command line and for who is delivered to."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from strata.answers import Value

__all__ = ["instant", "json_value"]


def instant(moment: datetime.datetime) -> str:
    """An instant in UTC, to the microsecond."""
    utc = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds')}Z"


def json_value(given: Value) -> Any:
    """A value as JSON: decimals, dates and times as strings, sets as arrays."""
    match given:
        case Decimal():
            return f"{given:f}"
        case datetime.datetime():
            return instant(given)
        case datetime.date():
            return given.isoformat()
        case tuple():
            return list(given)
        case _:
            return given
