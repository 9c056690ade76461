"""Documents: links resolve, named files exist, public names say what they are for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, kept_files, source_files

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED_FILE = re.compile(
    r"`((?:bench|conversion|docs|engine|examples|loaders|proto|server|strata|tests|tools)/[\w./-]+)`"
)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)
BUILT = re.compile(r"_pb2|\.so$|/cython/")
# The head of something callable from Python, its brackets nested once, and then no docstring.
NATIVE_NAME = re.compile(
    r"^(?:def|cpdef [^\n(]*?|cdef class|class)[ \t]*\b([a-zA-Z]\w*)[ \t]*"
    r"(?:\((?:[^()]|\([^()]*\))*\))?[^:\n]*:[^\n]*\n"
    r'(?![ \t]*r?""")',
    re.M,
)
ROOMS = ("bench", "conversion", "delivery", "engine", "loaders", "server", "strata", "tools")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a Markdown text."""
    plain = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in
             HEADING.findall(FENCE.sub("", text)))  # fmt: skip
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def broken_links(path: Path, text: str, kept: set[Path]) -> list[str]:
    """Links and file names in a Markdown text that lead nowhere."""
    prose = FENCE.sub("", text)
    faults = []
    folders = {parent for file in kept for parent in file.parents}
    for target in LINK.findall(prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = Path(*_normal((path.parent / name).parts)) if name else path
        if file not in kept and file not in folders:
            faults.append(f"{path}: link to {target}")
        elif anchor and file.suffix == ".md":
            inside = text if file == path else (ROOT / file).read_text()
            if anchor not in anchors(inside):
                faults.append(f"{path}: link to {target}: no such heading")
    for name in NAMED_FILE.findall(prose):
        if not BUILT.search(name) and Path(name) not in kept and Path(name) not in folders:
            faults.append(f"{path}: names {name}, which does not exist")
    return faults


def _normal(parts: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    for part in parts:
        if part == ".." and kept:
            kept.pop()
        elif part != ".":
            kept.append(part)
    return kept


def _public(
    nodes: list[ast.stmt],
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            overloads = {getattr(mark, "id", "") for mark in node.decorator_list}
            if not node.name.startswith("_") and not overloads & {"overload", "override"}:
                yield node


def undocumented(text: str) -> list[str]:
    """Public names of Python text without a docstring: module, classes, functions, methods.

    The methods of a class with a base are documented there; setters and overloads need none.
    """
    tree = ast.parse(text)
    faults = [] if ast.get_docstring(tree) or not tree.body else ["1: the module"]
    for node in _public(tree.body):
        if not ast.get_docstring(node):
            faults.append(f"{node.lineno}: {node.name}")
        if isinstance(node, ast.ClassDef) and not node.bases:
            faults.extend(
                f"{method.lineno}: {node.name}.{method.name}"
                for method in _public(node.body)
                if not ast.get_docstring(method)
                and not any(getattr(mark, "attr", "") == "setter" for mark in method.decorator_list)
            )
    return faults


def undocumented_native(text: str) -> list[str]:
    """Public names of Cython text that Python can call and that have no docstring."""
    faults = [] if re.match(r'(?:#[^\n]*\n|\s)*"""', text) else ["1: the module"]
    return faults + [
        f"{text.count(chr(10), 0, match.start()) + 1}: {match[1]}"
        for match in NATIVE_NAME.finditer(text)
    ]


@pytest.mark.parametrize("text", ["[a](nowhere.md)", "see `engine/nowhere.py`", "[a](#nowhere)"])
def test_a_broken_link_is_seen(text: str) -> None:
    assert broken_links(Path("docs/a.md"), text, {Path("docs/a.md")})


def test_a_good_link_is_let_through() -> None:
    text = "# A `b`: c\n[a](#a-b-c) [b](../engine/x.py) [c](https://x.org) `engine/x.py`"
    assert broken_links(Path("docs/a.md"), text, {Path("docs/a.md"), Path("engine/x.py")}) == []


def test_every_call_stands_in_the_table_of_its_service() -> None:
    page = (ROOT / "docs/service.md").read_text()
    for path in (ROOT / "proto/strata/v1").glob("*.proto"):
        for service, body in re.findall(
            r"^service (\w+) \{(.*?)^\}", path.read_text(), re.M | re.S
        ):
            (row,) = re.findall(rf"^\| {service} \| (.*) \|$", page, re.M)
            assert set(re.findall(r"`([A-Z]\w*)`", row)) == set(re.findall(r"rpc (\w+)", body))


def test_links_resolve() -> None:
    kept = set(kept_files())
    documents = source_files(".md")
    assert Path("README.md") in documents
    faults = [
        line for path in documents for line in broken_links(path, (ROOT / path).read_text(), kept)
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "text",
    ["x = 1", '"""M."""\ndef f(): ...', '"""M."""\nclass A:\n    """A."""\n    def f(self): ...'],
)
def test_a_name_without_docstring_is_seen(text: str) -> None:
    assert undocumented(text)


@pytest.mark.parametrize(
    "text",
    ["def f():\n    pass\n", '"""M."""\ncpdef int f(int a, b=(1, 2)) noexcept:\n    return 1\n',
     '"""M."""\ncdef class A:\n    cdef int a\n'],
)  # fmt: skip
def test_a_compiled_name_without_docstring_is_seen(text: str) -> None:
    assert undocumented_native(text)


def test_public_names_say_what_they_are_for() -> None:
    faults = [
        f"{path}:{line}"
        for path in source_files(".py", under=ROOMS)
        for line in undocumented((ROOT / path).read_text())
    ]
    faults += [
        f"{path}:{line}"
        for path in source_files(".pyx", under=ROOMS)
        for line in undocumented_native((ROOT / path).read_text())
    ]
    assert not faults, "\n".join(faults)
