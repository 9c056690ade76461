"""A measurement as somebody sees it: progress while it runs, then tables, a result and a page."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.growth import growth
from bench.report.page import write_page
from bench.report.results import results_folder, write_result
from bench.report.table import growth_tables, question_table, verdict_lines
from bench.rivals import RIVALS, missing_package
from bench.run import Tell, Wanted, run

__all__ = ["measure_growth", "measure_questions"]

# Of what is printed into a file; a table needs it.
WIDTH = 110


def measure_questions(wanted: Wanted, out: Path | None, *, as_json: bool = False) -> None:
    """Every question beside the rivals; what was found goes to stdout, into JSON and a page."""
    _say_who_is_missing(wanted)
    with _progress() as tell:
        result = run(wanted, tell)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        console.print(question_table(result))
        for line in verdict_lines(result):
            console.print(line)
    _keep(result, out)


def measure_growth(
    wanted: Wanted, sizes: Sequence[int], out: Path | None, *, as_json: bool = False
) -> None:
    """The same for our engine alone, over several sizes."""
    with _progress() as tell:
        result = growth(wanted, sizes, tell)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        for table in growth_tables(result):
            console.print(table)
    _keep(result, out)


def _keep(result: dict[str, Any], out: Path | None) -> None:
    path = write_result(result, results_folder(out))
    page = write_page([result], path.with_suffix(".html"))
    print(f"Written to {path} and {page.name} beside it.", file=sys.stderr)


def _say_who_is_missing(wanted: Wanted) -> None:
    missing = [kind.title for kind in RIVALS.values() if missing_package(kind) is not None]
    if missing and not set(wanted.rivals) - {kind.name for kind in RIVALS.values()}:
        print(
            f"{' and '.join(missing)} will be left out: not installed. For all rivals, in the "
            "versions that results are compared in: pip install 'strata-engine[bench]', or "
            "'.[bench]' in a checkout.",
            file=sys.stderr,
        )


@contextlib.contextmanager
def _progress() -> Iterator[Tell]:
    """What is being done: one line that changes on a terminal, a line each elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines().tell
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=1.0)
    with bar:
        yield lambda doing, share: bar.update(task, description=doing, completed=share)


class _Lines:
    """Says what is being done once."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, doing: str, share: float) -> None:
        if doing != self._last:
            print(doing, file=sys.stderr, flush=True)
        self._last = doing
