"""Questions about what attributes were, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from engine.database import Database
from strata.cli.main import app
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
