"""The example models and their years, as tests put them into a store whose clock is given."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

from typer.testing import CliRunner

from engine.database import Database
from examples.years import __main__ as years
from strata.cli import embedded
from strata.cli.commands import app
from tests.model_texts import applicable

__all__ = ["EXAMPLES", "KINDS", "YearStore", "example_files", "loaded_year"]

EXAMPLES = Path(__file__).parents[1] / "examples"
# The kind of identifier that every profile of an example has.
KINDS = {"b2b_wechat": "unionid", "retail": "member"}


def example_files(model: str) -> dict[str, str]:
    """The files of an example model, without what this version says `not yet` to."""
    return {"model.yaml": applicable((EXAMPLES / model / "model.yaml").read_text())}


class YearStore:
    """A store that holds a year of an example model; its clock stands at the end of the year."""

    def __init__(self, folder: Path, model: str, until: datetime) -> None:
        self.folder = folder
        self.model = model
        self.until = until
        self.until_us = round(until.timestamp()) * 1_000_000

    @property
    def files(self) -> Path:
        """Where the Parquet files of the year are."""
        return self.folder / "files"

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Databases that commands open meanwhile have the clock of the store."""

        class Clocked:
            create = self._clocked(Database.create)
            open = self._clocked(Database.open)

        with mock.patch.object(embedded, "Database", Clocked):
            yield

    def _clocked(self, made: Callable[..., Database]) -> Callable[..., Database]:
        return staticmethod(
            lambda path, **options: made(path, threads=1, now=lambda: self.until_us, **options)
        )

    def run(self, *arguments: str) -> str:
        """What a command prints; it must succeed."""
        with self.clock():
            result = CliRunner().invoke(
                app, [*arguments, "--store", str(self.folder / "store")], prog_name="strata"
            )
        assert result.exit_code == 0, f"{shlex.join(arguments)}: {result.output} {result.stderr}"
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """What a command prints, as JSON."""
        return json.loads(self.run(*arguments, "--json"))


def loaded_year(folder: Path, model: str, people: int, until: str) -> YearStore:
    """Writes a year as a user does, and does what the generator says is to be done with it."""
    zone = ZoneInfo("Asia/Shanghai")
    store = YearStore(folder, model, datetime.fromisoformat(until).replace(tzinfo=zone))
    arguments = [model, str(store.files), "--people", str(people), "--until", until]
    said: list[str] = []
    with (
        mock.patch.object(sys, "argv", ["years", *arguments]),
        mock.patch("builtins.print", said.append),
    ):
        years.main()
    (folder / "model.yaml").write_text(example_files(model)["model.yaml"])
    for line in said:
        strata, command, option, where, *rest = shlex.split(line)
        assert (strata, option, where) == ("strata", "--store", str(store.files / "store"))
        if command == "apply":
            assert rest == [f"examples/{model}/model.yaml"]
            rest = [str(folder / "model.yaml")]
        printed = store.run(command, *rest)
        if command == "load":
            assert " 0 refused" in printed, printed
    return store
