"""Questions about what attributes were, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from engine.database import Database
from strata.cli.commands import app
from tests.updates import update_batch

MODEL = """\
time_zone: UTC
identifiers: {member: {per_profile: 1}}
attributes: {stage: {type: category, history: true}, level: {type: int}}
sources: {crm: {identify: {member: member}, attributes: {level: level}}}
"""
DAY_US = 86_400_000_000


def test_a_count_of_the_past_reads_what_was_and_names_what_is_todays(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "store", threads=1)
    database.apply_model({"model.yaml": MODEL})
    assert database.model is not None
    for stage, day in (("lead", 20000), ("won", 20010)):
        update = {"member": "a", "stage": stage, "level": 1, "time": day * DAY_US}
        ack = database.ingest(update_batch([update], database.model))
        database.wait_visible(ack.offset)
    database.close()
    asked = ["count", "stage = 'lead' and level = 1", "--store", str(tmp_path / "store"), "--json"]
    for more, count in (
        ([], 0),
        (["--as-of", "2024-10-04"], 1),  # day 20000
        (["--as-of", "2024-10-14"], 0),
        (["--as-of", "2024-10-03"], 0),
    ):
        made = CliRunner().invoke(app, [*asked, *more])
        assert made.exit_code == 0, made.output
        found = json.loads(made.stdout)
        assert int(found["count"]) == count, more
        assert found.get("read_as_of_today", []) == (["level"] if more else [])


LISTED_MODEL = """\
time_zone: UTC
identifiers: {member: {per_profile: 1}}
attributes:
  stage: {type: category, history: true}
  size: {type: int, history: true}
  level: {type: int}
  twice: {type: decimal, scale: 1, is: "2 * size"}
sources: {crm: {identify: {member: member}, attributes: {level: level}}}
scores:
  lead: {rules: [{when: "size >= 2", points: 5}, {when: "stage = 'won'", points: 2}]}
"""


def test_a_list_of_the_past_shows_what_was_and_names_what_is_todays(tmp_path: Path) -> None:
    """Through the command line and through gRPC, which are one path."""
    database = Database.create(tmp_path / "store", threads=1)
    database.apply_model({"model.yaml": LISTED_MODEL})
    assert database.model is not None
    for member, stage, size, day in (
        ("a", "lead", 1, 20000),
        ("a", "won", 4, 20010),
        ("b", "lead", 3, 20000),
        ("b", "lost", 1, 20010),
    ):
        update = {"member": member, "stage": stage, "size": size, "level": 9, "time": day * DAY_US}
        ack = database.ingest(update_batch([update], database.model))
        database.wait_visible(ack.offset)
    database.close()
    asked = ["list", "true", "--store", str(tmp_path / "store"), "--ids", "member", "--json"]
    asked += ["--with", "stage", "--with", "twice", "--with", "level", "--descending"]
    now = [("a", "won", "8.0", 9), ("b", "lost", "2.0", 9)]
    then = [("b", "lead", "6.0", 9), ("a", "lead", "2.0", 9)]
    for order, more, lines, told in (
        ("score('lead')", [], now, ""),
        ("score('lead')", ["--as-of", "2024-10-05"], then, "as it is today: level\n"),
        ("size", ["--as-of", "2024-10-05"], then, "as it is today: level\n"),
        ("twice", ["--as-of", "2024-10-05"], then, "as it is today: level\n"),
        ("2 * size + level", [], now, ""),
    ):
        made = CliRunner().invoke(app, [*asked, "--order-by", order, *more])
        assert made.exit_code == 0, made.output
        found = [json.loads(line) for line in made.stdout.splitlines()]
        shown = [(one["member"], one["stage"], one["twice"], one["level"]) for one in found]
        assert shown == lines, (order, more)
        assert told in made.stderr
    made = CliRunner().invoke(app, [*asked, "--order-by", "score('led')"])
    assert made.exit_code == 1 and "did you mean" in made.stderr


def test_a_frozen_audience_is_counted(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "store", threads=1)
    database.apply_model({"model.yaml": MODEL})
    database.frozen.freeze("mailed", "level = 1")
    database.close()
    at = ["--store", str(tmp_path / "store")]
    made = CliRunner().invoke(app, ["count", "--frozen", "mailed", "--json", *at])
    found = json.loads(made.stdout)
    assert (found["count"], found["expression"], "gone" in found) == (0, "level = 1", False)
    for more in (["--nodes"], ["--as-of", "2024-10-05"]):
        made = CliRunner().invoke(app, ["count", "--frozen", "mailed", *more, *at])
        assert made.exit_code == 2, made.output
