"""The figures in the README, made from a result.

    python -m bench.report.readme bench/results/NAME.json

writes them between two markers; the first names the result, and a tidy test compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench.report.results import ours_us, read_result, side_title, verdicts
from bench.report.table import milliseconds, named
from bench.rivals import RIVALS
from bench.run import SERVED, SINGLY

__all__ = ["figures", "marked", "replaced"]

ROOT = Path(__file__).resolve().parents[2]
END = "<!-- end of figures -->"
MARKED = re.compile(r"<!-- figures: (\S+) -->\n(.*?)" + re.escape(END), re.DOTALL)
THREADS = 1
# A load average, taken when a run begins, that a reader should know of.
BUSY = 0.7
SIDES = (SINGLY, *RIVALS)


def marked(readme: str) -> tuple[str, str]:
    """The result that a README names, and what it says of it."""
    found = MARKED.search(readme)
    if found is None:
        raise ValueError("the README has no markers for figures")
    return found[1], found[2]


def replaced(readme: str, name: str, result: dict[str, Any]) -> str:
    """The README with the figures of a result."""
    marked(readme)
    text = f"<!-- figures: {name} -->\n{figures(result)}{END}"
    return MARKED.sub(lambda _: text, readme, count=1)


def figures(result: dict[str, Any]) -> str:
    """What stands between the markers."""
    machine, data = result["machine"], result["data"]
    memory = machine["memory_bytes"] / (1 << 30)
    sides = [side for side in SIDES if any(one["side"] == side for one in result["measured"])]
    load = result.get("load_average", 0)
    busy = f" The load average was {load:g} when the run began." if load > BUSY else ""
    lines = [
        f"{data['rows']:,} profiles, one thread, on {machine['cores']} cores "
        f"({machine['processor']}) with {memory:.0f} GiB, commit {result['commit']}. Medians in "
        "milliseconds from text to count, literals drawn anew each time; of each rival its faster "
        f"layout and how many times as long it takes.{busy}",
        "",
        "| question | Strata | through gRPC | " + " | ".join(map(side_title, sides)) + " | goal |",
        "| --- | ---: | ---: |" + " ---: |" * len(sides) + " --- |",
        *(_row(result, question, sides) for question in result["questions"]),
        "",
    ]
    skipped = [side_title(one["side"]) for one in result["skipped"]]
    if skipped:
        lines += [f"Not installed, so not asked: {', '.join(skipped)}.", ""]
    return "\n".join(lines)


def _row(result: dict[str, Any], question: dict[str, Any], sides: list[str]) -> str:
    name = question["name"]
    ours = ours_us(result, name, THREADS)
    assert ours is not None, "every result has our own times"
    served = _best(result, name, SERVED)
    cells = [
        f"{name}: {question['words']}",
        milliseconds(ours),
        "" if served is None else milliseconds(median(served["times_us"])),
    ]
    for side in sides:
        best = _best(result, name, side)
        taken = "" if best is None else milliseconds(median(best["times_us"]))
        cells.append("" if best is None else f"{taken} ({best['ratio']:.1f}x)")
    cells.append("; ".join(_goals(result, name)))
    return f"| {' | '.join(cells)} |"


def _best(result: dict[str, Any], question: str, side: str) -> dict[str, Any] | None:
    found = [
        one
        for one in result["measured"]
        if (one["question"], one["side"], one["threads"]) == (question, side, THREADS)
    ]
    return min(found, key=lambda one: float(one["ratio"]), default=None)


def _goals(result: dict[str, Any], question: str) -> Iterator[str]:
    for verdict in verdicts(result):
        if (verdict.question, verdict.threads) == (question, THREADS):
            who = named(verdict) if len(verdict.rivals) == 1 else "the best table"
            word = {True: "met", False: "not met", None: "not measured"}[verdict.met]
            yield f"{verdict.times:g}x {who}: {word}"


def _main() -> None:
    path = Path(sys.argv[1]).resolve()
    readme = ROOT / "README.md"
    name = str(path.relative_to(ROOT))
    readme.write_text(replaced(readme.read_text(), name, read_result(path)))


if __name__ == "__main__":
    _main()
