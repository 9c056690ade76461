"""Our engine in a process of its own, which answers what comes over a pipe.

    python engine_side.py FILE_DESCRIPTOR

It imports the engine and the loaders and nothing else of the project, and runs as a file, so that
`make bench-compare` can run it over the engine of another commit: PYTHONPATH says which.

A request is a tuple of a name below and its arguments; the answer is what the function of that
name gives, or an error's text. What is measured is one call, from text to answer.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from engine.database import Database
from loaders import load

__all__ = ["Engine"]


class Engine:
    """The requests, by name; times are in nanoseconds."""

    def __init__(self) -> None:
        self._database: Database | None = None

    def make(
        self, store: str, model: str, loads: list[tuple[str, list[str]]]
    ) -> list[dict[str, Any]]:
        """A new store with what is in the files of each source; what each load took."""
        loaded = []
        with Database.create(Path(store)) as database:
            database.apply_model({"model.yaml": model})
            for source, files in loads:
                started = time.perf_counter()
                summary = load(database, source, [Path(file) for file in files])
                taken_s = time.perf_counter() - started
                loaded.append({"accepted": summary.accepted, "seconds": taken_s})
            started = time.perf_counter()
        loaded[-1]["close_seconds"] = time.perf_counter() - started
        return loaded

    def apply_model(self, store: str, model: str) -> None:
        """Gives a store another model."""
        with Database.open(Path(store)) as database:
            database.apply_model({"model.yaml": model})

    def open(self, store: str, threads: int) -> dict[str, Any]:
        """Opens a store for reading; the time until it is open, and until it gave a first count."""
        self.close()
        started = time.perf_counter()
        self._database = Database.open(Path(store), read_only=True, threads=threads)
        opened_s = time.perf_counter() - started
        self._database.count("stage is present")
        # What belongs to this process for good is not looked at again while it answers.
        gc.collect()
        gc.freeze()
        return {"open_s": opened_s, "first_count_s": time.perf_counter() - started}

    def count(
        self, texts: list[str], group_by: str | None, as_of_us: int | None = None
    ) -> tuple[Any, int]:
        """A count, or counts by group, of the one text."""
        assert self._database is not None
        (text,) = texts
        started = time.perf_counter_ns()
        result = self._database.count(text, group_by=group_by, as_of_us=as_of_us)
        answer = result.count if group_by is None else dict(result.groups or {})
        return answer, time.perf_counter_ns() - started

    def count_many(self, texts: list[str]) -> tuple[list[int], int]:
        """Counts of many texts by one call."""
        assert self._database is not None
        started = time.perf_counter_ns()
        answer = [result.count for result in self._database.count_many(texts)]
        return answer, time.perf_counter_ns() - started

    def count_singly(self, texts: list[str]) -> tuple[list[int], int]:
        """Counts of many texts by one call for each."""
        assert self._database is not None
        started = time.perf_counter_ns()
        answer = [self._database.count(text).count for text in texts]
        return answer, time.perf_counter_ns() - started

    def close(self) -> None:
        """Closes the store, if one is open."""
        if self._database is not None:
            self._database.close()
            self._database = None


def _main() -> None:
    pipe: Connection[Any, Any] = Connection(int(sys.argv[1]))
    engine = Engine()
    while True:
        try:
            name, arguments = pipe.recv()
        except EOFError:
            engine.close()
            # At once: libraries that say goodbye on stderr would spoil the table.
            os._exit(0)
        try:
            request: Callable[..., Any] = getattr(engine, name)
            pipe.send((request(*arguments), None))
        except Exception as error:
            pipe.send((None, f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    _main()
