"""A small real store with every type of attribute, the same each time."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from engine.columns.strings import Strings
from engine.database import Database
from engine.live.batch import Bools, Floats, Ints, ProfileBatch, SetColumn, Texts

__all__ = ["COUNT", "MODEL", "build"]

COUNT = 3000

MODEL = """\
time_zone: Asia/Shanghai
identifiers:
  member: {per_profile: 1}
  phone: {per_profile: 3}
attributes:
  城市: {type: category}
  age: {type: int}
  spend: {type: decimal, scale: 2}
  joined: {type: time}
  born: {type: date}
  vip: {type: bool}
  weight: {type: float}
  interests: {type: set}
  remark: {type: text}
segments:
  adults: "age >= 18"
  rich_adults: "segment('adults') and spend > 500"
sources:
  people: {identify: {member: id}, attributes: {age: age}}
"""

CITIES = ["上海", "北京", "Oslo", "São Paulo", "a'b", None]
LIKES = ["滑雪", "tea", "go", "chess"]


def _ints(rng: random.Random, least: int, most: int) -> Ints:
    values = np.array([rng.randint(least, most) for _ in range(COUNT)], np.int64)
    return Ints(values, np.array([rng.random() < 0.9 for _ in range(COUNT)]))


def _sets(rng: random.Random) -> SetColumn:
    rows = [rng.sample(LIKES, rng.randint(0, 3)) for _ in range(COUNT)]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return SetColumn(offsets, Strings.from_list([value for row in rows for value in row]))


def _batch() -> ProfileBatch:
    rng = random.Random(7)
    phones: list[str | None] = [
        None if number % 7 == 0 else f"139{number:08}" for number in range(COUNT)
    ]
    cities = [rng.choice(CITIES) for _ in range(COUNT)]
    remarks = [f"note, {number}" if number % 3 else None for number in range(COUNT)]
    return ProfileBatch(
        count=COUNT,
        identifiers={
            "member": Strings.from_list([f"m{number}" for number in range(COUNT)]),
            "phone": Strings.from_list(phones),
        },
        attributes={
            "城市": Texts(Strings.from_list(cities)),
            "age": _ints(rng, 0, 99),
            "spend": _ints(rng, -500, 200_000),
            "joined": _ints(rng, 1_500_000_000_000_000, 1_700_000_000_000_000),
            "born": _ints(rng, -10_000, 15_000),
            "vip": Bools(
                np.array([rng.random() < 0.3 for _ in range(COUNT)]),
                np.array([rng.random() < 0.8 for _ in range(COUNT)]),
            ),
            "weight": Floats(
                np.array([rng.uniform(-1, 1) for _ in range(COUNT)]),
                np.array([rng.random() < 0.5 for _ in range(COUNT)]),
            ),
            "remark": Texts(Strings.from_list(remarks)),
        },
        sets={"interests": _sets(rng), "tag": _sets(rng)},
    )


def build(path: Path) -> Path:
    """Makes the store in a folder that is not there yet."""
    with Database.create(path) as database:
        database.apply_model({"model.yaml": MODEL})
        model = database.model
        assert model is not None
        load = database.bulk_load(model.sources["people"])
        outcome = load.add(_batch())
        assert outcome.accepted == COUNT
        load.finish()
    return path
