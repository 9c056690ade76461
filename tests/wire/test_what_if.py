"""A score with other weights, tried without applying it: as an apply of it would have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engine.errors import InputInvalid, NotFound
from strata.cli.commands import app
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.errors import StrataError
from strata.what_if import what_if
from tests.moving_worlds import MovingDatabase

RULES = """\
scores:
  lead:
    rules:
    - {when: "size >= 50", points: 60}
    - {when: "stage = 'x'", points: 50}
    - {when: "size = 95", points: -20}
    bands: {cold: 0, hot: 60, mql: 100}
    hold: {mql: 55}
"""
BANDS = ["cold", "hot", "mql", "warm"]
# What is set, and the same in the file.
SETTINGS = [
    ({"rules[0].points": "40"}, ("points: 60", "points: 40")),
    ({"bands.hot": "50"}, ("hot: 60", "hot: 50")),
    ({"bands.warm": "10"}, ("hot: 60", "hot: 60, warm: 10")),
    ({"bands.mql": "110.5"}, ("mql: 100", "mql: 110.5")),
    ({"bands.mql": "59"}, ("mql: 100", "mql: 59")),
    ({"rules[1].when": "stage != 'x'"}, ("stage = 'x'", "stage != 'x'")),
    ({"floor": "40", "hold.mql": "100"}, ("hold: {mql: 55}", "hold: {mql: 100}\n    floor: 40")),
    ({"hold.hot": "40", "bands.hot": "61"}, ("hot: 60, mql: 100}", "hot: 61, mql: 100}")),
]


@pytest.fixture
def live(tmp_path: Path) -> MovingDatabase:
    live = MovingDatabase(tmp_path / "store", {}, rules=RULES)
    live.send(*({"member": f"{n}", "size": n, "stage": "xyz"[n % 3]} for n in range(100)))
    # Some are held in the highest band by what they were.
    live.send(*({"member": f"{n}", "size": 10, "stage": "y"} for n in range(60, 70)))
    live.send(*({"member": f"{n}", "stage": "y"} for n in range(70, 80)))
    return live


def held(live: MovingDatabase, names: list[str]) -> dict[str, set[str]]:
    """Who is in which band."""
    found = {}
    for band in names:
        with live.database.members(f"band('lead') = '{band}'") as members:
            found[band] = {value for part in members.identifiers("member") for value in part}
    return found


@pytest.mark.parametrize(("settings", "edit"), SETTINGS)
def test_it_says_what_an_apply_does(
    live: MovingDatabase, settings: dict[str, str], edit: tuple[str, str]
) -> None:
    before = held(live, ["cold", "hot", "mql"])
    version = live.database.data_version
    answer = live.database.what_if.ask("lead", [*settings.items()])
    assert live.database.data_version == version
    assert held(live, ["cold", "hot", "mql"]) == before
    rules = RULES.replace(*edit)
    if "hold.hot" in settings:
        rules = rules.replace("hold: {mql", "hold: {hot: 40, mql")
    live.apply({}, rules=rules)
    after = held(live, [one.band for one in answer.bands])
    of = {name: band for band, names in before.items() for name in names}
    then = {name: band for band, names in after.items() for name in names}
    for one in answer.bands:
        old = before.get(one.band, set())
        new = after[one.band]
        assert (one.old_size, one.new_size) == (len(old), len(new)), one
        assert (one.joiners, one.leavers) == (len(new - old), len(old - new)), one
    assert answer.moved == sum(of.get(n) != then.get(n) for n in {*of, *then})
    live.close()


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("rule[0].points", "1", "a score has no rule; did you mean rules?"),
        ("rules[3].points", "1", r"rules has 3, \[0\] to \[2\]"),
        ("rules.points", "1", "rules has no parts with names"),
        ("bands[0]", "1", "bands is no list"),
        ("..", "1", "is no path in a score"),
        ("", "1", "is no path in a score"),
        ("rules[0].points", "much", r"rules\[0\]\.points: expected a number, found 'much'"),
        ("rules[0].pints", "1", "did you mean 'points'"),
        ("rules[0].when", "siz > 1", "there is no attribute named 'siz'"),
        ("bands.hot", "0", "'cold' has the same bound"),
        ("bands.hot", "[", "it is no YAML"),
    ],
)
def test_what_makes_no_sense(live: MovingDatabase, path: str, value: str, told: str) -> None:
    with pytest.raises(InputInvalid, match=told):
        live.database.what_if.ask("lead", [(path, value)])
    live.close()


def test_a_score_that_is_not_there(live: MovingDatabase) -> None:
    with pytest.raises(NotFound, match=r"There is no score leed\. Did you mean lead?"):
        live.database.what_if.ask("leed", [])
    live.close()


def test_over_the_wire_and_by_the_command(live: MovingDatabase, serve: Callable[..., str]) -> None:
    address = serve(live.database)
    expected = live.database.what_if.ask("lead", [("bands.warm", "10"), ("bands.hot", "70")])
    with Client(address, timeout_s=60) as client:
        found = what_if(client, "lead", {"bands.warm": "10", "bands.hot": "70"})
        with pytest.raises(StrataError, match="has no rule"):
            what_if(client, "lead", {"rule[0].points": "1"})
    assert [one.band for one in found.bands] == ["mql", "hot", "warm", "cold"]
    assert found.moved == expected.moved > 0
    assert [(one.old_size, one.new_size, one.joiners, one.leavers) for one in found.bands] == [
        (one.old_size, one.new_size, one.joiners, one.leavers) for one in expected.bands
    ]
    assert [one.old_bound for one in found.bands] == [Decimal(100), Decimal(60), None, Decimal(0)]
    asked = ["whatif", "lead", "--set", "bands.warm=10", "--set", "bands.hot=70"]
    shown = CliRunner().invoke(app, [*asked, "--server", address]).stdout.splitlines()
    assert "60 -> 70" in shown[3]
    assert "new: 10" in shown[4]
    shown_json = json.loads(CliRunner().invoke(app, [*asked, "--server", address, "--json"]).stdout)
    assert [one["after"] for one in shown_json["bands"]] == [one.new_size for one in found.bands]
    assert CliRunner().invoke(app, ["whatif", "lead", "--set", "x", "--server", "y"]).exit_code == 2


def test_a_score_must_be_named(live: MovingDatabase) -> None:
    with (
        live.database as database,
        Client(transport=EmbeddedTransport(database)) as client,
        pytest.raises(StrataError) as caught,
    ):
        what_if(client, "", {})
    assert caught.value.reason == "INPUT_INVALID" and caught.value.issues[0].field == "score"
