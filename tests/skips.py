"""Every reason for which a test may be skipped, and the optional programs that tests want.

A test is skipped only through `skip` or one of the `needs_*` functions here; the tidy tests
refuse any other way. `python -m tests.skips` (`make tools`) prints what is here and what not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

__all__ = [
    "NO_AVX2",
    "NO_DATA_FOLDER",
    "NO_PACKAGE_INDEX",
    "ONLY_SOAK",
    "OTHER_BUILD",
    "PROGRAMS",
    "REASONS",
    "RUNS_AS_ROOT",
    "Program",
    "data_folder",
    "needs_data",
    "needs_package_index",
    "needs_program",
    "needs_unprivileged_user",
    "package_index_answers",
    "skip",
    "soaking",
]

NO_DATA_FOLDER = "STRATA_DATA does not name a folder with the real data sets"
NO_PACKAGE_INDEX = "pip reaches no package index"
RUNS_AS_ROOT = "the tests run as root, whom file permissions do not stop"
OTHER_BUILD = "bench/instructions has no figures of this compiler and interpreter"
NO_AVX2 = "the processor does not run the AVX2 kernels"
ONLY_SOAK = "runs with STRATA_SOAK=1 (make soak) only"

Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Program:
    """An optional program: the command looked for, what tests do with it, and those tests."""

    command: str
    purpose: str
    wanted_by: str

    @property
    def reason(self) -> str:
        """The reason of a skip where the program is missing."""
        return f"the program {self.command} is not installed"


PROGRAMS = {
    program.command: program
    for program in (
        Program("valgrind", "instructions that the evaluator takes", "tests/tidy"),
        Program("strace", "failing and reordered system calls", "tests/crash"),
        Program("redis-server", "a rival of the benchmarks", "bench"),
        Program("node", "the client @grpc/grpc-js", "tests/wire"),
        Program("ruby", "the client of the grpc gem", "tests/wire"),
        Program("h2load", "load from a client nobody here wrote", "tests/wire"),
        Program("perf", "profiles of the kernels", "bench"),
    )
}

REASONS = frozenset(
    {
        NO_AVX2,
        NO_DATA_FOLDER,
        NO_PACKAGE_INDEX,
        ONLY_SOAK,
        OTHER_BUILD,
        RUNS_AS_ROOT,
        *(program.reason for program in PROGRAMS.values()),
    }
)


def skip(reason: str) -> NoReturn:
    """Skip the running test for one of the `REASONS`."""
    import pytest

    assert reason in REASONS, f"tests/skips.py does not list the reason {reason!r}"
    pytest.skip(reason)


def _skip_unless(condition: bool, reason: str) -> Callable[[Test], Test]:
    import pytest

    assert reason in REASONS, f"tests/skips.py does not list the reason {reason!r}"
    return pytest.mark.skipif(not condition, reason=reason)


def data_folder() -> Path | None:
    """The folder that STRATA_DATA names, or None."""
    named = os.environ.get("STRATA_DATA", "")
    return Path(named) if named and Path(named).is_dir() else None


def soaking() -> bool:
    """Whether the tests run with their large budgets."""
    return os.environ.get("STRATA_SOAK") == "1"


@cache
def package_index_answers() -> bool:
    """Whether pip finds a package; asked once."""
    probe = ["--quiet", "--retries", "0", "--no-deps", "--dry-run", "--ignore-installed"]
    command = [sys.executable, "-m", "pip", "install", *probe, "protobuf==6.31.1"]
    return subprocess.run(command, capture_output=True).returncode == 0


def needs_data(test: Test) -> Test:
    """Mark a test that reads the real data sets."""
    return _skip_unless(data_folder() is not None, NO_DATA_FOLDER)(test)


def needs_program(command: str) -> Callable[[Test], Test]:
    """Mark a test that runs one of the optional `PROGRAMS`."""
    return _skip_unless(shutil.which(command) is not None, PROGRAMS[command].reason)


def needs_unprivileged_user(test: Test) -> Test:
    """Mark a test that relies on file permissions."""
    return _skip_unless(os.geteuid() != 0, RUNS_AS_ROOT)(test)


def needs_package_index() -> None:
    """Skip the running test where pip cannot install anything.

    Called inside a test: the question takes a second, too long for collecting.
    """
    if not package_index_answers():
        skip(NO_PACKAGE_INDEX)


def _main() -> None:
    width = max(len(command) for command in PROGRAMS)
    for program in PROGRAMS.values():
        found = shutil.which(program.command) or "missing"
        print(f"{program.command:<{width}}  {program.wanted_by:<11}  {program.purpose}: {found}")
    folder = data_folder()
    print(f"STRATA_DATA: {folder if folder else 'not set, or no folder; see CONTRIBUTING.md'}")


if __name__ == "__main__":
    _main()
