"""Literals and their texts, both ways: numbers, dates, times, durations, strings, names.

The readers take the text of a literal alone and raise ValueError with a sentence for the
user. The writers give the one canonical text of a value.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Final, get_args

from engine.limits import LONGEST_DURATION_DAYS, NUMBER_DIGITS
from engine.rules import tree

__all__ = [
    "CALENDAR_UNITS",
    "RESERVED",
    "UNITS",
    "check_calendar_count",
    "check_duration",
    "is_bare_name",
    "read_date",
    "read_number",
    "read_time",
    "write_date",
    "write_duration",
    "write_name",
    "write_number",
    "write_text",
    "write_time",
]

# Words that are keywords everywhere, in any case; as a name they stand in double quotes.
RESERVED: Final = frozenset(
    (
        *("and", "or", "not", "in", "is", "between", "contains", "starts", "ends", "has"),
        *("where", "then", "no", "within", "now", "any", "true", "false"),
    )
)

UNITS: Final[tuple[tree.Unit, ...]] = get_args(tree.Unit)
CALENDAR_UNITS: Final[tuple[tree.CalendarUnit, ...]] = get_args(tree.CalendarUnit)

_UNIT_SECONDS: Final[dict[tree.Unit, int]] = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 7 * 86_400,
}

# How many of a calendar unit make the 1,000 years that are the longest window.
_LONGEST_CALENDAR_COUNT: Final[dict[tree.CalendarUnit, int]] = {
    "day": LONGEST_DURATION_DAYS,
    "week": LONGEST_DURATION_DAYS // 7,
    "month": 12_000,
    "quarter": 4_000,
    "year": 1_000,
}

_EPOCH: Final = dt.date(1970, 1, 1)
_EPOCH_TIME: Final = dt.datetime(1970, 1, 1)
_MICROSECOND: Final = dt.timedelta(microseconds=1)

_NUMBER = re.compile(
    r"(?P<whole>[0-9]+(?:_[0-9]+)*)?(?:\.(?P<part>[0-9]+(?:_[0-9]+)*)?)?"
    r"(?:[eE](?P<exponent>[+-]?[0-9]+))?",
    re.ASCII,
)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)
_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ]"
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.(?P<part>[0-9]+))?)?"
    r"(?P<zone>Z|(?P<sign>[+-])(?P<zone_hour>[0-9]{2})"
    r"(?::?(?P<zone_minute>[0-9]{2})(?::?(?P<zone_second>[0-9]{2}))?)?)?",
    re.ASCII | re.IGNORECASE,
)


# ---------------------------------------------------------------------------- numbers


def read_number(text: str) -> Decimal:
    """The value of an unsigned number literal, normalised as `tree.Number` says."""
    if len(text) <= NUMBER_DIGITS and text.isascii() and text.isdecimal():
        return Decimal(text)
    match = _NUMBER.fullmatch(text)
    if match is None or (match["whole"] is None and match["part"] is None):
        raise ValueError(
            "a number is written with digits and at most one point, as in 12, 3.5, 1_000 or 1e6"
        )
    whole = (match["whole"] or "").replace("_", "")
    part = (match["part"] or "").replace("_", "")
    digits = (whole + part).lstrip("0")
    if not digits:
        return Decimal(0)
    too_long = f"a number has at most {NUMBER_DIGITS} digits, counted as written without exponent"
    exponent = match["exponent"] or "0"
    if len(exponent.lstrip("+-0")) > 6 or len(part) > 1_000_000:
        raise ValueError(too_long)
    scale = int(exponent) - len(part)
    significant = digits.rstrip("0")
    scale += len(digits) - len(significant)
    if max(len(significant) + scale, len(significant), -scale) > NUMBER_DIGITS:
        raise ValueError(too_long)
    if scale > 0:
        significant, scale = significant + "0" * scale, 0
    return Decimal((0, tuple(map(int, significant)), scale))


def write_number(value: Decimal) -> str:
    """Digits with at most one point: `1000`, `3.5`, `-0.25`."""
    return format(value, "f")


# ------------------------------------------------------------------- dates and times


def read_date(text: str) -> int:
    """Days from 1970-01-01 of `2026-11-01`."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{_short(text)}' is not a date; write it as '2026-11-01'")
    year, month, day = map(int, match.groups())
    try:
        return (dt.date(year, month, day) - _EPOCH).days
    except ValueError:
        raise ValueError(f"there is no day {text} in the calendar") from None


