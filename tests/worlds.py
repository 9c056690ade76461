"""Random worlds: a model with every type of attribute, and profiles that lean on borders.

A world is made from a seed. The same columns go into a real store by a bulk load, and out
as plain dicts for the reference evaluator. Shapes are chosen so that every width of column,
every kind of container and every state of a block occurs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.database import Database
from engine.live.batch import Bools, Column, Floats, Ints, ProfileBatch, SetColumn, Texts

__all__ = ["MODEL", "NOW_US", "TYPES", "ZONE", "World"]

ZONE = ZoneInfo("Asia/Shanghai")
NOW_US = int(datetime(2026, 11, 21, 4, 30, tzinfo=UTC).timestamp()) * 1_000_000 + 123_456

TYPES = {
    "city": "category",
    "town": "category",
    "code": "category",
    "serial": "category",
    "level": "int",
    "constant": "int",
    "points": "int",
    "wide": "int",
    "huge": "int",
    "price": "decimal",
    "cost": "decimal",
    "exact": "decimal",
    "ratio": "float",
    "weight": "float",
    "active": "bool",
    "vip": "bool",
    "birthday": "date",
    "signed": "date",
    "joined": "time",
    "seen": "time",
    "interests": "set",
    "tag": "set",
    "remark": "text",
}
SCALES = {"price": 2, "cost": 4, "exact": 18}

MODEL = "time_zone: Asia/Shanghai\nidentifiers:\n  member: {}\nattributes:\n" + "".join(
    f"  {name}: {{type: {kind}" + (f", scale: {SCALES[name]}" if name in SCALES else "") + "}\n"
    for name, kind in TYPES.items()
    if name != "tag"
)
MODEL += """segments:
  rich: "price > 50 or points >= 1000"
  local: "city in ('c1', 'c2', 'c3') and not segment('rich')"
