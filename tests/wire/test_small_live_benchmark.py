"""A small size of `bench.live`, for what it checks: that what is kept is what definitions say.

Measured: nothing. Held: records are accepted, watchers are told, and every figure is written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.machine import ROOT

PROFILES, SEGMENTS = 3_000, 20


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What one command writes, by what was measured and in which form."""
    folder = tmp_path_factory.mktemp("live-bench")
    sizes = ["--size", str(PROFILES), "--segments", str(SEGMENTS), "--rows", "100"]
    times = ["--seconds", "0.5", "--warm-up", "0.2"]
    asked = ["--what", "events,month", "--data", str(folder), "--out", str(folder)]
    command = [sys.executable, "-m", "bench.live", *sizes, *times, *asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = [json.loads(path.read_text()) for path in folder.glob("live-*.json")]
    assert not list(folder.glob("live-*/")), "copies of stores are gone"
    return {f"{one['what']} {one['form']}": one for one in written}


@pytest.mark.parametrize("form", ["arrow", "rows"])
def test_loads(results: dict[str, dict[str, Any]], form: str) -> None:
    found = results[f"events {form}"]
    assert found["profiles"] == PROFILES and found["segments_checked"] == SEGMENTS
    assert found["stats"]["segments_kept"] == SEGMENTS
    assert found["stats"]["events"] > 3 * PROFILES
    for load in ("full", "beside_scans", "half"):
        assert found[load]["rows"] >= 100 and found[load]["ack_ms"]["p99"] > 0
    assert found["beside_scans"]["scans"] > 0 and found["half"]["visible_ms"]
    assert found["half"]["disk_alone_ms"]["p99"] > 0
    killed = found["killed"]
    assert killed["batches"] > 0 and killed["replayed_rows"] >= 100
    assert killed["serving_s"] > 0 and killed["empty_start_s"] > 0


def test_a_months_end(results: dict[str, dict[str, Any]]) -> None:
    found = results["month engine"]
    assert found["segments_checked"] == SEGMENTS and found["seconds"] > 0
    assert found["tick_rows_evaluated"] >= found["sizes_changed_by"] > 0
    assert found["others_before"]["writes"] > 0 and found["others_meanwhile"]["writes"] > 0
