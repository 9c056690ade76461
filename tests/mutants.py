"""Mutation test of the evaluator: do its tests notice one wrong token?

    python -m tests.mutants [--suite SUITE] [--count 100] [--seed 1] [--programs 200] [--jobs 1]

1. A copy of the tree is made in a temporary folder, one for each job.
2. One token of the suite's files is changed: an operator, a bound, a constant, a state.
3. What the change needs is compiled, with a trap at every index beyond a C array; then
   the suite's tests run. Those of the readings run few programs over worlds stored once.
4. A mutant that compiles and passes has survived, and is printed with its line.

The suites, their files and tests are in tests/mutated_files.py.

Lines that decide only how fast an answer comes (costs, thresholds, prefetching by state) are
left out: a change there is no fault. So are the changes of `EQUIVALENT`, each with the reason why
no answer can differ; they are printed. The exit status is 0 where 95 in 100 are caught.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.equivalent_mutants import EQUIVALENT
from tests.mutated_files import SUITES, Suite

ROOT = Path(__file__).resolve().parents[1]
ENGINE = Path("engine")
# What each token may turn into.
SWAPS = {
    "<=": ["<"], ">=": [">"], "<": ["<="], ">": [">="], "==": ["!="], "!=": ["=="],
    "&&": ["||"], "||": ["&&"], "&": ["|"], "|": ["&"], "+": ["-"], "-": ["+"],
    "&=": ["|="], "|=": ["&="], "+=": ["-="], "<<": [">>"], ">>": ["<<"],
    "0": ["1"], "1": ["0"], "63": ["62"], "64": ["63"], "6": ["5"], "16": ["8"], "3": ["2"],
    "and": ["or"], "or": ["and"], "True": ["False"], "False": ["True"],
    "STRATA_NONE": ["STRATA_ALL"], "STRATA_ALL": ["STRATA_NONE"],
    "low": ["high"], "high": ["low"], "first": ["span"], "left": ["right"],
    "floor": ["ceil"], "ceil": ["floor"],
}  # fmt: skip
TOKEN = re.compile(r"[A-Za-z_]\w*|\d+|<<|>>|<=|>=|==|!=|&&|\|\||&=|\|=|\+=|->|[-+<>&|]")
# Lines that change the speed and never the answer, and lines that are no code.
IDLE = re.compile(
    r"cost|most =|outlook_of|ROW_TEST_BYTES|IN_PASSES|STRIP_WORDS|MEMO_SLOTS|is_vector|is_worth"
    r"|outlook\.rows|part\.rows|rank|dropped|share|seen|learn\(|BRANCH_|JOINED_MOST"
    r"|^\s*(#|//|\*|/\*|\"\"\"|import|from|static|def |cdef .*\):?$)|# |/\*|->|::1|include"
    r"|Literal|threads|raise |Error|assert |calloc|free\(|__all__|max\(1,|\.shape|dtype|control"
    r"|stopped|must_stop|noexcept|ctypedef|BY_BITS|TALLIED|cpu_supports"
)
# Python's headers declare the items of a tuple and the digits of an int as an array of one that
# goes on beyond its struct. Without the size the trap leaves them alone. -fsanitize=bounds would
# do so too, but for every array at the end of a struct: for the limbs of strata_wide as well.
OPEN_ENDED = re.compile(r"(?<=[\s*])(ob_\w+)\[1\];")


@dataclass(frozen=True)
class Mutant:
    """One token of one line replaced."""

    file: str
    line: int
    column: int
    old: str
    new: str

    def reason(self, text: str) -> str | None:
        """Why every answer stays the same, where that is known."""
        line = text.split("\n")[self.line]
        before = [match for match in TOKEN.finditer(line[: self.column]) if match[0] == self.old]
        for code in _codes(text)[self.line]:
            for old in (self.old, f"{self.old}@{len(before) + 1}"):
                if reason := EQUIVALENT.get((self.file, code, old, self.new)):
                    return reason
        return None

    def apply(self, text: str) -> str:
        lines = text.split("\n")
        line = lines[self.line]
        lines[self.line] = line[: self.column] + self.new + line[self.column + len(self.old) :]
        return "\n".join(lines)


def _codes(text: str) -> list[tuple[str, str]]:
    """What `EQUIVALENT` may call each line: its code alone, and after that of the line before."""
    codes = [line.strip() for line in text.split("\n")]
    return [(code, f"{codes[i - 1]}\n{code}") for i, code in enumerate(codes)]


def stale(root: Path) -> list[str]:
    """Entries of `EQUIVALENT` whose line is no longer in its file."""
    found = {
        name: {code for names in _codes((root / ENGINE / name).read_text()) for code in names}
        for suite in SUITES.values()
        for name in suite.files
    }
    return [f"{file}: {code}" for file, code, _, _ in EQUIVALENT if code not in found[file]]


def candidates(root: Path, suite: Suite) -> list[Mutant]:
    """Every token that could be changed."""
    found = []
    for name in suite.files:
        text = (root / ENGINE / name).read_text()
        inside_text = False
        for number, line in enumerate(text.split("\n")):
            quotes = line.count('"""') + line.count("/*") + line.count("*/")
            inside_text ^= quotes % 2 == 1
            if inside_text or quotes or IDLE.search(line):
                continue
            for match in TOKEN.finditer(line):
                for new in SWAPS.get(match.group(), ()):
                    found.append(Mutant(name, number, match.start(), match.group(), new))
    return found