"""

# Attribute by attribute and world by world one further, so that in ten worlds of consecutive
# seeds every attribute is present in every way.
PRESENCES = (
    "all", "half", "all", "rare", "all", "none", "half", "run", "all", "but_one",
)  # fmt: skip
TAGS = ("dense", "half", "rare", "run", "everyone", "nobody_else")


@dataclass(frozen=True)
class World:
    """`rows` profiles from a seed; row i of every column is the profile with member `m<i>`."""

    seed: int
    rows: int

    @cached_property
    def presence(self) -> dict[str, str]:
        """How present each attribute is."""
        return {
            name: PRESENCES[(7 * number + self.seed) % len(PRESENCES)]
            for number, name in enumerate(TYPES)
        }

    @cached_property
    def columns(self) -> dict[str, tuple[NDArray[Any], NDArray[np.bool_]]]:
        """Values and presence of each attribute but the sets; strings as object arrays."""
        rng = np.random.default_rng([self.seed, 2])
        n = self.rows
        day, hour = 86_400_000_000, 3_600_000_000
        huge = rng.integers(-(2**63), 2**63, n, endpoint=False, dtype=np.int64)
        huge[: min(n, 4)] = [2**63 - 1, -(2**63), 0, -1][: min(n, 4)]
        ratio = rng.choice([0.0, 0.1, 0.5, 1.0, -2.5, 1e300, 5e-324, 3.0], n)
        values = {
            "city": self._strings("c", rng.zipf(1.5, n) % 20),
            "town": self._strings("c", rng.integers(0, 25, n)),
            "code": self._strings("k", rng.integers(0, 700, n)),
            "serial": self._strings("s", np.arange(n)),
            "level": rng.integers(0, 9, n),
            "constant": np.full(n, 7),
            "points": rng.integers(-30_000, 30_000, n),
            "wide": rng.integers(-2_000_000_000, 2_000_000_000, n),
            "huge": huge,
            "price": rng.integers(-5_000, 20_000, n),
            "cost": rng.integers(0, 3_000, n) * 100,
            "exact": rng.integers(-(10**18) + 1, 10**18, n),
            "ratio": ratio,
            "weight": np.round(rng.normal(60, 20, n), 1),
            "active": rng.random(n) < 0.5,
            "vip": rng.random(n) < 0.01,
            "birthday": rng.integers(-9_000, 14_000, n),
            "signed": rng.integers(20_400, 20_500, n),
            "joined": NOW_US - rng.integers(0, 400, n) * day - rng.integers(0, day, n),
            "seen": NOW_US - NOW_US % 1_000_000 - rng.integers(-48, 2_000, n) * hour,
            "remark": self._remarks(rng),
        }
        return {name: (column, self._present(name, rng)) for name, column in values.items()}

    @cached_property
    def members_of(self) -> dict[str, dict[str, NDArray[np.bool_]]]:
        """For each set attribute, which rows hold each value."""
        rng = np.random.default_rng([self.seed, 3])
        sets = {}
        for name in ("interests", "tag"):
            present = self._present(name, rng)
            masks = {"dense": 0.7, "half": 0.5, "rare": 0.001, "everyone": 1.0}
            sets[name] = {
                value: (rng.random(self.rows) < p) & present for value, p in masks.items()
            }
            start = int(rng.integers(0, max(1, self.rows)))
            run = np.zeros(self.rows, bool)
            run[start : start + self.rows // 3] = True
            one = np.zeros(self.rows, bool)
            one[-1] = True
            sets[name] |= {"run": run & present, "nobody_else": one & present}
        return sets

    def _present(self, name: str, rng: np.random.Generator) -> NDArray[np.bool_]:
        n = self.rows
        present = np.ones(n, bool)
        match self.presence[name]:
            case "none":
                present[:] = False
            case "half":
                present = rng.random(n) < 0.5
            case "rare":
                present = rng.random(n) < 0.005
            case "run":
                present[: n // 3] = False
            case "but_one":
                present[rng.integers(0, n)] = False
        return present

    @staticmethod
    def _strings(prefix: str, numbers: NDArray[Any]) -> NDArray[Any]:
        return np.array([f"{prefix}{number}" for number in numbers.tolist()], dtype=object)

    def _remarks(self, rng: np.random.Generator) -> NDArray[Any]:
        words = ["价格", "报价", "trial", "", "a'b", "price 价格", "end"]
        picks = rng.integers(0, len(words), (self.rows, 2)).tolist()
        return np.array([words[a] + words[b] for a, b in picks], dtype=object)

    # ----------------------------------------------------------------------- as a store

    def fill(self, path: Path) -> Database:
        """A new store with this world's model and profiles, and the list `some`."""
        database = Database.create(path)
        database.apply_model(
            {"world.yaml": MODEL + "sources:\n  world: {identify: {member: id}}\n"}
        )
        assert database.model is not None
        with database.bulk_load(database.model.sources["world"]) as load:
            outcome = load.add(self._batch())
            assert not outcome.refused, outcome.refused[:3]
            load.finish()
        database.upload_list("some", "member", Strings.from_list(self.listed()))
        return database

    def listed(self) -> list[str]:
        """The list `some`: every 7th profile, and two identifiers that nobody owns."""
        return [f"m{i}" for i in range(0, self.rows, 7)] + ["stranger", "another"]

    def _batch(self) -> ProfileBatch:
        return ProfileBatch(
            count=self.rows,
            identifiers={"member": Strings.from_list([f"m{i}" for i in range(self.rows)])},
            attributes={name: self._cells(name) for name in self.columns},
            sets={name: self._set_cells(name) for name in self.members_of},
        )

    def _cells(self, name: str) -> Column:
        values, present = self.columns[name]
        match TYPES[name]:
            case "category" | "text":
                cells = [v if p else None for v, p in zip(values, present.tolist(), strict=True)]
                return Texts(Strings.from_list(cells))
            case "float":
                return Floats(values.astype(np.float64), present)
            case "bool":
                return Bools(values.astype(bool), present)
            case _:
                return Ints(values.astype(np.int64), present)

    def _set_cells(self, name: str) -> SetColumn:
        masks = self.members_of[name]
        table = np.stack(list(masks.values()), axis=1)
        rows, which = np.nonzero(table)
        offsets = np.zeros(self.rows + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=self.rows), out=offsets[1:])
        names = list(masks)
        return SetColumn(offsets, Strings.from_list([names[i] for i in which.tolist()]))

    # ----------------------------------------------------------------------- as plain data

    def profile(self, row: int) -> dict[str, Any]:
        """One profile as the reference evaluator takes it."""
        found: dict[str, Any] = {}
        for name, (values, present) in self.columns.items():
            if present[row]:
                found[name] = self._plain(name, values[row])
        for name, masks in self.members_of.items():
            held = {value for value, mask in masks.items() if mask[row]}
            if held:
                found[name] = held
        return found

    @staticmethod
    def _plain(name: str, value: Any) -> Any:
        match TYPES[name]:
            case "decimal":
                return Decimal(int(value)).scaleb(-SCALES[name])
            case "date":
                return date(1970, 1, 1) + timedelta(days=int(value))
            case "time":
                return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(value))
            case "int":
                return int(value)
            case "float":
                return float(value)
            case "bool":
                return bool(value)
            case _:
                return value
