"""The mutation test covers the compiled evaluator as it is today."""

from __future__ import annotations

from tests.mutants import stale
from tests.mutated_files import LEFT_OUT, SUITES
from tests.tidy.sources import ROOT

ROOMS = ("core", "events")


def compiled_sources() -> set[str]:
    """The headers and modules of the rooms, named from engine/ on."""
    return {
        f"{room}/{path.name}"
        for room in ROOMS
        for path in (ROOT / "engine" / room).iterdir()
        if path.suffix in (".h", ".pyx")
    }


def test_every_compiled_source_is_mutated_or_left_out_for_a_reason() -> None:
    mutated = {file for suite in SUITES.values() for file in suite.files}
    assert compiled_sources() - mutated == set(LEFT_OUT)


def test_what_is_mutated_is_there() -> None:
    for suite in SUITES.values():
        for file in suite.files:
            assert (ROOT / "engine" / file).exists(), file
        for module in suite.modules:
            assert (ROOT / "engine" / f"{module}.pyx").exists(), module
        for test in suite.tests:
            assert (ROOT / test).exists(), test


def test_a_changed_header_is_compiled_into_something() -> None:
    for suite in SUITES.values():
        for file in suite.files:
            if file.endswith(".h"):
                assert suite.modules_of(ROOT, file), file


def test_equivalent_mutants_name_lines_that_are_there() -> None:
    assert stale(ROOT) == []
