"""Batches of updates of people that are there already, as Arrow and as rows."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa

from bench.data.people import INDUSTRIES, STAGES, TAGS
from strata.updates import Update

__all__ = ["arrow_batch", "row_batch"]

_NOW_US = 1_790_000_000_000_000


class _Cells:
    """What a batch writes: four attributes, and a tag of every tenth person."""

    def __init__(self, rng: np.random.Generator, profiles: int, rows: int) -> None:
        self.person = [f"P{number:09}" for number in rng.integers(0, profiles, rows).tolist()]
        self.stage = rng.integers(0, len(STAGES), rows).astype(np.int32)
        self.industry = rng.integers(0, len(INDUSTRIES), rows).astype(np.int32)
        self.revenue = np.round(np.exp(rng.normal(6, 1.8, rows)), 2)
        self.last_seen = _NOW_US + rng.integers(0, 86_400_000_000, rows)
        self.tag = np.where(rng.random(rows) < 0.1, rng.integers(0, len(TAGS), rows), -1)


def arrow_batch(rng: np.random.Generator, profiles: int, rows: int) -> bytes:
    """An Arrow stream as the service takes it."""
    cells = _Cells(rng, profiles, rows)
    tagged = cells.tag >= 0
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(tagged, out=offsets[1:])
    tags = pa.DictionaryArray.from_arrays(pa.array(cells.tag[tagged].astype(np.int32)), list(TAGS))
    batch = pa.record_batch(
        {
            "id:person": pa.array(cells.person),
            "stage": pa.DictionaryArray.from_arrays(pa.array(cells.stage), list(STAGES)),
            "industry": pa.DictionaryArray.from_arrays(pa.array(cells.industry), list(INDUSTRIES)),
            "revenue": pa.array(cells.revenue),
            "last_seen": pa.array(cells.last_seen, pa.timestamp("us", "UTC")),
            "+tag": pa.ListArray.from_arrays(pa.array(offsets), tags.dictionary_decode()),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def row_batch(rng: np.random.Generator, profiles: int, rows: int) -> list[Update]:
    """The same kind of updates, one by one."""
    cells = _Cells(rng, profiles, rows)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return [
        Update(
            {"person": person},
            {
                "stage": STAGES[stage],
                "industry": INDUSTRIES[industry],
                "revenue": Decimal(f"{revenue:.2f}"),
                "last_seen": epoch + datetime.timedelta(microseconds=last_seen),
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
