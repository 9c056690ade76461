"""What people do within a year: when they come, what follows from what, and how often.

Everything is drawn from one seed, so a year is the same each time. People differ: a few do a great
deal and most very little (log-normal). Things happen by day rather than by night and on working
days rather than at weekends, by the clock of the model's zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["DAY_US", "NEVER", "ZONE", "Happened", "Year", "pick", "write_events", "write_people"]

ZONE = ZoneInfo("Asia/Shanghai")
DAY_US = 86_400_000_000
# The instant of what does not happen.
NEVER = np.iinfo(np.int64).max
_HOUR_US = DAY_US // 24
_DAYS = 365
# China has had no summer time since 1991, so its days are one shift of those of UTC.
_ZONE_US = 8 * _HOUR_US
# How much happens at each hour of a day, from midnight on.
_HOURS = np.array(
    [1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 18, 14, 12, 13, 16, 16, 14, 12, 11, 13, 15, 13, 8, 3], float
)
# What falls on a weekend and waits for Monday.
_WAITS_FOR_MONDAY = 0.6
# 1970-01-01 was a Thursday; Monday is 0.
_FIRST_WEEKDAY = 3

Instants = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Happened:
    """Events of one type: who (index of a person), when (microseconds from 1970), and what else."""

    people: NDArray[np.intp]
    at_us: Instants
    properties: Mapping[str, Sequence[object] | NDArray[np.generic]]


class Year:
    """A year of `count` people that ends at `until`; raises ValueError for no people."""

    def __init__(self, count: int, until: datetime, seed: int) -> None:
        if count < 1:
            raise ValueError(f"a year needs people, and {count} is none")
        self.count = count
        self.rng = np.random.default_rng(seed)
        self.until_us = int(until.timestamp()) * 1_000_000
        self.from_us = self.until_us - _DAYS * DAY_US
        # More come the later it gets, as a business grows.
        share = np.sqrt(self.rng.random(count))
        came_us = self.by_day(self.from_us + (share * _DAYS * DAY_US).astype(np.int64))
        # Who would wait for a Monday after the year came a week before it.
        self.came_us = np.where(came_us > self.until_us, came_us - 7 * DAY_US, came_us)
        # How much one does, and for how long one goes on.
        self.eagerness = self.rng.lognormal(0.0, 1.0, count)
        self.left_us = self.came_us + (self.rng.exponential(150 * DAY_US, count)).astype(np.int64)

    def by_day(self, at_us: Instants) -> Instants:
        """The same days at hours at which people are awake; many of a weekend's move to Monday."""
        day = (at_us + _ZONE_US) // DAY_US
        weekday = (day + _FIRST_WEEKDAY) % 7
        waits = (weekday >= 5) & (self.rng.random(len(day)) < _WAITS_FOR_MONDAY)
        day = day + np.where(waits, 7 - weekday, 0)
        hour = self.rng.choice(24, len(day), p=_HOURS / _HOURS.sum())
        second = self.rng.integers(0, 3600, len(day))
        return day * DAY_US - _ZONE_US + hour * _HOUR_US + second * 1_000_000

    def after(
        self, before_us: Instants, chance: float | NDArray[np.float64], median_days: float
    ) -> Instants:
        """When a next step follows for each person, NEVER where it does not; none without the step
        before it."""
        lag_us = self.rng.lognormal(np.log(median_days * DAY_US), 0.9, self.count).astype(np.int64)
        happens = (before_us != NEVER) & (self.rng.random(self.count) < chance)
        found = np.full(self.count, NEVER)
        found[happens] = before_us[happens] + lag_us[happens]
        found[found > self.until_us] = NEVER
        return found

    def again(
        self, a_month: float | NDArray[np.float64], from_us: Instants, to_us: Instants
    ) -> tuple[NDArray[np.intp], Instants]:
        """What somebody does now and then between two instants of their own: who and when."""
        to_us = np.minimum(to_us, self.until_us)
        length = np.where(from_us < to_us, to_us - np.minimum(from_us, to_us), 0)
        expected = a_month * self.eagerness * length / (30 * DAY_US)
        people = np.repeat(np.arange(self.count), self.rng.poisson(expected))
        at_us = from_us[people] + (self.rng.random(len(people)) * length[people]).astype(np.int64)
        at_us = self.by_day(at_us)
        kept = (at_us >= from_us[people]) & (at_us <= self.until_us)
        return people[kept], at_us[kept]

    def once(self, at_us: Instants) -> tuple[NDArray[np.intp], Instants]:
        """Those to whom something happens, and when."""
        people = np.flatnonzero(at_us != NEVER)
        return people, at_us[people]


def pick(
    year: Year, size: int, choices: Mapping[str, float], missing: float = 0.0
) -> NDArray[np.object_]:
    """One of the names for each, in proportion to their weights; None for a share of them."""
    weights = np.array(list(choices.values()), float)
    found = year.rng.choice(np.array(list(choices), object), size, p=weights / weights.sum())
    if missing:
        found[year.rng.random(size) < missing] = None
    return found


def write_events(
    folder: Path,
    kind: str,
    happened: Happened,
    identifier: str,
    names: Sequence[str],
    time: str = "time",
) -> Path:
    """Writes events as `KIND.parquet`, in the order of time; `names` are those of the people.

    `identifier` and `time` are the columns of who and when.
    """
    order = np.argsort(happened.at_us, kind="stable")
    columns: dict[str, pa.Array] = {
        identifier: pa.array(np.array(names, object)[happened.people[order]], pa.string()),
        time: pa.array(happened.at_us[order], pa.timestamp("us", "UTC")),
    }
    for name, values in happened.properties.items():
        columns[name] = pa.array(np.asarray(values)[order].tolist())
    path = folder / f"{kind}.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def write_people(folder: Path, kind: str, columns: Mapping[str, Sequence[object]]) -> Path:
    """Writes people as `KIND.parquet`."""
    path = folder / f"{kind}.parquet"
    pq.write_table(pa.table({name: pa.array(list(of)) for name, of in columns.items()}), path)
    return path
