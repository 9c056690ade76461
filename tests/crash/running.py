"""Runs a program of this folder in a process of its own, and gives back what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.crash.tracing import ROOT

__all__ = ["run"]


def run(module: str, *arguments: object, environment: Mapping[str, str] | None = None) -> list[str]:
    """The lines of `python -m tests.crash.MODULE ARGUMENT...`, which must succeed."""
    done = subprocess.run(
        # A fork warns of the threads that numpy has; the children do not use them.
        [sys.executable, "-W", "ignore", "-m", f"tests.crash.{module}", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=dict(os.environ if environment is None else environment),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()
