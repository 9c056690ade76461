"""The files of the project: those that git keeps or would keep, or in an sdist all of them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "kept_files", "source_files"]

ROOT = Path(__file__).resolve().parents[2]
# An sdist unpacked and built has these beside the sources, and no git to tell them apart.
_BUILT_FOLDERS = {".venv", ".venv-build", "build", "dist", "__pycache__"}
_BUILT_NAMES = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*.so", "*.pyc", "*.egg-info/*")


def _from_git() -> list[Path] | None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return [Path(name) for name in listed.decode().split("\0") if name and (ROOT / name).exists()]


def _from_walk() -> list[Path]:
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [
        path
        for path in found
        if not _BUILT_FOLDERS & set(path.parts)
        and not any(path.match(pattern) for pattern in _BUILT_NAMES)
    ]


@cache
def kept_files() -> tuple[Path, ...]:
    """Every file of the project, relative to `ROOT`, sorted."""
    has_git = (ROOT / ".git").exists()
    return tuple(sorted((_from_git() if has_git else None) or _from_walk()))


def source_files(*suffixes: str, under: tuple[str, ...] = ()) -> list[Path]:
    """The project's files with one of the suffixes, in the named top folders or everywhere."""
    return [
        path
        for path in kept_files()
        if path.suffix in suffixes and (not under or path.parts[0] in under)
    ]
