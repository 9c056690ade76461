"""The store that cards are measured on: the made-up year of examples/b2b_wechat.

    python -m bench.card.year STORE PEOPLE

A process of its own makes it, since a command lets go of a store when its process ends; all of them
run in one, because to start one for each file would take longer than to load it.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

from examples.years.companies import write_year
from examples.years.year import ZONE
from strata.cli.commands import app

__all__ = ["year_store"]

ROOT = Path(__file__).resolve().parents[2]


def year_store(folder: Path, people: int) -> Path:
    """A store of so many people whose year ends now, made where it is not there."""
    store = folder / f"year-{people}"
    if not store.exists():
        draft = folder / f"year-{people}.draft"
        command = [sys.executable, "-m", "bench.card.year", str(draft), str(people)]
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        draft.rename(store)
    return store


def _make(store: Path, people: int) -> None:
    files = store.parent / f"{store.name}-files"
    files.mkdir(parents=True, exist_ok=True)
    written = write_year(files, people, datetime.now(ZONE), 1)
    _strata("apply", "--store", store, ROOT / "examples" / "b2b_wechat" / "model.yaml")
    for source, path in written.items():
        _strata("load", "--store", store, "--source", source, path)
    _strata("refresh", "--store", store)


def _strata(*arguments: object) -> None:
    app([*map(str, arguments)], standalone_mode=False)


if __name__ == "__main__":
    _make(Path(sys.argv[1]), int(sys.argv[2]))
