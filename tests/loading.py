"""Loading small files into a small store, for the tests of the loaders."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import loaders
from engine.database import Database

__all__ = ["IDENTIFY", "Loading", "model_text"]

IDENTIFY = "identify: {member: id}"

_MODEL = """\
time_zone: {zone}
identifiers:
  member: {{per_profile: 1}}
  phone: {{per_profile: 3, blocked: ['000']}}
attributes:
  city: {{type: category}}
  likes: {{type: set}}
  age: {{type: int}}
  spent: {{type: decimal, scale: 2}}
  weight: {{type: float}}
  vip: {{type: bool}}
  born: {{type: date}}
  seen: {{type: time}}
  remark: {{type: text}}
sources:
  people: {{{source}}}
"""


def model_text(source: str, zone: str = "UTC") -> str:
    """A model with one attribute of every type, and one source `people`."""
    return _MODEL.format(source=source, zone=zone)


class Loading:
    """A store in a folder, and what tests ask of it."""

    def __init__(self, folder: Path, source: str, zone: str = "UTC") -> None:
        self.folder = folder
        self.refused_file = folder / "refused.csv"
        self.database = Database.create(folder / "store")
        self.database.apply_model({"model.yaml": model_text(source, zone)})

    def load(self, *files: Path, progress: Any = None) -> loaders.LoadSummary:
        """Loads files of the source."""
        return loaders.load(
            self.database, "people", files, refused=self.refused_file, progress=progress
        )

    def load_text(self, text: str, name: str = "people.csv") -> loaders.LoadSummary:
        """Loads a file with this text, in UTF-8."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8", newline="")
        return self.load(path)

    def attributes(self, value: str, kind: str = "member") -> Mapping[str, Any]:
        """All attributes of the profile with an identifier."""
        (found,) = self.database.profiles([(kind, value)])
        assert found is not None, f"no profile has {kind}:{value}"
        return found.attributes

    def refused(self) -> list[tuple[str, int, str, str]]:
        """The refused records of the last load."""
        with self.refused_file.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["file", "line", "reason", "record"]
        return [(Path(file).name, int(line), reason, record) for file, line, reason, record in rows]
