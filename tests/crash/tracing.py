"""Runs a program and records every call with which it changes files below a folder.

What is recorded, and how calls can be made to fail, is said at the head of traced_calls.h,
which is compiled here with the compiler that Python was built with, or `CC`.
"""

from __future__ import annotations

import os
import shlex
import struct
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

__all__ = ["Call", "Kind", "build_tracer", "environment_for", "read_calls", "run_traced"]

ROOT = Path(__file__).parents[2]

_RECORD = struct.Struct("=IIQQQQ")  # kind, flags, inode, start, size, name


class Kind(IntEnum):
    """What a call did. OPEN also makes the file where there was none."""

    OPEN = 1
    WRITE = 2
    SYNC = 3
    TRUNCATE = 4
    ALLOCATE = 5
    RENAME = 6
    UNLINK = 7
    MKDIR = 8


@dataclass(frozen=True, slots=True)
class Call:
    """A call that succeeded; see `struct record` in traced_calls.h.

    `data` has the bytes of a WRITE. `path` and `target` are relative to the traced folder,
    which is ''.
    """

    kind: Kind
    flags: int
    inode: int
    start: int
    size: int
    path: str
    target: str
    data: bytes

    @property
    def is_written_through(self) -> bool:
        """Whether a WRITE is on the disk when it returns."""
        return bool(self.flags & os.O_DSYNC)


def build_tracer(folder: Path) -> Path:
    """The library to preload, compiled into a folder."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    library = folder / "traced_calls.so"
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-x", "c"]
    source = Path(__file__).with_name("traced_calls.h")
    command = [*shlex.split(compiler), *options, str(source), "-o", str(library), "-lpthread"]
    subprocess.run(command, check=True)
    return library


def environment_for(
    library: Path, folder: Path, log: Path | None = None, fail: str = ""
) -> dict[str, str]:
    """Environment variables of a process whose calls below `folder` are recorded in `log`.

    `fail` is STRATA_TRACE_FAIL.
    """
    wanted = {
        "LD_PRELOAD": str(library),
        "STRATA_TRACE_FOLDER": str(folder.resolve()),
        "STRATA_TRACE_LOG": "" if log is None else str(log.resolve()),
        "STRATA_TRACE_FAIL": fail,
    }
    return {**os.environ, **{name: value for name, value in wanted.items() if value}}


def run_traced(command: Sequence[str], folder: Path, log: Path, library: Path) -> list[Call]:
    """The calls of a program that must succeed; it changes files below `folder`."""
    environment = environment_for(library, folder, log)
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    return list(read_calls(log, folder))


def read_calls(log: Path, folder: Path) -> Iterator[Call]:
    """The calls in a log, in order."""
    top = str(folder.resolve())
    with log.open("rb") as file:
        while head := file.read(_RECORD.size):
            kind, flags, inode, start, size, name = _RECORD.unpack(head)
            path = _relative(file.read(name).decode(), top)
            follows = size if kind in (Kind.WRITE, Kind.RENAME) else 0
            data = file.read(follows)
            assert len(data) == follows, "the log is cut off"
            target = _relative(data.decode(), top) if kind == Kind.RENAME else ""
            yield Call(Kind(kind), flags, inode, start, size, path, target, data)


def _relative(path: str, top: str) -> str:
    return path.removeprefix(top).lstrip("/")
