"""Results as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from rich.table import Table
from rich.text import Text

from bench.bandwidth import floor_us
from bench.report.results import Verdict, ours_us, side_title, verdicts

__all__ = ["growth_tables", "milliseconds", "named", "question_table", "verdict_lines"]

GOOD, BAD = "green", "red"


def milliseconds(us: float) -> str:
    """Three digits that count."""
    ms = us / 1000
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.{1 if ms >= 10 else 2 if ms >= 1 else 3}f}"


def question_table(result: dict[str, Any]) -> Table:
    """Every question, ours first, then the rivals; ratios are to our times in the same minutes."""
    data, machine = result["data"], result["machine"]
    table = Table(title=f"{data['rows']:,} people, {machine['cores']} cores, {result['commit']}")
    for name in ("question", "engine", "layout", "threads"):
        table.add_column(name)
    for name in ("median ms", "ratio to ours", "goal"):
        table.add_column(name, justify="right")
    table.add_column("")
    for question in result["questions"]:
        for threads in result["settings"]["threads"]:
            _add(table, result, question, threads)
        table.add_section()
    return table


def _add(table: Table, result: dict[str, Any], question: dict[str, Any], threads: int) -> None:
    name = question["name"]
    ours = ours_us(result, name, threads)
    if ours is None:
        return
    table.add_row(name, "Strata", "in process", str(threads), milliseconds(ours), "1", "", "")
    if result["bandwidth"]:
        floor = floor_us(question["bytes"], threads, result["bandwidth"])
        share = f"{floor / ours:.2f}"
        table.add_row("", "reading alone", "", str(threads), milliseconds(floor), share, "", "")
    decided = {
        (verdict.side, verdict.layout): verdict.times
        for verdict in verdicts(result)
        if (verdict.question, verdict.threads) == (name, threads)
    }
    for one in result["measured"]:
        if (one["question"], one["threads"]) != (name, threads):
            continue
        # A goal stands beside the rival that it is decided by.
        goal = decided.get((one["side"], one["layout"]))
        word = Text("") if goal is None else _word(one["ratio"] >= goal)
        table.add_row(
            "",
            side_title(one["side"]),
            one["layout"],
            str(threads),
            milliseconds(median(one["times_us"])),
            f"{one['ratio']:.2f}",
            "" if goal is None else f"{goal:g}",
            word,
        )


def _word(met: bool) -> Text:
    return Text("met", style=GOOD) if met else Text("not met", style=BAD)


def verdict_lines(result: dict[str, Any]) -> Iterator[Text]:
    """Each goal in one line."""
    for verdict in verdicts(result):
        yield Text.assemble(*_verdict(verdict))


def _verdict(verdict: Verdict) -> tuple[str | tuple[str, str], ...]:
    threads = f"{verdict.threads} thread{'s' if verdict.threads > 1 else ''}"
    head = f"{verdict.question}, {threads}: goal {verdict.times:g} times {named(verdict)}; "
    if verdict.ratio is None:
        return (head + "not measured",)
    found = f"{verdict.ratio:.2f} ({side_title(verdict.side)}, {verdict.layout}): "
    return head + found, ("met", GOOD) if verdict.met else ("not met", BAD)


def named(verdict: Verdict) -> str:
    """Whom a goal is about, in words."""
    few = len(verdict.rivals) == 1
    return (
        side_title(verdict.rivals[0])
        if few
        else "the best of " + ", ".join(side_title(side) for side in verdict.rivals)
    )


def growth_tables(result: dict[str, Any]) -> Iterator[Table]:
    """Loading and memory by size, and the time for each profile."""
    made = Table(title=f"Growth, {result['commit']}")
    for name in (
        "people", "rows a second", "file MB", "MB anonymous while loading", "open s", "threads",
        "MB anonymous", "MB mapped",
    ):  # fmt: skip
        made.add_column(name, justify="right")
    for size in result["sizes"]:
        for run in size["runs"]:
            load = size["load"]
            figures = (
                f"{size['rows']:,}", f"{load['rows_a_second']:,}", _mb(load["file_bytes"]),
                _mb(load["anonymous_bytes"]), f"{run['open_s']:.3f}", str(run["threads"]),
                _mb(run["anonymous_bytes"]), _mb(run["mapped_bytes"]),
            )  # fmt: skip
            made.add_row(*figures)
    yield made
    each = Table(title="Nanoseconds for each profile")
    each.add_column("question")
    each.add_column("threads", justify="right")
    for size in result["sizes"]:
        each.add_column(f"{size['rows']:,}", justify="right")
    each.add_column("last to the one before", justify="right")
    for question in result["questions"]:
        for place, threads in enumerate(result["settings"]["threads"]):
            each_ns = [
                1000 * median(size["runs"][place]["times_us"][question["name"]]) / size["rows"]
                for size in result["sizes"]
            ]
            grown = f"{each_ns[-1] / each_ns[-2]:.2f}" if len(each_ns) > 1 else ""
            cells = [f"{ns:.3f}" for ns in each_ns]
            each.add_row(question["name"], str(threads), *cells, grown)
    yield each


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f}"
