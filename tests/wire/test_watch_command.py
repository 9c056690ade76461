"""`strata watch`: lines for people and for scripts, the end of it, and Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.live.change import Transition
from engine.live.moved_key import moved_key
from strata.cli import embedded
from strata.cli.commands import app
from tests.feeds import WatchedStore, rows_of, transition, uid
from tests.wire.conftest import running

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database() -> WatchedStore:
    database = WatchedStore(blocks=1)
    database.add(3, transition("gold", [1, 3]), transition("silver", [5]))
    database.add(4, transition("gold", [], [3], version=2))
    return database


def run(*arguments: str) -> tuple[int, list[str], str]:
    result = CliRunner().invoke(app, ["watch", *arguments], prog_name="strata")
    return result.exit_code, result.stdout.splitlines(), result.stderr


@pytest.fixture
def both(database: WatchedStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs a command with a server and with a store: the same both ways."""

    @contextlib.contextmanager
    def opened(path: Path, *, writes: bool, creates: bool) -> Iterator[Any]:
        assert not writes and not creates
        yield database

    monkeypatch.setattr(embedded, "opened", opened)
    with running(database) as address:

        def run_both(*arguments: str) -> tuple[int, list[str], str]:
            there = run(*arguments, "--no-follow", "--server", address)
            assert run(*arguments, "--store", "here") == there
            return there

        yield run_both


def test_lines(both: Any) -> None:
    status, lines, said = both("--from-start")
    assert status == 0
    first = "2023-11-14T22:13:20.123459Z"
    assert lines == [
        f"{first}  entered  gold  {uid(1).hex()}  (update)",
        f"{first}  entered  gold  {uid(3).hex()}  (update)",
        f"{first}  entered  silver  {uid(5).hex()}  (update)",
        f"2023-11-14T22:13:20.123460Z  left     gold  {uid(3).hex()}  (update)",
    ]
    assert said.startswith("to go on from here: --from ")


def test_identifiers_and_segments(both: Any) -> None:
    _, lines, _ = both("gold", "--from-start", "--ids", "phone")
    assert [line.split("  ")[-2] for line in lines] == [f"uid:{uid(1).hex()}", "phone-3", "phone-3"]


def test_json_and_going_on(both: Any, database: WatchedStore) -> None:
    status, lines, said = both("--from-start", "--json", "--ids", "phone")
    assert (status, said) == (0, "")
    *entries, last = map(json.loads, lines)
    assert last == {"resume_token": database.feed.token(database.feed.newest()), "caught_up": True}
    assert entries[-1] == {
        "definition": "segments.gold",
        "definition_version": 2,
        "uid": uid(3).hex(),
        "from": True,
        "to": False,
        "cause": "update",
        "instant": "2023-11-14T22:13:20.123460Z",
        "sequence": 4,
        "ordinal": 0,
        "identifiers": ["phone-3"],
    }
    database.add(5, transition("silver", [], [5]))
    _, lines, said = both("--from", last["resume_token"])
    assert len(lines) == 1 and "left     silver" in lines[0]
    assert "identifiers" not in json.loads(both("--from", last["resume_token"], "--json")[1][0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["golt", "--from-start"], "Did you mean gold?"),
        (["lapsed", "--from-start"], "lapsed cannot be watched in this version"),
        (["--from", "what"], "The resume token is none"),
        (["--from-start", "--ids", "fone"], "did you mean phone?"),
    ],
    ids=["unknown", "not kept", "token", "kind"],
)
def test_refusals(arguments: list[str], words: str, both: Any) -> None:
    status, lines, said = both(*arguments)
    assert (status, lines) == (1, [])
    assert words in said and said.startswith("strata: ") and "Traceback" not in said


def test_compacted(both: Any, database: WatchedStore) -> None:
    old = database.feed.token(database.feed.oldest())
    database.add(6, transition("silver", [8]))
    database.store.drop(before=4)
    status, lines, said = both("--from", old)
    assert (status, lines) == (1, [])
    assert said.startswith("strata: What came right after that place is no longer kept")
    go_on = said.splitlines()[1].rpartition(" ")[2]
    assert len(both("--from", go_on)[1]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from-start", "--from", "x", "--server", "x:1"],
        ["--store", "here"],
        ["--no-follow", "--server", "x:1"],
        [],
    ],
    ids=["two places", "store", "no follow", "nowhere"],
)
def test_wrong_usage(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRATA_STORE", raising=False)
    monkeypatch.delenv("STRATA_SERVER", raising=False)
    status, lines, said = run(*arguments)
    assert (status, lines) == (2, [])
    assert "Error: " in said


@pytest.mark.parametrize("form", ["lines", "json"])
def test_live_lines_until_ctrl_c(form: str, database: WatchedStore) -> None:
    """Each line is out as soon as it happens, also into a pipe."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_")}
    with running(database) as address:
        command = [sys.executable, "-m", "strata", "watch", "silver", "--server", address]
        process = subprocess.Popen(
            [*command, *(["--json"] if form == "json" else [])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        try:
            assert process.stdout is not None
            assert database.wait_listeners(1)
            if form == "json":
                assert json.loads(process.stdout.readline())["caught_up"] is True
            for sequence in (5, 6, 7):
                database.add(sequence, transition("gold", [sequence]), transition("silver", [9]))
                assert uid(9).hex() in process.stdout.readline()
                if form == "json":
                    token = json.loads(process.stdout.readline())["resume_token"]
            process.send_signal(signal.SIGINT)
            rest, said = process.communicate(timeout=60)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        assert (process.returncode, rest) == (130, "")
        assert database.wait_listeners(0)
        if form == "json":
            assert said == "" and token == database.feed.token(database.feed.newest())
        else:
            expected = database.feed.token(database.feed.newest())
            assert said.strip() == f"to go on from here: --from {expected}"


def test_bands_and_tags(both: Any, database: WatchedStore) -> None:
    database.add(5, Transition("tags.VIP", 1, rows_of([1]), rows_of([])))
    key = moved_key("scores.lead", "", "hot")
    database.add(6, Transition(key, 1, rows_of([3]), rows_of([])))
    _, lines, _ = both("--from-start", "--score", "lead", "--tag", "VIP")
    assert [line.split("  ")[1:-1] for line in lines] == [
        ["entered", "VIP", uid(1).hex()], ["- -> hot", "lead", uid(3).hex()]
    ]  # fmt: skip
    named = [moved_key('tags."saw {x}"', *sides) for sides in (("", "saw a"), ("saw b", ""))]
    database.add(7, *(Transition(one, 1, rows_of([3]), rows_of([])) for one in named))
    _, lines, _ = both("--from-start", "--tag", "saw {x}")
    assert [" ".join(line.split()[1:4]) for line in lines] == ["entered saw a", "left saw b"]
    assert both("--from-start", "--tag", "saw b")[1] == lines[1:]
    _, lines, _ = both("--from-start", "--score", "lead", "--json")
    entry = json.loads(lines[0])
    assert (entry["definition"], entry["from"], entry["to"]) == ("scores.lead", None, "hot")
