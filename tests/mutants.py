"""Mutation test of the evaluator: does the test of the readings notice one wrong token?

    python -m tests.mutants [--count 100] [--seed 1] [--programs 200]

1. A copy of the tree is made in a temporary folder.
2. One token of the evaluator is changed: an operator, a bound, a constant, a state.
3. What the change needs is compiled, and tests/property/test_readings*.py run few programs
   over worlds stored once, together with the unit tests of the evaluator.
4. A mutant that compiles and passes has survived, and is printed with its line.

Lines that decide only how fast an answer comes (costs, thresholds, prefetching by state) are
left out: a change there is no fault. The exit status is 0 where 95 in 100 are caught.
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
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CORE = Path("engine/core")
MUTATED = (
    "kernels.h",
    "masks.h",
    "fields.h",
    "leaves.h",
    "leaf_blocks.h",
    "exact.h",
    "nodes.pyx",
    "evaluate.pyx",
    "plan.py",
    "leaf_plan.py",
    "number_plan.py",
    "solve.py",
)
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
    r"cost|most =|outlook_of|FEW_ROWS|ROW_TEST_BYTES|IN_PASSES|LOOK_WORDS|MEMO_SLOTS|is_vector"
    r"|^\s*(#|//|\*|/\*|\"\"\"|import|from|static|def |cdef .*\):?$)|# |/\*|->|::1|include"
    r"|Literal|threads|raise |Error|assert |calloc|free\(|__all__|max\(1,|\.shape|dtype|control"
    r"|stopped|must_stop|noexcept|ctypedef"
)
TESTS = (
    "tests/property/test_readings.py",
    "tests/property/test_readings_second_half.py",
    "tests/unit/test_kernels.py",
    "tests/unit/test_solve.py",
    "tests/unit/test_float_sides.py",
    "tests/unit/test_audience.py",
)
TIMEOUT_S = 240


@dataclass(frozen=True)
class Mutant:
    """One token of one line replaced."""

    file: str
    line: int
    column: int
    old: str
    new: str

    def apply(self, text: str) -> str:
        lines = text.split("\n")
        line = lines[self.line]
        lines[self.line] = line[: self.column] + self.new + line[self.column + len(self.old) :]
        return "\n".join(lines)


def candidates(root: Path) -> list[Mutant]:
    """Every token that could be changed."""
    found = []
    for name in MUTATED:
        text = (root / CORE / name).read_text()
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


def _modules(file: str) -> list[str]:
    """The compiled modules that a file goes into; `program` and `control` run no blocks."""
    if file.endswith(".py"):
        return []
    if file.endswith(".pyx"):
        return [file.removesuffix(".pyx")]
    return ["nodes", "evaluate", *(["kernels"] if file in ("kernels.h", "exact.h") else [])]


def _binary(root: Path, module: str) -> Path:
    return root / CORE / f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"


def compile_mutant(root: Path, file: str) -> bool:
    """Builds what depends on the file, without optimising; False where it does not compile."""
    for module in _modules(file):
        source = root / "build" / f"{module}.c"
        commands = [
            [
                sys.executable, "-m", "cython", "-3", "-I", str(root), "-o", str(source),
                str(root / CORE / f"{module}.pyx"),
            ],
            [
                "gcc", "-O1", "-w", "-fPIC", "-shared", "-std=gnu11", "-ffp-contract=off",
                f"-I{root}", f"-I{sysconfig.get_paths()['include']}", f"-I{np.get_include()}",
                str(source), "-o", str(_binary(root, module)),
            ],
        ]  # fmt: skip
        if any(subprocess.run(c, capture_output=True, cwd=root).returncode for c in commands):
            return False
    return True


def survives(root: Path, programs: int) -> bool:
    """Whether the tests pass; a crash and a hang are failures too."""
    command = [
        sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
        "--hypothesis-seed=1", *TESTS,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "STRATA_PROGRAMS": str(programs),
        "STRATA_SEED": "1",
        "STRATA_WORLDS": str(root / "worlds"),
    }
    try:
        run = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return False  # and the process is killed
    return run.returncode == 0


def main() -> int:
    """Makes, builds and tests mutants; prints the survivors and the share caught."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strata-mutants-") as folder:
        root = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".git", ".venv*", "build", "__pycache__", "results")
        shutil.copytree(ROOT, root, ignore=ignored)
        (root / "build").mkdir()
        (root / "worlds").mkdir()
        if not compile_mutant(root, "exact.h") or not survives(root, asked.programs):
            print("the tests fail without any change; mend them first")
            return 1
        sound = {module: _binary(root, module).read_bytes() for module in _modules("exact.h")}
        order = candidates(root)
        random.Random(asked.seed).shuffle(order)
        caught = tried = 0
        for mutant in order:
            if tried == asked.count:
                break
            path = root / CORE / mutant.file
            original = path.read_text()
            path.write_text(mutant.apply(original))
            started = time.monotonic()
            compiled = compile_mutant(root, mutant.file)
            if compiled:
                tried += 1
                survived = survives(root, asked.programs)
                caught += not survived
                taken_s = round(time.monotonic() - started)
                print(
                    f"{'SURVIVED' if survived else 'caught'} {mutant.file}:{mutant.line + 1} "
                    f"{mutant.old} -> {mutant.new} ({taken_s} s): "
                    f"{original.split(chr(10))[mutant.line].strip()}",
                    flush=True,
                )
            path.write_text(original)
            for module in _modules(mutant.file):
                # A new file: one that a process has mapped is never written over.
                _binary(root, module).unlink(missing_ok=True)
                _binary(root, module).write_bytes(sound[module])
        print(f"{caught} of {tried} mutants caught")
        return 0 if caught >= 0.95 * tried else 1


if __name__ == "__main__":
    sys.exit(main())
