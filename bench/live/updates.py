"""Batches of updates of people that are there already, as Arrow and as rows: of what they are, and
of what they do."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.data.events import CATEGORIES, PROPERTIES, TYPES
from bench.data.people import INDUSTRIES, STAGES, TAGS
from strata.answers import Value
from strata.updates import Event, Update

__all__ = ["MAKERS", "Batch", "BatchMaker"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_NOW_US = 1_790_000_000_000_000

# What is sent, made when it is: an Arrow stream as the service takes it, or updates.
Batch = Callable[[], bytes | list[Update]]
# Makes a batch of so many rows about so many people.
BatchMaker = Callable[[np.random.Generator, int, int], Batch]

# Events come up to so long after they happened, in any order.
_LATE_US = 100_000


class _Cells:
    """What a batch writes: four attributes, and a tag of every tenth person."""

    def __init__(self, rng: np.random.Generator, profiles: int, rows: int) -> None:
        self.person = _persons(rng, profiles, rows)
        self.stage = rng.integers(0, len(STAGES), rows).astype(np.int32)
        self.industry = rng.integers(0, len(INDUSTRIES), rows).astype(np.int32)
        self.revenue = np.round(np.exp(rng.normal(6, 1.8, rows)), 2)
        self.last_seen = _NOW_US + rng.integers(0, 86_400_000_000, rows)
        self.tag = np.where(rng.random(rows) < 0.1, rng.integers(0, len(TAGS), rows), -1)


def _arrow_batch(rng: np.random.Generator, profiles: int, rows: int) -> Batch:
    cells = _Cells(rng, profiles, rows)
    tagged = cells.tag >= 0
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(tagged, out=offsets[1:])
    tags = pa.DictionaryArray.from_arrays(pa.array(cells.tag[tagged].astype(np.int32)), list(TAGS))
    made = _stream(
        {
            "id:person": pa.array(cells.person),
            "stage": _codes(cells.stage, STAGES),
            "industry": _codes(cells.industry, INDUSTRIES),
            "revenue": pa.array(cells.revenue),
            "last_seen": pa.array(cells.last_seen, pa.timestamp("us", "UTC")),
            "+tag": pa.ListArray.from_arrays(pa.array(offsets), tags.dictionary_decode()),
        }
    )
    return lambda: made


def _row_batch(rng: np.random.Generator, profiles: int, rows: int) -> Batch:
    cells = _Cells(rng, profiles, rows)
    made = [
        Update(
            {"person": person},
            {
                "stage": STAGES[stage],
                "industry": INDUSTRIES[industry],
                "revenue": Decimal(f"{revenue:.2f}"),
                "last_seen": _EPOCH + datetime.timedelta(microseconds=last_seen),
            },
            {"tag": (TAGS[tag],)} if tag >= 0 else {},
        )
        for person, stage, industry, revenue, last_seen, tag in zip(
            cells.person,
            cells.stage.tolist(),
            cells.industry.tolist(),
            cells.revenue.tolist(),
            cells.last_seen.tolist(),
            cells.tag.tolist(),
            strict=True,
        )
    ]
    return lambda: made


class _Deeds:
    """What people do: any type, a moment before the batch is sent."""

    def __init__(self, rng: np.random.Generator, profiles: int, rows: int) -> None:
        self.person = _persons(rng, profiles, rows)
        self.kind = rng.integers(0, len(TYPES), rows).astype(np.int32)
        self.codes = {
            name: rng.integers(0, min(len(values), 20), rows).astype(np.int32)
            for name, values in CATEGORIES.items()
        }
        self._late_us = rng.integers(0, _LATE_US, rows)
        self.cents = 100 + (100 * np.exp(rng.normal(5, 1.2, rows))).astype(np.int64)

    def has(self, name: str) -> NDArray[np.bool_]:
        """Which of them have a property."""
        return np.isin(self.kind, [n for n, kind in enumerate(TYPES) if name in PROPERTIES[kind]])

    def times(self) -> NDArray[np.int64]:
        """When they happened, if they are sent now."""
        return time.time_ns() // 1000 - self._late_us


def _event_arrow_batch(rng: np.random.Generator, profiles: int, rows: int) -> Batch:
    deeds = _Deeds(rng, profiles, rows)
    columns = {"id:person": pa.array(deeds.person), "event": _codes(deeds.kind, TYPES)}
    for name, values in CATEGORIES.items():
        missing = ~deeds.has(name)
        columns[f"property:{name}"] = _codes(deeds.codes[name], values, missing)
    columns["property:amount"] = pa.array(deeds.cents / 100, mask=~deeds.has("amount"))
    utc = pa.timestamp("us", "UTC")
    return lambda: _stream({**columns, "event:time": pa.array(deeds.times(), utc)})


def _event_row_batch(rng: np.random.Generator, profiles: int, rows: int) -> Batch:
    deeds = _Deeds(rng, profiles, rows)
    properties: list[dict[str, Value]] = [
        {
            name: Decimal(int(deeds.cents[place])) / 100
            if name == "amount"
            else CATEGORIES[name][deeds.codes[name][place]]
            for name in PROPERTIES[TYPES[deeds.kind[place]]]
        }
        for place in range(rows)
    ]
    kinds = [TYPES[kind] for kind in deeds.kind]

    def made() -> list[Update]:
        at = [_EPOCH + datetime.timedelta(microseconds=us) for us in deeds.times().tolist()]
        return [
            Update({"person": person}, events=(Event(kind, has, when),))
            for person, kind, has, when in zip(deeds.person, kinds, properties, at, strict=True)
        ]

    return made


# By what is updated, and the form.
MAKERS: dict[tuple[str, str], BatchMaker] = {
    ("attributes", "arrow"): _arrow_batch,
    ("attributes", "rows"): _row_batch,
    ("events", "arrow"): _event_arrow_batch,
    ("events", "rows"): _event_row_batch,
}


def _persons(rng: np.random.Generator, profiles: int, rows: int) -> list[str]:
    return [f"P{number:09}" for number in rng.integers(0, profiles, rows).tolist()]


def _codes(codes: Any, values: tuple[str, ...], missing: Any = None) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=missing), list(values))


def _stream(columns: dict[str, pa.Array]) -> bytes:
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())
