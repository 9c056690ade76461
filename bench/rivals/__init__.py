"""The rivals: who they are, and in which layouts each is given the same data.

A rival is loaded before anything is measured. Categories are codes of a byte, since no rival
answers faster from text or enumerations; a missing value is one that no condition reaches.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["RIVALS", "RivalKind", "missing_package"]

COUNTS = ("Q1", "Q2", "Q3", "Q7")


@dataclass(frozen=True, slots=True)
class RivalKind:
    """A rival: its module and class in this package, the package it comes in, and its layouts,
    each with the questions that it is asked.

    `threads` tells whether it can use several; `fixed_threads`, that it must be told when it
    starts, by `threads_variable`.
    """

    name: str
    title: str
    package: str
    module: str
    class_name: str
    layouts: Mapping[str, tuple[str, ...]]
    threads: bool = True
    threads_variable: str = ""


_ALL = (
    RivalKind(
        "polars",
        "Polars",
        "polars",
        "bench.rivals.in_polars",
        "PolarsRival",
        {"bools": (*COUNTS, "Q9"), "list": ("Q1", "Q2", "Q3", "Q7")},
        threads_variable="POLARS_MAX_THREADS",
    ),
    RivalKind(
        "duckdb",
        "DuckDB",
        "duckdb",
        "bench.rivals.in_duckdb",
        "DuckDBRival",
        {"bools": COUNTS, "bits": COUNTS},
    ),
    RivalKind(
        "clickhouse",
        "ClickHouse (chDB)",
        "chdb",
        "bench.rivals.in_clickhouse",
        "ClickHouseRival",
        {"columns": COUNTS, "bitmaps": ("Q1", "Q3")},
    ),
    RivalKind(
        "pyroaring",
        "pyroaring",
        "pyroaring",
        "bench.rivals.in_pyroaring",
        "PyroaringRival",
        {"bitmaps": ("Q1", "Q3")},
        threads=False,
    ),
    RivalKind(
        "numpy",
        "numpy",
        "numpy",
        "bench.rivals.in_numpy",
        "NumpyRival",
        {"bytes": COUNTS, "bits": COUNTS},
        threads=False,
    ),
)
RIVALS: Mapping[str, RivalKind] = {kind.name: kind for kind in _ALL}


def missing_package(kind: RivalKind) -> str | None:
    """Why a rival cannot be asked here, or None."""
    if importlib.util.find_spec(kind.package) is None:
        return f"{kind.package} is not installed (pip install 'strata-engine[bench]')"
    return None
