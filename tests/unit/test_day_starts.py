"""Many days at once begin when each of them does."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest

from engine.core.day_starts import day_starts
from engine.limits import DATE_DAYS
from engine.rules.calendar import first_instant_us

ZONES = (
    "UTC", "Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia",
    "Africa/Casablanca", "Europe/Amsterdam", "Asia/Manila", "Australia/Lord_Howe", "Asia/Beirut",
)  # fmt: skip


@pytest.mark.parametrize("name", ZONES)
def test_same_as_one_by_one(name: str) -> None:
    """Days of all centuries, and around the borders of stretches and cycles."""
    zone = ZoneInfo(name)
    pick = random.Random(name)
    borders = [*DATE_DAYS, 0, -62_092, -62_091, 47_846, 47_847, 47_847 + 146_097, 4096, 8191]
    days = borders + [pick.randint(*DATE_DAYS) for _ in range(60)]
    days += [pick.randint(-30_000, 45_000) for _ in range(150)]
    for day in days:
        first, last = max(DATE_DAYS[0], day - 1), min(DATE_DAYS[1], day + 1)
        expected = [first_instant_us(each, zone) for each in range(first, last + 1)]
        assert day_starts(first, last, zone).tolist() == expected, (name, day)


def test_a_long_stretch() -> None:
    """A century in one call, days with a skipped midnight among them."""
    zone = ZoneInfo("America/Sao_Paulo")
    assert day_starts(0, 25_000, zone).tolist() == [
        first_instant_us(day, zone) for day in range(25_001)
    ]
