"""Models with scores in a live database: applied, edited, and in segments that are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live_databases import LiveDatabase, model_files

HEAD = """\
time_zone: UTC
identifiers: {member: {per_profile: 1}}
attributes:
  city: {type: category}
  size: {type: int}
events:
  visit: {}
scores:
  lead:
    rules:
      - {when: "city in ('a')", points: 20}
      - {when: "size >= 5 or segment('big')", points: 30.5}
      - {when: "size < 0", points: -10}
  busy: {rules: [{each: visit, points: 1}]}
segments:
"""
SEGMENTS = {
    "big": "size >= 50",
    "hot": "score('lead') > 30.4",
    "hottest": "segment('hot') and score('lead') = 50.5",
    "active": "score('busy') > 0",
}


@pytest.fixture
def live(tmp_path: Path) -> LiveDatabase:
    found = LiveDatabase(tmp_path / "store", {})
    found.database.apply_model(model_files(SEGMENTS, HEAD))
    return found


def test_segments_over_scores_are_kept_as_they_change(live: LiveDatabase) -> None:
    live.send(
        {"member": "A", "city": "a", "size": 4},
        {"member": "B", "city": "a", "size": 5},
        {"member": "C", "size": 60},
        {"member": "D", "size": -1},
    )
    assert live.members("segment('hot')") == ["B", "C"]
    assert live.members("segment('hottest')") == ["B"]
    assert live.members("score('lead') < 0") == ["D"]
    live.send({"member": "A", "size": 7}, {"member": "B", "size": 1})
    assert live.members("segment('hottest')") == ["A"]
    assert live.members("score('lead') > 30.4") == ["A", "C"]
    told = [(who, what) for who, what, _, _ in live.entries() if what[1:] == "hot"]
    assert told == [("B", "+hot"), ("C", "+hot"), ("A", "+hot"), ("B", "-hot")]
    assert live.members("segment('active')") == []
    live.database.close()


def test_edited_points_move_members(live: LiveDatabase) -> None:
    live.send({"member": "A", "city": "a"}, {"member": "B", "size": 9})
    assert live.members("segment('hot')") == ["B"]
    live.database.apply_model(model_files(SEGMENTS, HEAD.replace("points: 20", "points: 40")))
    assert live.members("segment('hot')") == ["A", "B"]
    live.database.close()
