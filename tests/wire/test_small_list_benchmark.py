"""A small size of `bench.lists`, for its answers.

Measured: nothing; times over some thousand people say nothing of millions. Held: what it finds
follows from the data alone, the server brings the same, and something else stops the run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.data.data_set import people
from bench.data.stores import stored
from bench.failure import BenchFailed
from bench.lists.measure import in_process, through_grpc
from bench.served import served


def _silent(doing: str, share: float) -> None:
    """Nobody waits for so few."""


def test_the_server_brings_what_is_found_in_process(tmp_path: Path) -> None:
    store = stored(people(tmp_path, 3_000, tell=_silent), tell=_silent).path
    found, expected = in_process(store, 2)
    print(f"answers {expected.roaring:08x}")
    assert (expected.count, expected.roaring) == (1_493, 0x45A00E8F)
    assert all(found.values())
    with served(store, 1) as server:
        arrived = through_grpc(server.address, 2, expected)
        assert all(arrived.values())
        with pytest.raises(BenchFailed, match="Other members"):
            through_grpc(server.address, 1, replace(expected, uids=expected.uids ^ 1))
        # What it froze is gone again.
        assert through_grpc(server.address, 1, expected)
