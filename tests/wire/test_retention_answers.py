"""Events dropped by age, through command line and server: what is refused, and what is said."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from typer.testing import CliRunner

from engine.database import Database
from strata.cli.commands import app
from strata.client import Client
from tests.wire.conftest import running

MODEL = """\
time_zone: Asia/Shanghai
identifiers:
  member: {per_profile: 1}
events:
  visit: {retention: 90 days, properties: {page: category}}
sources:
  visits: {event: visit, identify: {member: id}, time: at, properties: {page: page}}
"""
YEAR = "count(visit in last 365 days) >= 1"
NOTE = re.compile(
    r"events of `visit` before \d{4}-\d\d-\d\d are dropped: "
    r"count\(visit in last 365 days\) reads what is left"
)


def _run(arguments: list[str], *place: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*arguments, *place], prog_name="strata")
    return result.exit_code, result.stdout, result.stderr


def test_old_events_are_refused_and_answers_say_what_is_dropped(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    model, visits, store = tmp_path / "model.yaml", tmp_path / "visits.csv", tmp_path / "store"
    model.write_text(MODEL)
    days = {"a": 1, "b": 89, "c": 92, "d": 3000}
    lines = [f"{who},{(now - timedelta(days=age)).isoformat()},p" for who, age in days.items()]
    visits.write_text("\n".join(["id,at,page", *lines]) + "\n")
    place = "--store", str(store)
    assert _run(["apply", str(model)], *place)[0] == 0
    refused = tmp_path / "refused.csv"
    load = ["load", "--source", "visits", "--refused", str(refused), str(visits)]
    status, printed, complaint = _run(load, *place)
    assert (status, complaint) == (0, "") and "2 records accepted, 2 refused" in printed
    assert refused.read_text().count("and what is older has been dropped by its retention") == 2
    status, printed, complaint = _run(["count", YEAR], *place)
    assert (status, complaint) == (0, "")
    first, said = printed.splitlines()
    assert first.startswith("2 ") and NOTE.fullmatch(said)
    assert _run(["count", "count(visit in last 90 days) >= 1"], *place)[1].count("\n") == 1
    in_json = json.loads(_run(["count", YEAR, "--json"], *place)[1])
    assert in_json["count"] == 2 and in_json["notes"] == [said]
    told = _run(["summarize", "count(visit in last 365 days)"], *place)[1]
    assert said in told.splitlines()
    with running(Database.open(store)) as address:
        client = Client(address, timeout_s=60)
        answer = client.count(YEAR)
        assert (answer.count, answer.notes) == (2, (said,))
        assert client.count(YEAR, as_of=now - timedelta(days=100)).notes == (said,)
        assert _run(["count", YEAR], "--server", address)[1].splitlines()[1] == said
        members = client.members(YEAR, form="uids")
        assert members.header.notes == (said,)
        list(members)


def test_a_retention_that_is_none_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model.yaml"
    for wrong in ("90", "-3 days", "2000 years", "soon", "0 days", "[1 day]"):
        model.write_text(MODEL.replace("90 days", wrong))
        status, printed, complaint = _run(["apply", str(model)], "--store", str(tmp_path / "s"))
        assert (status, printed) == (1, ""), wrong
        assert "retention" in complaint and "Traceback" not in complaint, (wrong, complaint)
