"""Days and wall clocks of time zones as instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rules.calendar import (
    DAY_US,
    first_instant_us,
    local_day,
    local_to_instant_us,
    unit_start_days,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Zones whose clocks have changed at midnight, before it, over a whole day, and never.
ZONES = [
    "America/Havana",
    "America/Juneau",
    "America/Sao_Paulo",
    "America/Toronto",
    "Asia/Amman",
    "Asia/Manila",
    "Asia/Shanghai",
    "Atlantic/Azores",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "UTC",
]


def days(text: str) -> int:
    """Days from the epoch of a date as written."""
    return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()


def instant_us(text: str) -> int:
    """Microseconds from the epoch of an instant as written, with its offset."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def local_us(text: str) -> int:
    """Microseconds of a wall clock as written."""
    return instant_us(f"{text}+00:00")


@pytest.mark.parametrize(
    ("zone", "clock", "instant"),
    [
        ("Asia/Shanghai", "2026-11-01T00:00:00", "2026-11-01T00:00:00+08:00"),
        # Skipped: 02:00 became 03:00, so half past two is half past three.
        ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T03:30:00+02:00"),
        ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-03-29T01:59:59.999999", "2026-03-29T01:59:59.999999+01:00"),
        # Twice: the earlier is still summer time.
        ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),
        ("Europe/Berlin", "2026-10-25T03:00:00", "2026-10-25T03:00:00+01:00"),
        # A gap of half an hour, and one of a whole day.
        ("Australia/Lord_Howe", "2026-10-04T02:15:00", "2026-10-04T02:45:00+11:00"),
        ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-31T12:00:00+14:00"),
    ],
)
def test_wall_clock_as_an_instant(zone: str, clock: str, instant: str) -> None:
    assert local_to_instant_us(local_us(clock), ZoneInfo(zone)) == instant_us(instant)


@pytest.mark.parametrize(
    ("zone", "day", "instant"),
    [
        ("Asia/Shanghai", "2026-11-01", "2026-11-01T00:00:00+08:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"),
        # The clocks went from 23:30 to 00:30: the day began half an hour late.
        ("America/Toronto", "1919-03-31", "1919-03-31T00:30:00-04:00"),
        # From 00:30 back to 23:30: the day began, stopped, and began again.
        ("Atlantic/Azores", "2026-10-25", "2026-10-25T00:00:00+00:00"),
        # There was no such day.
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-31T00:00:00+14:00"),
    ],
)
def test_first_instant_of_a_day(zone: str, day: str, instant: str) -> None:
    assert first_instant_us(days(day), ZoneInfo(zone)) == instant_us(instant)


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    day=st.dates(min_value=date(1800, 1, 1), max_value=date(2200, 1, 1)),
)
def test_no_earlier_instant_shows_the_day(zone: ZoneInfo, day: date) -> None:
    first_us = first_instant_us(day.toordinal() - date(1970, 1, 1).toordinal(), zone)
    first = EPOCH + timedelta(microseconds=first_us)
    assert first.astimezone(zone).date() >= day
    before = [first - timedelta(microseconds=1)]
    before += [first - timedelta(minutes=15 * quarter) for quarter in range(1, 36 * 4)]
    assert all(moment.astimezone(zone).date() != day for moment in before)


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    instant=st.datetimes(min_value=datetime(1800, 1, 1), max_value=datetime(2200, 1, 1)),
)
def test_local_day_is_what_the_zone_shows(zone: ZoneInfo, instant: datetime) -> None:
    moment = instant.replace(tzinfo=UTC)
    shown = moment.astimezone(zone).date().toordinal() - date(1970, 1, 1).toordinal()
    assert local_day((moment - EPOCH) // timedelta(microseconds=1), zone) == shown


@pytest.mark.parametrize(
    ("unit", "back", "start"),
    [
        ("day", 0, "2026-05-20"),
        ("day", 1, "2026-05-19"),
        ("week", 0, "2026-05-18"),
        ("week", 1, "2026-05-11"),
        ("month", 0, "2026-05-01"),
        ("month", 5, "2025-12-01"),
        ("month", -1, "2026-06-01"),
        ("quarter", 0, "2026-04-01"),
        ("quarter", 2, "2025-10-01"),
        ("year", 0, "2026-01-01"),
        ("year", -1, "2027-01-01"),
    ],
)
def test_first_day_of_a_unit(unit: str, back: int, start: str) -> None:
    assert unit_start_days(days("2026-05-20"), unit, back) == days(start)


@given(day=st.dates(), unit=st.sampled_from(["day", "week", "month", "quarter", "year"]))
def test_a_day_lies_in_its_unit(day: date, unit: str) -> None:
    count = day.toordinal() - date(1970, 1, 1).toordinal()
    start = unit_start_days(count, unit)
    assert start <= count < unit_start_days(count, unit, -1)
    assert unit_start_days(start, unit) == start
    assert unit_start_days(unit_start_days(count, unit, -1), unit, 1) == start
    assert unit != "week" or (start + 3) % 7 == 0


@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
def test_nothing_overflows_far_from_our_years(unit: str) -> None:
    zone = ZoneInfo("America/New_York")
    for far in (days("0001-01-01"), days("9999-12-31"), -(10**12), 10**12):
        for back in (0, 1, -1, 10**6, -(10**6)):
            start = unit_start_days(far, unit, back)
            first_us = first_instant_us(start, zone)
            assert abs(first_us - start * DAY_US) < DAY_US
            assert local_day(first_us, zone) == start


@pytest.mark.parametrize("zone", ZONES)
def test_ends_of_the_calendar(zone: str) -> None:
    for day in (days("0001-01-01"), days("0001-01-02"), days("9999-12-30"), days("9999-12-31")):
        first_us = first_instant_us(day, ZoneInfo(zone))
        assert local_day(first_us, ZoneInfo(zone)) == day
        assert local_day(first_us - 1, ZoneInfo(zone)) == day - 1
