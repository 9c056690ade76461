"""The rivals: who they are, and in which layouts each is given the same data.

A rival is loaded before anything is measured. Categories are codes of a byte, since no rival
answers faster from text or enumerations; a missing value is one that no condition reaches.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["RIVALS", "Layout", "RivalKind", "missing_package"]

COUNTS = ("Q1", "Q2", "Q3", "Q7")
TABLES = (*COUNTS, "Q6")
OF_EVENTS = ("Q4", "Q5", "Q8")


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout of the data: the questions that it is asked, and the class that has it.

    `events` tells whether it holds what people did.
    """

    questions: tuple[str, ...]
    module: str
    class_name: str
    events: bool = False


@dataclass(frozen=True, slots=True)
class RivalKind:
    """A rival: the package it comes in, and its layouts.

    `threads` tells whether it can use several; `fixed_threads`, that it must be told when it
    starts, by `threads_variable`.
    """

    name: str
    title: str
    package: str
    layouts: Mapping[str, Layout]
    threads: bool = True
    threads_variable: str = ""


def _layouts(module: str, class_name: str, **questions: tuple[str, ...]) -> dict[str, Layout]:
    return {
        layout: Layout(asked, f"bench.rivals.{module}", class_name)
        for layout, asked in questions.items()
    }


def _of_events(module: str, class_name: str) -> dict[str, Layout]:
    """Events in the order of people and then of time, or of time alone."""
    return {
        layout: Layout(OF_EVENTS, f"bench.rivals.{module}", class_name, events=True)
        for layout in ("by_person", "by_time")
    }


_ALL = (
    RivalKind(
        "polars",
        "Polars",
        "polars",
        _layouts("in_polars", "PolarsRival", bools=(*TABLES, "Q9"), list=TABLES)
        | _of_events("events_in_polars", "PolarsEvents"),
        threads_variable="POLARS_MAX_THREADS",
    ),
    RivalKind(
        "duckdb",
        "DuckDB",
        "duckdb",
        _layouts("in_duckdb", "DuckDBRival", bools=TABLES, bits=TABLES)
        | _of_events("events_in_duckdb", "DuckDBEvents"),
    ),
    RivalKind(
        "clickhouse",
        "ClickHouse (chDB)",
        "chdb",
        _layouts("in_clickhouse", "ClickHouseRival", columns=TABLES, bitmaps=("Q1", "Q3"))
        | _of_events("events_in_clickhouse", "ClickHouseEvents"),
    ),
    RivalKind(
        "pyroaring",
        "pyroaring",
        "pyroaring",
        _layouts("in_pyroaring", "PyroaringRival", bitmaps=("Q1", "Q3")),
        threads=False,
    ),
    RivalKind(
        "numpy",
        "numpy",
        "numpy",
        _layouts("in_numpy", "NumpyRival", bytes=COUNTS, bits=COUNTS),
        threads=False,
    ),
)
RIVALS: Mapping[str, RivalKind] = {kind.name: kind for kind in _ALL}


def missing_package(kind: RivalKind) -> str | None:
    """Why a rival cannot be asked here, or None."""
    if importlib.util.find_spec(kind.package) is None:
        return f"{kind.package} is not installed (pip install 'strata-engine[bench]')"
    return None
