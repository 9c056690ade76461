"""Questions about events in Polars: a frame for each type, in the order of people (`by_person`) or
of time (`by_time`); sequences by an as-of join.

The next of the second step after each of the first is all that matters, since what is within the
days at all has it within them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bench.questions import Answer, AnyOf, Did, Draw, Followed, Spent
from bench.rivals.rival import EventRival, codes_of, read_columns, read_events
from bench.rivals.sql import DAY_US, order_of

__all__ = ["PolarsEvents"]


class PolarsEvents(EventRival):
    """Data frames in memory."""

    def __init__(self, layout: str, threads: int) -> None:
        super().__init__(layout, threads)
        self._pl: Any = import_module("polars")
        assert self._pl.thread_pool_size() == threads, "threads are set when Polars starts"

    def load(self, files: Sequence[Path]) -> None:
        """The stage of everybody, by number."""
        stages = np.concatenate([columns["stage"] for columns in read_columns(files)])
        rows = np.arange(len(stages), dtype=np.uint32)
        self._people = self._pl.DataFrame({"row": rows, "stage": stages}).lazy()

    def load_events(self, files: Mapping[str, Sequence[Path]]) -> None:
        """A frame for each type."""
        self._events = {}
        for kind, paths in files.items():
            frames = [self._pl.DataFrame(columns) for columns in read_events(paths)]
            whole = self._pl.concat(frames, rechunk=True)
            order = order_of(self.layout).split(", ")
            self._events[kind] = whole.sort(order).set_sorted(order[0]).lazy()

    def ask(self, draw: Draw) -> Answer:
        """The count."""
        pl = self._pl
        return int(self._found(draw).select(pl.len()).collect().item())

    def _found(self, draw: Draw) -> Any:
        pl = self._pl
        assert draw.as_of_us is not None
        now = draw.as_of_us
        match draw.audiences[0]:
            case (Did(event, days, times), AnyOf() as among):
                people = self._people.filter(pl.col("stage").is_in(codes_of(among)))
                counted = self._within(event, now - days * DAY_US).group_by("row").agg(pl.len())
                return counted.filter(pl.col("len") >= times).join(people, on="row", how="semi")
            case (Did("order", days, times), Spent(_, amount)):
                orders = self._within("order", now - days * DAY_US).group_by("row")
                summed = orders.agg(pl.len(), pl.col("amount").cast(pl.Int64).sum())
                return summed.filter((pl.col("len") >= times) & (pl.col("amount") > amount))
            case (Followed(first, second, within, days),):
                return self._sequence(first, second, within * DAY_US, now - days * DAY_US)
            case other:
                raise AssertionError(f"no way to ask {other}")

    def _within(self, event: str, after_us: int) -> Any:
        return self._events[event].filter(self._pl.col("time") > after_us)

    def _sequence(self, first: str, second: str, within_us: int, after_us: int) -> Any:
        pl = self._pl
        # An as-of join wants both in the order of time, and takes equal times, too.
        begun = self._within(first, after_us).select("row", (pl.col("time") + 1).alias("time"))
        ended = self._events[second].with_columns(pl.col("time").alias("then"))
        if self.layout == "by_person":
            begun, ended = begun.sort("time"), ended.sort("time")
        joined = begun.join_asof(
            ended, on="time", by="row", strategy="forward", check_sortedness=False
        )
        return joined.filter(pl.col("then") < pl.col("time") + within_us).select("row").unique()
