"""Bands with `hold`: entered at their bound and left below what holds them, told as one change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.live_check import stored_rows
from tests.moving_worlds import MovingDatabase

RULES = """\
scores:
  lead:
    rules:
    - {when: "size >= 10", points: 40}
    - {when: "stage = 'x'", points: 30}
    - {when: "size >= 50", points: 40}
    bands: {cold: 0, nurture: 40, hot: 70, mql: 100}
    hold: {mql: 70.001, nurture: 20}
"""
BANDS = ("cold", "nurture", "hot", "mql")


@pytest.fixture
def live(tmp_path: Path) -> Iterator[MovingDatabase]:
    opened = MovingDatabase(tmp_path / "store", {"s": "band('lead') >= 'hot'"}, rules=RULES)
    yield opened
    opened.close()


def bands(live: MovingDatabase) -> dict[int, str]:
    """Row -> band, by what is stored and by conditions."""
    found = {}
    with live.database._store.snapshot() as snapshot:
        for band in BANDS:
            with live.database.members(f"band('lead') = '{band}'") as members:
                rows = members.rows.tolist()
            assert stored_rows(snapshot, f":scores.lead.bands.{band}") == rows
            found.update(dict.fromkeys(rows, band))
    return found


def test_a_band_is_held(live: MovingDatabase) -> None:
    steps = [
        (5, "y", "cold"),  # 0
        (12, "y", "nurture"),  # 40: at its bound
        (5, "x", "nurture"),  # 30: held from 20 on
        (12, "x", "hot"),  # 70: no hold
        (50, "x", "mql"),  # 110
        (50, "y", "mql"),  # 80: held
        (12, "x", "hot"),  # 70: below 70.001
        (12, "y", "nurture"),  # 40: hot has no hold
        (5, "y", "cold"),  # 0: below 20
        (5, "x", "cold"),  # 30: not entered again
    ]
    told = ["scores.lead: - -> cold"]
    before = "cold"
    for size, stage, band in steps:
        live.send({"member": "a", "size": size, "stage": stage})
        assert bands(live) == {0: band}, (size, stage)
        if band != before:
            told.append(f"scores.lead: {before} -> {band}")
            before = band
        live.agree()
    assert [what for _, what, _, _ in live.entries() if "lead" in what] == told


def test_an_edit_judges_anew_and_clears_nothing(live: MovingDatabase) -> None:
    live.send({"member": "a", "size": 50, "stage": "x"}, {"member": "b", "size": 50, "stage": "y"})
    live.send({"member": "a", "stage": "y"})
    assert bands(live) == {0: "mql", 1: "hot"}  # both have 80
    segments = {"s": "band('lead') >= 'hot'"}
    live.apply(segments, rules=RULES.replace("mql: 100", "mql: 120"))
    assert bands(live) == {0: "mql", 1: "hot"}
    live.apply(segments, rules=RULES.replace("mql: 70.001", "mql: 80.001"))
    assert bands(live) == {0: "hot", 1: "hot"}
    live.apply(segments, rules=RULES.replace("mql: 100", "mql: 80"))
    assert bands(live) == {0: "mql", 1: "mql"}
    changes = [(cause, what, row) for cause, what, row, _ in live.entries() if "lead" in what]
    assert changes[-4:] == [
        ("update", "scores.lead: - -> mql", 0),
        ("edit", "scores.lead: mql -> hot", 0),
        ("edit", "scores.lead: hot -> mql", 0),
        ("edit", "scores.lead: hot -> mql", 1),
    ]
    live.reopen()
    assert bands(live) == {0: "mql", 1: "mql"}
    live.agree()
