"""What a command that only counts brings along: modules are counted, as time cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.database import Database
from strata.cli import commands
from strata.cli.main import _counting
from tests.tidy.sources import ROOT

MODEL = """\
identifiers: {member: {per_profile: 1}}
attributes: {size: {type: int}}
segments: {large: "size > 10"}
"""
COUNTED = """
import sys
from strata.cli.main import main
try:
    main()
finally:
    print(*sys.modules)
"""
# What makes a store live, explains, measures and lists; and what other commands have of others.
FOR_OTHERS = {
    "engine.actions",
    "engine.explaining.explain",
    "engine.explanations",
    "engine.foresight",
    "engine.live.applier",
    "engine.live.bulk_load",
    "engine.live.live_store",
    "engine.live.pipeline",
    "engine.live.segments",
    "engine.model_edits",
    "engine.profile_cards",
    "engine.what_if",
    "duckdb",
    "grpc",
    "httpx",
    "pyarrow",
    "rich.console",
    "structlog",
    "strata.cli.loading",
    "strata.cli.serving",
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with Database.create(tmp_path / "store") as database:
        database.apply_model({"model.yaml": MODEL})
    return tmp_path / "store"


def modules_of(*arguments: str) -> tuple[list[str], set[str]]:
    """The lines that a command prints, and the modules that it has loaded by its end."""
    command = [sys.executable, "-c", COUNTED, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    *lines, modules = done.stdout.splitlines()
    return lines, set(modules.split())


@pytest.mark.parametrize("expression", ["size > 5", "segment('large')"])
def test_a_count_brings_no_more_than_it_needs(store: Path, expression: str) -> None:
    lines, modules = modules_of("count", expression, "--store", str(store), "--json")
    assert '"count": 0' in lines[0]
    assert sorted(modules & FOR_OTHERS) == []
    # 241 and 781 of late; with all that the engine has they were 401 and 1,030.
    assert sum(name.startswith("engine.") for name in modules) < 260
    assert len(modules) < 830


def test_other_commands_find_what_they_need(store: Path) -> None:
    for arguments in (["stats"], ["verify"], ["next"], ["overlap", "size > 1", "size > 2"]):
        runner = CliRunner()
        done = runner.invoke(commands.app, [*arguments, "--store", str(store), "--json"])
        assert done.exit_code == 0, (arguments, done.output)


@pytest.mark.parametrize(
    "arguments", [["count", "--help"], ["count"], ["count", "true", "--wrong"]]
)
def test_the_command_alone_is_the_command_among_all(arguments: list[str]) -> None:
    alone, among_all = (
        CliRunner().invoke(app, arguments, prog_name="strata")
        for app in (_counting(), commands.app)
    )
    assert (alone.exit_code, alone.output) == (among_all.exit_code, among_all.output)
