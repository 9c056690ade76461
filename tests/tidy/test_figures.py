"""The figures in the README are those of the result that it names."""

from __future__ import annotations

import pytest

from bench.report.readme import figures, marked, replaced
from bench.report.results import read_result
from tests.tidy.sources import ROOT

README = (
    "# It\n\n<!-- figures: bench/results/none.json -->\nbygone\n<!-- end of figures -->\n\nMore.\n"
)


def test_the_figures_are_those_of_the_result() -> None:
    name, shown = marked((ROOT / "README.md").read_text())
    result = ROOT / name
    assert result.is_relative_to(ROOT / "bench" / "results"), name
    assert result.exists(), f"README.md names {name}, which does not exist"
    assert shown == figures(read_result(result)), f"run python -m bench.report.readme {name}"


def test_figures_by_hand_are_seen() -> None:
    name, shown = marked((ROOT / "README.md").read_text())
    result = read_result(ROOT / name)
    result["ours"][0]["times_us"] = [1.0]
    assert shown != figures(result)


def test_what_stands_around_the_figures_stays() -> None:
    name, _ = marked((ROOT / "README.md").read_text())
    text = replaced(README, name, read_result(ROOT / name))
    assert text.startswith("# It\n\n<!-- figures: ") and text.endswith("\n\nMore.\n")
    assert marked(text)[0] == name and "bygone" not in text


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no markers"):
        marked("# It\n")
