"""Results: where they are kept, and what follows from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.data.data_set import size_name
from bench.rivals import RIVALS
from bench.run import SERVED, SINGLY

__all__ = [
    "Verdict",
    "ours_us",
    "read_result",
    "result_name",
    "results_folder",
    "side_title",
    "verdicts",
    "write_result",
]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal, held against the rivals that it names, each in its best layout.

    `ratio` is that of the best of them, `side` and `layout` say which; None where none of them
    was measured with these threads.
    """

    question: str
    threads: int
    rivals: tuple[str, ...]
    times: float
    ratio: float | None
    side: str
    layout: str

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached."""
        return None if self.ratio is None else self.ratio >= self.times


def side_title(side: str) -> str:
    """The name of a side for people."""
    ours = {SERVED: "Strata through gRPC", SINGLY: "Strata, one by one"}
    return ours.get(side) or RIVALS[side].title


def results_folder(given: Path | None) -> Path:
    """Where results go: as given, else bench/results of a checkout, else the current folder."""
    if given is not None:
        return given
    checkout = (ROOT / "pyproject.toml").exists()
    return ROOT / "bench" / "results" if checkout else Path("strata-bench")


def result_name(result: dict[str, Any]) -> str:
    """people-10m-abc1234 and the like."""
    if result["kind"] == "growth":
        sizes = [size_name(one["rows"]) for one in result["sizes"]]
        return f"growth-{sizes[-1]}-{result['commit']}"
    return f"{result['data']['name']}-{result['commit']}"


def write_result(result: dict[str, Any], folder: Path) -> Path:
    """Keeps a result as JSON; each list of times on one line, so that a diff can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result_name(result)}.json"
    path.write_text(_dumped(result) + "\n")
    return path


def _dumped(value: Any, indent: str = "") -> str:
    inner = indent + "  "
    if isinstance(value, dict) and value:
        cells = [f"{inner}{json.dumps(key)}: {_dumped(one, inner)}" for key, one in value.items()]
        return "{\n" + ",\n".join(cells) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        cells = [f"{inner}{_dumped(one, inner)}" for one in value]
        return "[\n" + ",\n".join(cells) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


def read_result(path: Path) -> dict[str, Any]:
    """A result that was kept."""
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def ours_us(result: dict[str, Any], question: str, threads: int) -> float | None:
    """Our median in process, in microseconds."""
    for one in result["ours"]:
        if (one["question"], one["threads"]) == (question, threads):
            return float(median(one["times_us"]))
    return None


def verdicts(result: dict[str, Any]) -> Iterator[Verdict]:
    """Every goal of every question, for each number of threads."""
    for question in result["questions"]:
        for threads in result["settings"]["threads"]:
            measured = [
                one
                for one in result["measured"]
                if (one["question"], one["threads"]) == (question["name"], threads)
            ]
            for goal in question["goals"]:
                named = tuple(goal["rivals"])
                rivals = [one for one in measured if one["side"] in named]
                best = min(rivals, key=lambda one: float(one["ratio"]), default=None)
                yield Verdict(
                    question["name"],
                    threads,
                    named,
                    goal["times"],
                    None if best is None else best["ratio"],
                    "" if best is None else best["side"],
                    "" if best is None else best["layout"],
                )
