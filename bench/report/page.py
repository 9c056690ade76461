"""One page of HTML for some results: everything is in it, and it asks nobody for anything.

python -m bench.report.page PAGE.html RESULT.json...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from bench.bandwidth import floor_us
from bench.report.plots import Bar, Line, bars, lines
from bench.report.results import Verdict, ours_us, read_result, side_title, verdicts
from bench.report.style import style
from bench.report.table import milliseconds
from bench.run import SERVED

__all__ = ["page", "write_page"]


def write_page(results: Sequence[dict[str, Any]], path: Path) -> Path:
    """Writes the page of some results."""
    path.write_text(page(results))
    return path


def page(results: Sequence[dict[str, Any]]) -> str:
    """The page as text."""
    sections = [
        part
        for result in results
        for part in (_growth(result) if result["kind"] == "growth" else _questions(result))
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<title>Strata, measured</title>",
            f"<style>{style()}</style></head><body>",
            "<h1>Strata, measured</h1>",
            *_where(results[0]),
            *sections,
            "</body></html>\n",
        ]
    )


def _where(result: dict[str, Any]) -> Iterator[str]:
    machine = result["machine"]
    memory = machine["memory_bytes"] / (1 << 30)
    packages = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    yield (
        f"<p>Commit <code>{escape(result['commit'])}</code>, {escape(result['measured_on'])}: "
        f"{escape(str(machine['processor']))} ({escape(str(machine['instructions']))}), "
        f"{machine['cores']} cores, {memory:.0f} GiB, {escape(str(machine['kernel']))}, Python "
        f"{escape(str(machine['python']))}; {escape(packages)}. Load average when it began: "
        f"{result.get('load_average', 'not noted')}.</p>"
    )
    yield (
        '<p class="soft">Times depend on the machine; ratios are taken inside one run, where each '
        "rival is asked by turns with Strata. Every answer was compared before it counted.</p>"
    )


def _questions(result: dict[str, Any]) -> Iterator[str]:
    data = result["data"]
    yield f"<h2>{data['rows']:,} people, questions with literals drawn anew</h2>"
    yield (
        f'<p class="soft">Data {data["name"]}, seed {data["seed"]}, digest <code>{data["digest"]}'
        f"</code>; medians of at least {result['settings']['rounds']} times.</p>"
    )
    yield from _goal_table(result)
    for question in result["questions"]:
        for threads in result["settings"]["threads"]:
            yield from _bars(result, question, threads)
    for skipped in result["skipped"]:
        title, reason = side_title(skipped["side"]), escape(skipped["reason"])
        yield f"<p class='soft'>Without {title}: {reason}.</p>"
    if result["bandwidth"]:
        yield from _roofline(result)


def _goal_table(result: dict[str, Any]) -> Iterator[str]:
    yield (
        "<table><tr><th>question</th><th class='n'>threads</th><th>best of</th>"
        "<th class='n'>ratio</th><th class='n'>goal</th><th></th></tr>"
    )
    for verdict in verdicts(result):
        yield _goal_row(verdict)
    yield "</table>"


def _goal_row(verdict: Verdict) -> str:
    if verdict.ratio is None:
        found, word, kind = "", "not measured", "soft"
    else:
        found = f"{verdict.ratio:.2f}"
        word, kind = ("met", "met") if verdict.met else ("not met", "not")
    who = f"{side_title(verdict.side)}, {verdict.layout}" if verdict.side else "-"
    return (
        f"<tr><td>{verdict.question}</td><td class='n'>{verdict.threads}</td><td>{escape(who)}</td>"
        f"<td class='n'>{found}</td><td class='n'>{verdict.times:g}</td>"
        f"<td class='{kind}'>{word}</td></tr>"
    )


def _bars(result: dict[str, Any], question: dict[str, Any], threads: int) -> Iterator[str]:
    name = question["name"]
    ours = ours_us(result, name, threads)
    if ours is None:
        return
    rows = [Bar("Strata", ours / 1000, f"{milliseconds(ours)} ms", ours=True)]
    for one in result["measured"]:
        if (one["question"], one["threads"]) == (name, threads):
            taken = median(one["times_us"])
            mine = one["side"] == SERVED
            label = side_title(one["side"]) + ("" if mine else f", {one['layout']}")
            text = f"{milliseconds(taken)} ms, x {one['ratio']:.1f}"
            rows.append(Bar(label, taken / 1000, text, ours=mine))
    floor = None
    if result["bandwidth"]:
        floor = floor_us(question["bytes"], threads, result["bandwidth"]) / 1000
    words = "1 thread" if threads == 1 else f"{threads} threads"
    yield f"<h3>{name}: {escape(question['words'])}, {words}</h3>"
    yield f"<figure>{bars(sorted(rows, key=lambda row: row.value), 'ms', limit=floor)}"
    if floor is not None:
        yield (
            f"<figcaption>The dashed line: {question['bytes'] / 1e6:,.1f} MB read at the bandwidth "
            f"of this machine, {floor:.3g} ms.</figcaption>"
        )
    yield "</figure>"


def _roofline(result: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Roofline</h2>"
    for threads in result["settings"]["threads"]:
        points = [one for one in result["bandwidth"] if one["threads"] == threads]
        roof = Line(
            "reading alone",
            [(one["bytes"] / 1e6, one["bytes_a_second"] / 1e9) for one in points],
            dashed=True,
        )
        series = [roof]
        for question in result["questions"]:
            ours = ours_us(result, question["name"], threads)
            if ours is not None:
                amount = question["bytes"]
                series.append(Line(question["name"], [(amount / 1e6, amount / ours / 1e3)]))
        words = "1 thread" if threads == 1 else f"{threads} threads"
        yield f"<h3>{words}</h3><figure>{lines(series, 'MB to read', 'GB a second')}"
        yield (
            "<figcaption>What each question has to read, and how fast Strata gets through it, "
            "parsing and planning included, beside reading alone.</figcaption></figure>"
        )


def _growth(result: dict[str, Any]) -> Iterator[str]:
    sizes = result["sizes"]
    yield f"<h2>Growth: {sizes[0]['rows']:,} to {sizes[-1]['rows']:,} people</h2>"
    yield (
        "<table><tr><th class='n'>people</th><th class='n'>rows a second loaded</th>"
        "<th class='n'>GB on disk</th><th class='n'>GB anonymous, loading</th>"
        "<th class='n'>threads</th><th class='n'>open, s</th><th class='n'>GB anonymous</th>"
        "<th class='n'>GB mapped</th></tr>"
    )
    for size in sizes:
        for run in size["runs"]:
            load = size["load"]
            cells = (
                f"{size['rows']:,}", f"{load['rows_a_second']:,}", _gb(load["file_bytes"]),
                _gb(load["anonymous_bytes"]), str(run["threads"]), f"{run['open_s']:.3f}",
                _gb(run["anonymous_bytes"]), _gb(run["mapped_bytes"]),
            )  # fmt: skip
            yield "<tr>" + "".join(f"<td class='n'>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"
    for place, threads in enumerate(result["settings"]["threads"]):
        series = [
            Line(
                question["name"],
                [
                    (
                        size["rows"],
                        1000 * median(size["runs"][place]["times_us"][question["name"]])
                        / size["rows"],
                    )
                    for size in sizes
                ],
            )
            for question in result["questions"]
        ]  # fmt: skip
        words = "1 thread" if threads == 1 else f"{threads} threads"
        plot = lines(series, "people", "ns for each profile")
        yield f"<h3>Time for each profile, {words}</h3><figure>{plot}</figure>"


def _gb(size: float) -> str:
    return f"{size / 1e9:,.2f}"


if __name__ == "__main__":
    write_page([read_result(Path(name)) for name in sys.argv[2:]], Path(sys.argv[1]))
