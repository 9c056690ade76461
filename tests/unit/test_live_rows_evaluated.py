"""How many rows a batch makes the engine judge, out of a million: those that it wrote to, by
the segments that read what it wrote, and no others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine.columns.strings import Strings
from engine.database import Database
from engine.live.batch import Column, Ints, ProfileBatch, SetColumn, Texts
from engine.model.definitions import TAG
from tests.told import wait_told

COUNT = 1_000_000
CITIES = 40

SEGMENTS = {
    "old": "age >= 60",
    "young": "age < 20",
    "large": "size > 900",
    "young or large": "segment('young') or segment('large')",
    "somewhere": "city in ('c1', 'c7')",
    "old there": "age >= 60 and city = 'c3'",
    "early": "tag = 'early'",
    "everybody": "true",
}
# Through other segments too; a new profile needs all of them.
READERS = {"age": 4, "size": 2, "city": 2, "tag": 1, "remark": 0, "score": 0}

MODEL = """\
time_zone: UTC
identifiers:
  member: {}
attributes:
  age: {type: int}
  size: {type: int}
  score: {type: int}
  city: {type: category}
  remark: {type: text}
sources:
  people: {identify: {member: member}}
segments:
""" + "".join(f'  {name}: "{rule}"\n' for name, rule in SEGMENTS.items())


def members(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Strings:
    """`m0000000` and so on, made without a list of a million strings."""
    digits = numbers[:, None] // 10 ** np.arange(6, -1, -1) % 10 + ord("0")
    data = np.full((len(numbers), 8), ord("m"), np.uint8)
    data[:, 1:] = digits
    offsets = np.arange(0, 8 * len(numbers) + 1, 8)
    return Strings.from_buffers(offsets, data.reshape(-1), None)


def ints(values: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Ints:
    return Ints(values, np.ones(len(values), np.bool_))


def age_of(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Ints:
    return ints(numbers * 7919 % 90)


def cities(numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Texts:
    return Texts(Strings.from_list([f"c{n}" for n in range(CITIES)]).take(numbers % CITIES))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A million profiles, member i has age i * 7919 mod 90, size i mod 1000, city i mod 40."""
    made = Database.create(tmp_path_factory.mktemp("million") / "store")
    with made:
        made.apply_model({"model.yaml": MODEL})
        assert made.model is not None
        numbers = np.arange(COUNT)
        attributes: dict[str, Column] = {
            "age": age_of(numbers), "size": ints(numbers % 1000), "city": cities(numbers),
        }  # fmt: skip
        with made.bulk_load(made.model.sources["people"]) as load:
            load.add(ProfileBatch(COUNT, {"member": members(numbers)}, attributes))
            assert load.finish().created == COUNT
        yield made


def evaluated(database: Database, batch: ProfileBatch) -> int:
    """How many (row, segment) a batch makes the engine judge, until its feed is written."""
    before = database.stats()["rows_evaluated"]
    ack = database.ingest(batch)
    assert not ack.refused
    wait_told(database, ack.offset)
    return database.stats()["rows_evaluated"] - before


def some(k: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """k different members from all blocks."""
    return np.random.default_rng(seed).choice(COUNT, k, replace=False)


@pytest.mark.parametrize("k", [1, 100, 5_000])
@pytest.mark.parametrize("name", READERS)
def test_written_rows_by_the_segments_that_read_them(database: Database, name: str, k: int) -> None:
    numbers = some(k, k)
    who = {"member": members(numbers)}
    # Other values than those that are there, whatever ran before.
    fresh = ints(database.stats()["data_version"] * 1000 + numbers % 50)
    tags = Strings.from_list([f"t{database.data_version}"]).take(np.zeros(k, np.intp))
    match name:
        case "city" | "remark":
            texts = Strings.from_list([f"x{n}-{database.data_version}" for n in range(7)])
            batch = ProfileBatch(k, who, {name: Texts(texts.take(numbers % 7))})
        case "tag":
            batch = ProfileBatch(k, who, added={TAG: SetColumn(np.arange(k + 1), tags)})
        case _:
            batch = ProfileBatch(k, who, {name: fresh})
    found = evaluated(database, batch)
    assert found <= 4 * k * READERS[name]
    assert found == k * READERS[name], "each written row once by each reader"


def test_what_is_there_already_is_not_judged(database: Database) -> None:
    numbers = some(1000, 7)
    batch = ProfileBatch(1000, {"member": members(numbers)}, {"age": age_of(numbers + 1)})
    assert evaluated(database, batch) > 0
    assert evaluated(database, batch) == 0


def test_rows_of_several_attributes_are_judged_by_the_union_of_readers(
    database: Database,
) -> None:
    """Half of the rows bring an age, the others a city: four segments read the one, two the
    other, and one of them both."""
    k = 1000
    numbers = some(k, 11)
    version = database.data_version
    with_age = np.arange(k) % 2 == 0
    ages = Ints(np.full(k, 1000 + version), with_age)
    texts = Strings.from_list([None if age else f"y{version}" for age in with_age.tolist()])
    batch = ProfileBatch(k, {"member": members(numbers)}, {"age": ages, "city": Texts(texts)})
    found = evaluated(database, batch)
    assert found == k // 2 * READERS["age"] + k // 2 * READERS["city"]


def test_a_new_profile_is_judged_by_every_segment(database: Database) -> None:
    before = database.profile_count
    numbers = np.arange(50) + 5_000_000 + before
    batch = ProfileBatch(50, {"member": members(numbers)}, {"score": ints(numbers)})
    assert evaluated(database, batch) == 50 * len(SEGMENTS)
    assert database.count("segment('everybody')").count == before + 50


def test_counters_are_exact_after_all_that(database: Database) -> None:
    for name, rule in SEGMENTS.items():
        assert database.count(f"segment('{name}')").count == database.count(rule).count, name
