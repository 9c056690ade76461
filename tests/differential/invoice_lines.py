"""The invoice lines that the shops of the tests are made of: made up, or the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential.made_lines import ZONE, write_lines

__all__ = ["LINE_KINDS", "OWN_ZONE", "invoice_lines"]

LINE_KINDS = ("made", "online-retail")
# That of the real lines, which the models name.
OWN_ZONE = "Europe/London"


def invoice_lines(request: pytest.FixtureRequest, seed: int, folder: Path) -> tuple[Path, str]:
    """The lines of the kind that is the parameter of a fixture, and the zone of their shop. Lines
    that are made up go to the folder; without real data the test is skipped."""
    if request.param == "made":
        path = folder / "lines.csv.gz"
        write_lines(path, seed)
        return path, ZONE
    real_data: Path = request.getfixturevalue("real_data")
    return real_data / "online-retail" / "lines.csv.gz", OWN_ZONE
