"""Which kernels are chosen, and that programs count the same with each of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.core import kernels
from tests.worlds import World

TABLES = kernels.tables()
SEED, ROWS = 11, 70_001


def asked(path: Path, simd: str | None) -> subprocess.CompletedProcess[str]:
    """Programs counted in a process with this STRATA_SIMD; None leaves it unset."""
    environment = {key: value for key, value in os.environ.items() if key != "STRATA_SIMD"}
    if simd is not None:
        environment["STRATA_SIMD"] = simd
    command = [sys.executable, "-m", "tests.counted_programs", str(path), str(SEED), str(ROWS)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_names() -> None:
    """From plain to wide; the empty name is the widest, and no other is taken for a name."""
    assert TABLES[0] == "portable"
    assert [name for name in ("portable", "avx2", "avx512") if name in TABLES] == TABLES
    full = np.full(1024, 2**64 - 1, np.uint64)
    for name in ("", *TABLES):
        assert kernels.combine(name, "count", full, full) == 65_536
    for name in ("p", "portabl", "portable2", "avx", "avx22", "avx51", "AVX2", "neon", "q"):
        with pytest.raises(KeyError):
            kernels.combine(name, "count", full, full)


def test_every_table_that_the_processor_has() -> None:
    """What the kernel of Linux says of the processor decides which tables there are."""
    flags = Path("/proc/cpuinfo").read_text().replace("\n", " ").split(" ")
    avx2 = {"avx2", "bmi1", "bmi2", "popcnt"}
    avx512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vbmi", "avx512_vbmi2"}
    wanted = {
        "portable": set[str](),
        "avx2": avx2,
        "avx512": avx2 | avx512 | {"avx512_vpopcntdq"},
    }
    assert [name for name, needed in wanted.items() if needed <= set(flags)] == TABLES


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one world."""
    path = tmp_path_factory.mktemp("dispatch") / "store"
    World(SEED, ROWS).fill(path).close()
    return path


def test_each_table_counts_the_same(path: Path) -> None:
    """Random programs in one process for each table; the widest is chosen by itself."""
    results: dict[str | None, Any] = {}
    for simd in (*TABLES[:-1], None):
        result = asked(path, simd)
        assert result.returncode == 0, result.stderr
        results[simd] = json.loads(result.stdout)
        assert results[simd]["kernels"] == (simd or TABLES[-1])
    widest = results[None]["answers"]
    assert any(one["count"] for one in widest)
    for simd, result in results.items():
        for one, other in zip(result["answers"], widest, strict=True):
            assert one == other, f"STRATA_SIMD={simd}"


def test_a_name_that_is_not_there_is_refused(path: Path) -> None:
    """The message names what could be asked for."""
    result = asked(path, "avx")
    assert result.returncode
    assert f"STRATA_SIMD is 'avx', and this processor and build have {', '.join(TABLES)};" in (
        result.stderr
    )
