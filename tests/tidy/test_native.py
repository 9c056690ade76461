"""Compiled modules: every function without the GIL is `noexcept`, and each has a .pyi.

A nogil function that may raise takes the GIL back at every call to look for an exception;
through a function pointer that costs ten times the call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, kept_files, source_files

DECLARES = re.compile(r"\s*(?:cdef|cpdef|ctypedef)\b")
EXTERN = re.compile(r"\s*cdef\s+extern\b")


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(line number, text) with bracketed continuations joined and comments left out."""
    start, held, depth = 0, "", 0
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split("#", 1)[0].rstrip()
        start = start if held else number
        held = f"{held} {bare.strip()}" if held else bare
        depth += sum(map(bare.count, "([{")) - sum(map(bare.count, ")]}"))
        if depth <= 0:
            yield start, held
            held, depth = "", 0


def raising_nogil(text: str) -> list[int]:
    """Lines of nogil functions and function pointers that lack `noexcept`.

    Functions declared in an extern block are C and never raise.
    """
    faults = []
    extern_indent: int | None = None
    for number, line in logical_lines(text):
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        if extern_indent is not None and indent > extern_indent:
            continue
        extern_indent = indent if EXTERN.match(line) else None
        if extern_indent is not None or not DECLARES.match(line):
            continue
        if re.search(r"\)[^)]*\bnogil\b", line) and not re.search(r"\bnoexcept\b", line):
            faults.append(number)
    return faults


@pytest.mark.parametrize(
    "text",
    [
        "cdef int f(int a) nogil:",
        "cdef inline void f(\n    int a,\n    int b,\n) nogil:",
        "ctypedef void (*kernel)(int a) nogil",
        'cdef extern from "a.h" nogil:\n    int g(int a)\ncdef int f(int a) nogil',
        "cpdef int f(int a) except -1 nogil:",
    ],
)
def test_a_function_that_may_raise_is_seen(text: str) -> None:
    assert raising_nogil(text)


@pytest.mark.parametrize(
    "text",
    [
        "cdef int f(int a) noexcept nogil:",
        'cdef extern from "a.h" nogil:\n    int g(int a) nogil\n\n    int h(int a) nogil',
        "cdef int f(int a):\n    with nogil:\n        pass",
    ],
)
def test_a_function_that_cannot_raise_is_let_through(text: str) -> None:
    assert raising_nogil(text) == []


def test_nogil_functions_are_noexcept() -> None:
    faults = [
        f"{path}:{line}: nogil without noexcept"
        for path in source_files(".pyx", ".pxd", under=("engine", "server"))
        for line in raising_nogil((ROOT / path).read_text())
    ]
    assert not faults, "\n".join(faults)


def test_compiled_modules_have_a_face() -> None:
    kept = set(kept_files())
    modules = [
        path
        for path in source_files(".pyx", under=("engine", "server"))
        if re.search(r"^(?:def|cpdef|class|cdef class)\b", (ROOT / path).read_text(), re.M)
    ]
    faults = [
        f"{path}: no .pyi beside it" for path in modules if path.with_suffix(".pyi") not in kept
    ]
    assert not faults, "\n".join(faults)


def test_no_build_asks_for_this_machine_alone() -> None:
    asked = ("-march" + "=native", "-ffast" + "-math")
    files = [path for path in kept_files() if path.suffix in {".py", ".pyx", ".toml", ".h"}]
    faults = [
        f"{path}: {flag}"
        for path in files
        for flag in asked
        if path != Path("setup.py") and flag in (ROOT / path).read_text()
    ]
    assert not faults, "\n".join(faults)
    assert not re.search("|".join(f'"{flag}"' for flag in asked), (ROOT / "setup.py").read_text())
