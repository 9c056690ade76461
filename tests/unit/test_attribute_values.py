"""What rows have beside whole numbers, against what was sent: rows of two blocks, some without."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from engine.columns.hashing import xxh64
from engine.live.attribute_values import buckets_of, floats_of, strings_of
from engine.live.row_names import uids_of
from engine.model.definitions import Attribute
from tests.event_stores import event_batch
from tests.moving_events import EventDatabase

COUNT = (1 << 16) + 40
WEIGHTS = {3: 0.5, 700: -2.25, (1 << 16) + 2: 7.0}
STAGES = {0: "x", 3: "y", 65_535: "x", (1 << 16) + 7: "\u00e4\u4e2d"}
ROWS = np.array([0, 3, 699, 700, 40_000, 65_535, 65_536, 65_538, 65_543, COUNT - 1], np.uint32)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventDatabase]:
    made = EventDatabase(tmp_path_factory.mktemp("values") / "store", {})
    model = made.database.model
    assert model is not None
    with made.database.bulk_load(model.sources["crm"]) as bulk:
        bulk.add(event_batch([{"member": f"m{number}"} for number in range(COUNT)], model))
        bulk.finish()
    made.send(*({"member": f"m{row}", "weight": weight} for row, weight in WEIGHTS.items()))
    made.send(*({"member": f"m{row}", "stage": stage} for row, stage in STAGES.items()))
    # Columns of the disk end with the last row that has a value.
    made.reopen()
    yield made
    made.close()


def test_floats_and_strings(live: EventDatabase) -> None:
    with live.database._store.snapshot() as snapshot:
        doubles, present = floats_of(snapshot, Attribute("weight", "float"), ROWS)
        assert doubles.tolist() == [WEIGHTS.get(row, 0.0) for row in ROWS.tolist()]
        assert present.tolist() == [row in WEIGHTS for row in ROWS.tolist()]
        strings, there = strings_of(snapshot, Attribute("stage", "category"), ROWS)
        assert strings.tolist() == [STAGES.get(row, 0) for row in ROWS.tolist()]
        assert there.tolist() == [row in STAGES for row in ROWS.tolist()]


def test_nobody_has_what_was_never_declared(live: EventDatabase) -> None:
    with live.database._store.snapshot() as snapshot:
        for found in (floats_of, strings_of):
            kind = "float" if found is floats_of else "category"
            _, present = found(snapshot, Attribute("other", kind), ROWS)
            assert not present.any()


def test_buckets(live: EventDatabase) -> None:
    with live.database._store.snapshot() as snapshot:
        seed = xxh64(b"salt", 0)
        expected = [xxh64(uid.tobytes(), seed) % 10_000 for uid in uids_of(snapshot, ROWS)]
        assert buckets_of(snapshot, "salt", ROWS).tolist() == expected