def write_date(days: int) -> str:
    """`2026-11-01`, without quotes."""
    return (_EPOCH + dt.timedelta(days=days)).isoformat()


def read_time(text: str) -> tuple[int, int | None]:
    """Wall-clock microseconds and the offset in seconds, or None where none is written.

    Digits of a second finer than a microsecond are cut off.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{_short(text)}' is not a time; write it as '2026-11-01T08:00:00+08:00', "
            "or without the offset for the time zone of the model"
        )
    days = read_date(match["date"])
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"there is no time of day {hour:02d}:{minute:02d}:{second:02d}")
    part_us = int((match["part"] or "").ljust(6, "0")[:6])
    seconds = days * 86_400 + hour * 3_600 + minute * 60 + second
    return seconds * 1_000_000 + part_us, _read_offset(match)


def _read_offset(match: re.Match[str]) -> int | None:
    if match["zone"] is None:
        return None
    if match["sign"] is None:
        return 0
    hour, minute = int(match["zone_hour"]), int(match["zone_minute"] or 0)
    second = int(match["zone_second"] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"an offset of {match['zone']} does not exist; it is less than a day")
    offset_s = hour * 3_600 + minute * 60 + second
    return -offset_s if match["sign"] == "-" else offset_s


def write_time(local_us: int, offset_s: int | None) -> str:
    """`2026-11-01T08:00:00+08:00`, without quotes; parts of a second only where there are any."""
    wall = _EPOCH_TIME + local_us * _MICROSECOND
    text = wall.strftime("%H:%M:%S")
    part_us = local_us % 1_000_000
    part = f".{part_us:06d}".rstrip("0") if part_us else ""
    return f"{wall.date().isoformat()}T{text}{part}{_write_offset(offset_s)}"


def _write_offset(offset_s: int | None) -> str:
    if offset_s is None:
        return ""
    if offset_s == 0:
        return "Z"
    minutes, second = divmod(abs(offset_s), 60)
    hour, minute = divmod(minutes, 60)
    sign = "-" if offset_s < 0 else "+"
    return f"{sign}{hour:02d}:{minute:02d}" + (f":{second:02d}" if second else "")


# -------------------------------------------------------------------------- durations


def check_duration(amount: Decimal | int, unit: tree.Unit) -> int:
    """The whole amount of a duration that lies within the limit."""
    if amount != int(amount):
        raise ValueError("a duration is a whole number of its unit; take a smaller unit")
    if amount <= 0:
        raise ValueError("a duration is at least 1")
    if int(amount) * _UNIT_SECONDS[unit] > LONGEST_DURATION_DAYS * 86_400:
        raise ValueError("a duration is at most 1,000 years (365,250 days)")
    return int(amount)


def check_calendar_count(count: Decimal | int, unit: tree.CalendarUnit) -> int:
    """The whole number of calendar units that lies within the limit."""
    if count != int(count) or count <= 0:
        raise ValueError("a number of calendar units is whole and at least 1")
    if count > _LONGEST_CALENDAR_COUNT[unit]:
        raise ValueError(
            f"a window is at most 1,000 years ({_LONGEST_CALENDAR_COUNT[unit]:,} {unit}s)"
        )
    return int(count)


def write_duration(amount: int, unit: str) -> str:
    """`30 days`, `1 day`."""
    return f"{amount} {unit}" if amount == 1 else f"{amount} {unit}s"


# -------------------------------------------------------------------- strings, names


def write_text(value: str) -> str:
    """The string in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def is_bare_name(name: str) -> bool:
    """Whether a name may stand without quotes."""
    if not name or name.lower() in RESERVED:
        return False
    if not (name[0] == "_" or name[0].isalpha()):
        return False
    return all(c == "_" or c.isalpha() or c.isdecimal() for c in name)


def write_name(name: str) -> str:
    """The name, in double quotes only where it needs them."""
    return name if is_bare_name(name) else '"' + name.replace('"', '""') + '"'


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
