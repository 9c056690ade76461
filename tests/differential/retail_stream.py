"""Customers of a shop as a stream of partial updates.

What it says of a customer in the end is what the load says:
1. The true cells of a customer come in up to three updates, each with a later event time than
2. up to two stale updates, with cells of somebody else, which come before, between or after them.
3. Sets have no event time: the last update of a customer has the true ones.
4. Now and then a record is of nobody, and refused.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

import loaders
from engine.live.batch import BatchOutcome, Column, LoadOutcome, ProfileBatch, Texts
from engine.model.definitions import Model, Source
from tests.differential.stream_sender import PARTITIONS, SOURCE, Rows, Stream, chosen_sets

__all__ = ["loaded_batch", "make_stream"]

T0_US = 1_700_000_000_000_000


# ------------------------------------------------------------------------------- the load


class _Recorder:
    """Takes the place of a database that is loaded, and keeps the batches."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.batches: list[ProfileBatch] = []

    def bulk_load(self, source: Source) -> Self:
        """The load."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, batch: ProfileBatch) -> BatchOutcome:
        """Keeps a batch."""
        self.batches.append(batch)
        return BatchOutcome(batch.count, [])

    def finish(self) -> LoadOutcome:
        """Nothing was changed."""
        return LoadOutcome(0, 0, 0, 0, 0, 0, 0)


def loaded_batch(model: Model, lines: Path, refused: Path) -> ProfileBatch:
    """What the source `customers` loads from a file of lines, one update for each customer."""
    recorder = _Recorder(model)
    loaders.load(recorder, SOURCE, [lines], refused=refused)  # type: ignore[arg-type]
    (batch,) = recorder.batches
    return batch


# ------------------------------------------------------------------------------ the stream


def make_stream(truth: ProfileBatch, seed: int) -> Stream:
    """A stream that says in the end what `truth` says, with one row for each customer."""
    rng = np.random.default_rng(seed)
    true_count, stale_count = rng.integers(1, 4, truth.count), rng.integers(0, 3, truth.count)
    everybody = np.arange(truth.count)
    whose = np.concatenate([everybody.repeat(true_count), everybody.repeat(stale_count)])
    is_true = np.arange(len(whose)) < true_count.sum()
    turn = np.concatenate([np.arange(n) for n in true_count] + [np.zeros(stale_count.sum(), int)])
    shuffled = rng.permutation(len(whose))
    whose, is_true, turn = whose[shuffled], is_true[shuffled], turn[shuffled]
    source = np.where(is_true, whose, rng.integers(0, truth.count, len(whose)))

    attributes = {}
    for name, column in truth.attributes.items():
        turn_of_cell = rng.integers(0, true_count)
        carries = np.where(is_true, turn == turn_of_cell[whose], rng.random(len(whose)) < 0.3)
        attributes[name] = _cells(column, source, carries)
    last = np.zeros(len(whose), bool)
    last[len(whose) - 1 - np.unique(whose[::-1], return_index=True)[1]] = True
    of_sets = np.where(last, whose, source)
    sets = {
        name: chosen_sets(column, of_sets, last | ~is_true) for name, column in truth.sets.items()
    }
    times = T0_US + rng.integers(0, 1_000, len(whose)) + 1_000 * is_true

    # Somebody else's records of nobody, anywhere in between.
    nobody = rng.random(len(whose)) < 0.01
    nobody &= ~is_true & ~last
    identifiers = {
        kind: values.take(np.where(nobody, -1, whose)) for kind, values in truth.identifiers.items()
    }
    partition = whose % len(PARTITIONS)
    offset = np.cumsum(rng.choice([1, 1, 1, 2, 50], len(whose))).astype(np.uint64)
    batch = ProfileBatch(len(whose), identifiers, attributes, sets, times=times)
    return Stream(batch, partition, offset)


def _cells(column: Column, source: Rows, carries: NDArray[np.bool_]) -> Column:
    """The cells of some rows where an update carries them; a missing one erases."""
    if isinstance(column, Texts):
        missing = ~column.values.valid
        return Texts(column.values.take(np.where(carries, source, -1)), missing[source] & carries)
    valid = column.valid[source]
    return replace(
        column, values=column.values[source], valid=valid & carries, unset=~valid & carries
    )
