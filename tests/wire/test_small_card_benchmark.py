"""A small size of `bench.card`, for its answers.

Measured: nothing; times over forty people say nothing of millions. Held: everything that it asks is
answered, in process and through gRPC, and each rate has its ratio to the empty handler's.
"""

from __future__ import annotations

from pathlib import Path

from bench.card.in_process import drawn_uids, in_process
from bench.card.through_grpc import through_grpc
from bench.card.year import year_store


def test_everything_is_asked(tmp_path: Path) -> None:
    store = year_store(tmp_path, 40)
    assert year_store(tmp_path, 40) == store
    uids = drawn_uids(store)
    assert len(set(uids)) == 40
    found = in_process(store, uids[:3])
    assert {"card, serialised", "reasons of a score", "count of a stored segment"} <= set(found)
    assert all(0 < one["p50"] <= one["p90"] for one in found.values())
    rates = through_grpc(store, tmp_path, uids, 0.05, 1)
    assert rates["of_the_empty_handler"]["empty handler"] == 1
    assert set(rates["calls_a_second"]) == {
        "bare handler",
        "empty handler",
        "Count of a stored segment",
        "GetProfile",
    }
    assert all(rates["calls_a_second"].values())
