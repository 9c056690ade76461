"""Two commits, the same questions, by turns: `make bench-compare BASE=COMMIT`.

    python -m bench.compare BASE [--size 1m] [--questions Q1,Q2] [--threads 1] [--rounds 15]

1. BASE is checked out and built in a folder of its own; what is measured against it is this
   checkout, as it stands. Each loads the same data into a store with its own loaders.
2. Both engines run at once, each in its process, and every draw is asked of one right after the
   other; who comes first changes each time. A pair of times of one draw gives one ratio.
3. The median ratio is printed with an interval that holds it with 95% (from order statistics,
   which asks nothing of how times are distributed).
4. Where the whole interval lies beyond 3% on either side, the question is asked again, with new
   draws; only what both rounds say is called a regression or a gain.

The exit status is 1 where a regression was confirmed. Where the commits answer a question
differently nothing is said of its times.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.data.data_set import data_folder, people, read_size
from bench.data.stores import ENGINE_SIDE, stored
from bench.failure import BenchFailed
from bench.machine import ROOT, commit
from bench.match import Answers, Ask, ask_engine
from bench.questions import Question
from bench.report.table import milliseconds
from bench.run import Tell, Wanted
from bench.sides.process import Side

__all__ = ["Compared", "built", "compare", "interval", "paired", "verdict"]

# What a repeated measurement of one and the same build differs by.
TOLERATED = 0.03
# A round is that many pairs: enough for an interval of 95%, and one bad moment is none of it.
ROUNDS = 25
WARM_UP = 3
TREES = ROOT / "build" / "compare"


@dataclass(frozen=True, slots=True)
class Compared:
    """One question in one number of threads: medians, and the ratio of this commit to BASE with
    its interval. Above 1 this commit takes longer. `again` is the second round, if one was asked.
    """

    question: str
    threads: int
    base_us: float
    this_us: float
    ratio: float
    low: float
    high: float
    again: Compared | None = None


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Bounds that hold the median of what the values are drawn from, with at least 95%.

    The k-th least and the k-th greatest, with the largest k for which a binomial of n fair coins
    is below k with at most 2.5%. Raises ValueError below six values, for which there is none.
    """
    ordered = sorted(values)
    count = len(ordered)
    k, below = 0, 0.0
    while True:
        below += math.comb(count, k) / 2**count
        if below > 0.025:
            break
        k += 1
    if k == 0:
        raise ValueError("an interval of 95% needs six values at least")
    return ordered[k - 1], ordered[-k]


def verdict(compared: Compared) -> str:
    """`regression` or `gain` where both rounds say so, `unconfirmed` where one does."""
    first = _says(compared)
    if not first:
        return "no difference"
    if compared.again is None:
        return "unconfirmed"
    return first if _says(compared.again) == first else "unconfirmed"


def _says(compared: Compared) -> str:
    if compared.low > 1 + TOLERATED:
        return "regression"
    return "gain" if compared.high < 1 - TOLERATED else ""