def _binary(root: Path, module: str) -> Path:
    return root / ENGINE / f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"


def compile_mutant(root: Path, modules: Sequence[str]) -> bool:
    """Builds what depends on a change, without optimising; False where it does not compile."""
    for module in modules:
        source = root / "build" / f"{module.replace('/', '_')}.c"
        expanded = source.with_suffix(".i")
        flags = ["-O1", "-w", "-fPIC", "-std=gnu11", "-ffp-contract=off"]
        before = [
            [
                sys.executable, "-m", "cython", "-3", "-I", str(root), "-o", str(source),
                str(root / ENGINE / f"{module}.pyx"),
            ],
            [
                "gcc", *flags, "-E", f"-I{root}", f"-I{sysconfig.get_paths()['include']}",
                f"-I{np.get_include()}", str(source), "-o", str(expanded),
            ],
        ]  # fmt: skip
        if any(subprocess.run(c, capture_output=True, cwd=root).returncode for c in before):
            return False
        expanded.write_text(OPEN_ENDED.sub(r"\1[];", expanded.read_text()))
        command = [
            "gcc", *flags, "-shared", "-fsanitize=bounds-strict",
            "-fsanitize-undefined-trap-on-error", str(expanded), "-o", str(_binary(root, module)),
        ]  # fmt: skip
        if subprocess.run(command, capture_output=True, cwd=root).returncode:
            return False
    return True


def survives(root: Path, suite: Suite, programs: int) -> bool:
    """Whether the suite's tests pass; a crash and a hang are failures too."""
    command = [
        sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
        "--hypothesis-seed=1", *suite.tests,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "STRATA_PROGRAMS": str(programs),
        "STRATA_SEED": "1",
        "STRATA_WORLDS": str(root / "worlds"),
    }
    try:
        run = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, timeout=suite.timeout_s
        )
    except subprocess.TimeoutExpired:
        return False  # and the process is killed
    return run.returncode == 0


def _copy_of_tree(root: Path) -> None:
    ignored = shutil.ignore_patterns(".git", ".venv*", "build", "__pycache__", "results")
    shutil.copytree(ROOT, root, ignore=ignored)
    (root / "build").mkdir()
    (root / "worlds").mkdir()


@dataclass
class Run:
    """What several jobs share: the mutants in their order, and what came of them."""

    suite: Suite
    order: list[Mutant]
    wanted: int
    programs: int
    caught: int = 0
    tried: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> Mutant | None:
        """The next mutant to try, or None when enough are tried or on trial."""
        with self.lock:
            if self.tried == self.wanted or not self.order:
                return None
            self.tried += 1
            return self.order.pop(0)

    def report(self, mutant: Mutant, code: str, verdict: str, seconds: float) -> None:
        """Prints one line, and counts it unless it did not compile."""
        with self.lock:
            self.caught += verdict == "caught"
            self.tried -= verdict in ("does not compile", "left out")
            if verdict != "does not compile":
                place = f"{mutant.file}:{mutant.line + 1} {mutant.old} -> {mutant.new}"
                print(f"{verdict} {place} ({seconds:.0f} s): {code}", flush=True)


def try_mutants(root: Path, run: Run) -> None:
    """One job: mutants in a tree of its own until enough are tried."""
    suite = run.suite
    needing = {file: suite.modules_of(root, file) for file in suite.files}
    sound = {
        name: _binary(root, name).read_bytes()
        for name in {n for of in needing.values() for n in of}
    }
    while mutant := run.next():
        path = root / ENGINE / mutant.file
        original = path.read_text()
        code = original.split("\n")[mutant.line].strip()
        if reason := mutant.reason(original):
            run.report(mutant, f"{code} # {reason}", "left out", 0)
            continue
        path.write_text(mutant.apply(original))
        started = time.monotonic()
        verdict = "does not compile"
        if compile_mutant(root, needing[mutant.file]):
            verdict = "SURVIVED" if survives(root, suite, run.programs) else "caught"
        run.report(mutant, code, verdict, time.monotonic() - started)
        path.write_text(original)
        for module in needing[mutant.file]:
            # A new file: one that a process has mapped is never written over.
            _binary(root, module).unlink(missing_ok=True)
            _binary(root, module).write_bytes(sound[module])


def main() -> int:
    """Makes, builds and tests mutants; prints the survivors and the share caught."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--suite", choices=SUITES, default=next(iter(SUITES)))
    asked = parser.parse_args()
    suite = SUITES[asked.suite]
    with tempfile.TemporaryDirectory(prefix="strata-mutants-") as folder:
        first = Path(folder) / "tree-0"
        _copy_of_tree(first)
        if old := stale(first):
            print("EQUIVALENT names lines that are gone:", *old, sep="\n  ")
            return 1
        if not compile_mutant(first, suite.modules) or not survives(first, suite, asked.programs):
            print("the tests fail without any change; mend them first")
            return 1
        roots = [first] + [Path(folder) / f"tree-{n}" for n in range(1, asked.jobs)]
        for root in roots[1:]:
            shutil.copytree(first, root)
        order = candidates(first, suite)
        random.Random(asked.seed).shuffle(order)
        run = Run(suite, order, asked.count, asked.programs)
        with ThreadPoolExecutor(asked.jobs) as jobs:
            for done in [jobs.submit(try_mutants, root, run) for root in roots]:
                done.result()
        print(f"{run.caught} of {run.tried} mutants caught")
        return 0 if run.caught >= 0.95 * run.tried else 1


if __name__ == "__main__":
    sys.exit(main())
