"""What a result was measured on: commit, machine, versions; nothing that names the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np

__all__ = ["commit", "cores", "fixed_work_ms", "machine", "versions"]

ROOT = Path(__file__).resolve().parents[1]
CHANGED = "+"
# The piece of work: for the interpreter, and for caches.
WORK_LOOPS = 300_000
WORK_SORTED = 300_000
WORK_TIMES = 21
PACKAGES = ("chdb", "chdb-core", "duckdb", "lmdb", "numpy", "polars", "pyarrow", "pyroaring")


def commit() -> str:
    """The commit of this checkout, with CHANGED where files differ from it; outside of one the
    version."""
    if not (ROOT / ".git").exists():
        return f"v{importlib.metadata.version('strata-engine')}"
    short = _git("rev-parse", "--short", "HEAD")
    # Results that were just written do not make it another program.
    changed = _git("status", "--porcelain", "--", ".", ":!bench/results", ":!README.md")
    return short + (CHANGED if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def machine() -> dict[str, str | int]:
    """Processor, cores, memory, kernel and interpreter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    kinds = ("avx2", "avx512f", "avx512bw", "avx512vbmi", "avx512_vpopcntdq", "asimd", "sve")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": facts.get("model name") or platform.machine(),
        "instructions": " ".join(flag for flag in kinds if flag in flags),
        "cores": cores(),
        "memory_bytes": pages,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def fixed_work_ms() -> float:
    """What the same piece of work takes of one core just now, in ms, the median of some: others on
    the machine may make a core half as fast from one hour to the next."""
    numbers = np.random.default_rng(7).permutation(WORK_SORTED)
    taken = []
    for _ in range(WORK_TIMES):
        began = time.thread_time()
        sum(number & 7 for number in range(WORK_LOOPS))
        np.sort(numbers)
        taken.append(1000 * (time.thread_time() - began))
    return round(statistics.median(taken), 1)


def versions() -> dict[str, str]:
    """Versions of what is measured and measured against, where it is installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
