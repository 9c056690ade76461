"""Commands, shown as a user would type them and then run, each in a process of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["DemoFailed", "Terminal"]

_PLAIN = re.compile(r"[\w./:=@%+,&-]+", re.ASCII)
# Characters that mean something to a shell between double quotes.
_SPECIAL = re.compile(r'["$`\\!]')


class DemoFailed(Exception):
    """The demo cannot go on; the text says why."""


class Terminal:
    """Runs `strata` in `folder`, with what it was told shown before what it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        beside = Path(sys.executable).with_name("strata")
        self._command = [str(beside)] if beside.exists() else [sys.executable, "-m", "strata"]
        self.python = _near(Path(sys.executable), folder)
        self.shown = _shown(self._command, folder)

    def say(self, text: str = "") -> None:
        """Prints a line of our own."""
        print(text, flush=True)

    def heading(self, text: str) -> None:
        """Prints what comes next, set apart."""
        self.say(f"\n== {text}")

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The whole command for the system."""
        return [*self._command, *arguments]

    def echo_command(self, arguments: Sequence[str]) -> None:
        """Shows a command."""
        self.say(f"\n$ {self.shown} {' '.join(map(_quoted, arguments))}")

    def run(self, *arguments: str, fails: bool = False) -> str:
        """Shows a command, runs it and shows what it says, which is returned.

        Raises DemoFailed where it fails, or where `fails` promises that and it does not.
        """
        self.echo_command(arguments)
        # Progress goes to the terminal itself; what a failure says belongs to the story.
        done = subprocess.run(
            self.command(arguments),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if fails else None,
            text=True,
            encoding="utf-8",
            env=_environment(),
        )
        self.say(done.stdout.rstrip("\n"))
        if (done.returncode != 0) != fails:
            raise DemoFailed(f"strata {arguments[0]} ended with status {done.returncode}.")
        return done.stdout

    def run_python(self, program: str, *arguments: str) -> None:
        """Shows a call of a Python program of ours, runs it and shows what it says."""
        self.say(f"\n$ {self.python} {' '.join([program, *map(_quoted, arguments)])}")
        done = subprocess.run(
            [sys.executable, program, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=_environment(),
        )
        self.say(done.stdout.rstrip("\n"))
        if done.returncode != 0:
            raise DemoFailed(f"{program} ended with status {done.returncode}.")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command that goes on; what it prints is for the caller to read."""
        return subprocess.Popen(
            self.command(arguments),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env=_environment(),
        )

    def count(self, *arguments: str, expected: int | None) -> None:
        """Runs `strata count` and holds the count against the one known from elsewhere."""
        told = self.run("count", *arguments)
        counted = int(told.split()[0].replace(",", ""))
        if expected is None:
            return
        if counted != expected:
            raise DemoFailed(f"This should be {expected:,}, and is {counted:,}.")
        self.say(f"(checked: {expected:,} is the known figure)")

    def check_groups(self, told: str, expected: Mapping[str, int]) -> None:
        """Holds what `strata count --group-by` printed against counts known from elsewhere."""
        lines = [line.split() for line in told.splitlines()[1:]]
        found = {name: int(count.replace(",", "")) for name, count, *_ in lines}
        for name, count in expected.items():
            if found.get(name) != count:
                raise DemoFailed(f"{name} should be {count:,}, and is {found.get(name, 0):,}.")
        self.say(f"(checked: all {len(expected)} are the known figures)")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1"}


def _shown(command: Sequence[str], folder: Path) -> str:
    """How a user in `folder` would call the program."""
    found = shutil.which("strata")
    if len(command) == 1 and found is not None and Path(found) == Path(command[0]):
        return "strata"
    return " ".join([_near(Path(command[0]), folder), *command[1:]])


def _near(program: Path, folder: Path) -> str:
    """A program's path as one writes it in `folder`."""
    return str(program.relative_to(folder) if program.is_relative_to(folder) else program)


def _quoted(argument: str) -> str:
    """An argument as people quote it: expressions have single quotes inside."""
    if _PLAIN.fullmatch(argument):
        return argument
    return shlex.quote(argument) if _SPECIAL.search(argument) else f'"{argument}"'
