"""The store that cards are measured on: the made-up year of examples/b2b_wechat."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

from examples.years.companies import write_year
from examples.years.year import ZONE

__all__ = ["year_store"]

ROOT = Path(__file__).resolve().parents[2]


def year_store(folder: Path, people: int) -> Path:
    """A store of so many people whose year ends now, made where it is not there."""
    store = folder / f"year-{people}"
    if store.exists():
        return store
    files = folder / f"year-{people}-files"
    files.mkdir(parents=True, exist_ok=True)
    written = write_year(files, people, datetime.now(ZONE), 1)
    draft = folder / f"year-{people}.draft"
    _strata("apply", "--store", draft, ROOT / "examples" / "b2b_wechat" / "model.yaml")
    for source, path in written.items():
        _strata("load", "--store", draft, "--source", source, path)
    _strata("refresh", "--store", draft)
    draft.rename(store)
    return store


def _strata(*arguments: object) -> None:
    command = [sys.executable, "-m", "strata", *map(str, arguments)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