def paired(
    question: Question, answers: Answers, base: Ask, this: Ask, *, first: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Times of both in microseconds, of the draws from `first` on."""
    base_us: list[float] = []
    this_us: list[float] = []
    for number in range(first, first + WARM_UP):
        answers.ask(base, number, "the base")
        answers.ask(this, number, "this commit")
    for number in range(first + WARM_UP, first + WARM_UP + rounds):
        asked = [(base, base_us, "the base"), (this, this_us, "this commit")]
        for ask, taken, who in asked if number % 2 else asked[::-1]:
            taken.append(answers.ask(ask, number, who) / 1000)
    return base_us, this_us


def compare(
    base_store: Path, base_tree: Path, this_store: Path, wanted: Wanted, tell: Tell
) -> Iterator[Compared]:
    """Every question in every number of threads."""
    for threads in wanted.chosen_threads():
        with ExitStack() as stack:
            sides = []
            for tree, store in ((base_tree, base_store), (ROOT, this_store)):
                environment = {"PYTHONPATH": str(tree)}
                side = Side(str(tree), str(ENGINE_SIDE), environment=environment, cwd=tree)
                sides.append(ask_engine(stack.enter_context(side)))
                side.call("open", str(store), threads)
            for question in wanted.chosen_questions():
                tell(f"{question.name}, {threads} threads", 0.0)
                yield _compared(question, sides[0], sides[1], threads, wanted)


def _compared(question: Question, base: Ask, this: Ask, threads: int, wanted: Wanted) -> Compared:
    answers = Answers(question, wanted.seed)

    def one(first: int, again: Compared | None = None) -> Compared:
        base_us, this_us = paired(question, answers, base, this, first=first, rounds=wanted.rounds)
        ratios = [mine / old for mine, old in zip(this_us, base_us, strict=True)]
        low, high = interval(ratios)
        return Compared(
            question.name,
            threads,
            median(base_us),
            median(this_us),
            median(ratios),
            low,
            high,
            again,
        )

    found = one(0)
    if not _says(found):
        return found
    again = one(WARM_UP + wanted.rounds)
    return Compared(
        found.question, threads, found.base_us, found.this_us, found.ratio, found.low, found.high,
        again,
    )  # fmt: skip


def built(base: str, tell: Tell) -> Path:
    """A checkout of a commit with its compiled modules; made once for each commit."""
    sha = _git("rev-parse", "--verify", f"{base}^{{commit}}")
    tree = TREES / sha[:12]
    if (tree / "build" / "compared").exists():
        return tree
    # What an interrupted build has done stays; files of a commit have its time.
    tree.mkdir(parents=True, exist_ok=True)
    tell(f"Building {sha[:12]}", 0.0)
    archive = subprocess.run(["git", "archive", sha], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=tree, input=archive.stdout, check=True)
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(build, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise BenchFailed(f"{base} cannot be built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    (tree / "build" / "compared").touch()
    return tree


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise BenchFailed(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _table(compared: Sequence[Compared], base: str) -> Table:
    table = Table(title=f"{commit()} to {base}; above 1 takes longer than {base}")
    for name in ("question", "threads", f"{base} ms", "this ms", "ratio", "95%", "second round"):
        table.add_column(name, justify="left" if name == "question" else "right")
    table.add_column("")
    for one in compared:
        again = one.again
        table.add_row(
            one.question,
            str(one.threads),
            milliseconds(one.base_us),
            milliseconds(one.this_us),
            f"{one.ratio:.3f}",
            f"{one.low:.3f} to {one.high:.3f}",
            "" if again is None else f"{again.ratio:.3f} ({again.low:.3f} to {again.high:.3f})",
            verdict(one),
        )
    return table


def _wanted() -> tuple[str, Wanted]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("base", metavar="BASE", help="a commit")
    parser.add_argument("--size", type=read_size, default=1_000_000)
    parser.add_argument("--questions", type=_names, default=[])
    parser.add_argument("--threads", type=_names, default=["1"])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    threads = [int(count) for count in asked.threads]
    wanted = Wanted(asked.size, asked.questions, (), threads, asked.data, asked.rounds, asked.seed)
    return asked.base, wanted


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _tell(doing: str, share: float) -> None:
    if not share:
        print(doing, file=sys.stderr, flush=True)


def main() -> int:
    """Builds, loads, compares and prints; the exit status."""
    base, wanted = _wanted()
    try:
        wanted.chosen_questions()
        tree = built(base, _tell)
        data = people(data_folder(wanted.data), wanted.size, tell=_tell)
        kept = data_folder(wanted.data) / "compared" / f"{data.name}-{data.digest[:8]}-{tree.name}"
        theirs = stored(data, tell=_tell, folder=kept, source_tree=tree)
        ours = stored(data, tell=_tell, by_this_commit=True)
        found = list(compare(theirs.path, tree, ours.path, wanted, _tell))
    except BenchFailed as error:
        print(f"bench-compare: {error}", file=sys.stderr)
        return 2
    width = None if sys.stdout.isatty() else 120
    Console(width=width).print(_table(found, base))
    return int(any(verdict(one) == "regression" for one in found))


if __name__ == "__main__":
    sys.exit(main())
