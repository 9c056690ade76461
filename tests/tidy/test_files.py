"""Files as wholes: their size, what they must not contain, and what git must not keep."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, kept_files, source_files

HERE = Path("tests/tidy/test_files.py")  # quotes what it forbids
CODE = (".py", ".pyi", ".pyx", ".pxd", ".h", ".proto", ".lark", ".sh")
TEXT = (*CODE, ".md", ".toml", ".yaml", ".yml", ".json", ".in", "")

LINES_TO_ASK = 500  # what is the second idea?
LINES_AT_MOST = 600
# Longer files that hold one idea all the same, each with its reason.
LONGER: dict[str, str] = {}

FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.$}~-])/(?:work|tmp|root|home)/\w"),
    "work left open": re.compile(r"\b(?:TODO|FIXME)\b"),
    "a merge conflict": re.compile(r"^(?:<{7} |>{7} )", re.M),
    "a tab or trailing space": re.compile(r"[ \t]+$|^ *\t", re.M),
}
MAY_HAVE_TABS = {"Makefile", "LICENSE"}

GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*.so", "*.pyc", "*.o", "build/*", "*.c")


def forbidden_in(text: str, name: str) -> list[str]:
    """What the text contains that no file should, with line numbers."""
    return [
        f"{text.count(chr(10), 0, match.start()) + 1}: {what}"
        for what, pattern in FORBIDDEN.items()
        if not (what.startswith("a tab") and name in MAY_HAVE_TABS)
        for match in pattern.finditer(text)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "see /home/someone/engine",
        "open('/tmp/store')",
        "x = 1  # TODO: later",
        "<" * 7 + " HEAD\n",
        "trailing \n",
        "\tindented",
    ],
)
def test_forbidden_text_is_seen(text: str) -> None:
    assert forbidden_in(text, "file.py")


@pytest.mark.parametrize("text", ["https://x.org/work/a", "$TMPDIR/tmp/x", "framework/x", "ok\n"])
def test_other_text_is_let_through(text: str) -> None:
    assert forbidden_in(text, "file.py") == []


def test_no_file_contains_what_is_forbidden() -> None:
    faults = [
        f"{path}:{fault}"
        for path in source_files(*TEXT)
        if path != HERE
        for fault in forbidden_in((ROOT / path).read_text(), path.name)
    ]
    assert not faults, "\n".join(faults)


def test_files_hold_one_idea() -> None:
    lengths = {
        str(path): len((ROOT / path).read_text().splitlines()) for path in source_files(*CODE)
    }
    for path, length in lengths.items():
        if length > LINES_TO_ASK:
            print(f"{path}: {length} lines; what is its second idea?")
    faults = [
        f"{path}: {length} lines" for path, length in lengths.items() if length > LINES_AT_MOST
    ]
    unlisted = [line for line in faults if line.split(":")[0] not in LONGER]
    assert not unlisted, "\n".join(unlisted)
    stale = [path for path in LONGER if lengths.get(path, 0) <= LINES_AT_MOST]
    assert not stale, f"no longer long: {stale}"


def test_names_say_what_is_inside() -> None:
    vague = {"util", "utils", "helper", "helpers", "manager", "common", "misc"}
    faults = [str(path) for path in source_files(*CODE) if vague & {*path.parts, path.stem}]
    assert not faults, "\n".join(faults)


def test_git_keeps_nothing_generated() -> None:
    faults = [
        str(path) for path in kept_files() if any(fnmatch.fnmatch(str(path), p) for p in GENERATED)
    ]
    assert not faults, "\n".join(faults)


def test_git_ignores_what_the_build_leaves() -> None:
    if not (ROOT / ".git").exists():
        return  # an sdist: nothing is kept by git here
    left = [
        ".venv/x",
        "build/x",
        "core",
        "dist/x",
        "engine/core/x.cpython-311-x86_64-linux-gnu.so",
        "strata/v1/x_pb2.py",
        "strata/v1/x_pb2.pyi",
        "strata/v1/x_pb2_grpc.py",
    ]
    command = ["git", "check-ignore", "--no-index", *left]
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert sorted(ignored) == sorted(left)
    kept = ["engine/core/x.py", "strata/v1/__init__.py"]
    command = ["git", "check-ignore", "--no-index", *kept]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == ""


def test_every_folder_of_python_is_a_package() -> None:
    rooms = ("bench", "conversion", "delivery", "engine", "loaders", "server", "strata")
    folders = {path.parent for path in source_files(".py", ".pyx", under=rooms)}
    kept = set(kept_files())
    faults = sorted(str(folder) for folder in folders if folder / "__init__.py" not in kept)
    assert not faults, f"no __init__.py in {faults}"
    assert Path("engine") in folders
