"""Tests are skipped only through tests/skips.py, for the reasons listed there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.skips import NO_DATA_FOLDER, PROGRAMS, REASONS, skip
from tests.tidy.sources import ROOT, source_files

WAYS = {"skip", "skipif", "skipTest", "skipUnless", "skipIf", "importorskip", "xfail", "SkipTest"}
OURS = {"skip"}  # `from tests.skips import skip`


def own_skips(text: str) -> list[int]:
    """Lines that skip a test, or expect it to fail, without tests/skips.py."""
    tree = ast.parse(text)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "tests.skips"
        for alias in node.names
    }
    faults = []
    for node in ast.walk(tree):
        own = isinstance(node, ast.Name) and node.id in WAYS - (imported & OURS)
        if own or (isinstance(node, ast.Attribute) and node.attr in WAYS):
            faults.append(node.lineno)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in imported & OURS:
            # The reason is a constant of the list, not a text made on the spot.
            faults += [node.lineno for argument in node.args if not _from_list(argument)]
    return faults


def _from_list(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Name | ast.Attribute)


@pytest.mark.parametrize(
    "text",
    [
        "pytest.skip('why not')",
        "@pytest.mark.skipif(True, reason='x')\ndef test(): ...",
        "np = pytest.importorskip('numpy')",
        "from pytest import skip\nskip('x')",
        "from tests.skips import skip\nskip('made up')",
        "@pytest.mark.xfail\ndef test(): ...",
    ],
)
def test_a_skip_of_its_own_is_seen(text: str) -> None:
    assert own_skips(text)


def test_a_skip_from_the_list_is_let_through() -> None:
    assert own_skips("from tests.skips import NO_DATA_FOLDER, skip\nskip(NO_DATA_FOLDER)") == []


def test_reasons_come_from_the_list() -> None:
    here = Path(__file__).resolve().relative_to(ROOT)
    faults = [
        f"{path}:{line}: skips without tests/skips.py"
        for path in source_files(".py", under=("tests", "bench"))
        if path not in {Path("tests/skips.py"), here}
        for line in own_skips((ROOT / path).read_text())
    ]
    assert not faults, "\n".join(faults)


def test_a_reason_off_the_list_is_refused() -> None:
    with pytest.raises(AssertionError, match="does not list"):
        skip("because")
    assert NO_DATA_FOLDER in REASONS
    assert all(program.reason in REASONS for program in PROGRAMS.values())
