"""Small sizes of everything that `strata bench` does, for its answers.

Measured: nothing; times of 5,000 profiles say nothing of millions.
Held: every rival that is installed gives the same answers as Strata in process and through gRPC,
a wrong answer stops the run, and what is written can be read. The hash of the answers is printed;
it follows from the seeds alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.compare import compare
from bench.data.data_set import PeopleSet, events, people
from bench.data.people import SEED
from bench.data.stores import stored
from bench.failure import BenchFailed
from bench.growth import growth
from bench.machine import ROOT
from bench.match import Answers, alone, ask_engine, ask_rival, match
from bench.questions import QUESTIONS, Answer, Draw
from bench.report.page import page
from bench.report.results import read_result, verdicts, write_result
from bench.rivals import RIVALS, missing_package
from bench.run import Wanted, engine, run
from bench.sides.process import Side
from strata.cli.commands import app

ROWS = 5_000


def silent(doing: str, share: float) -> None:
    """Tells nobody."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and stores of this module."""
    return tmp_path_factory.mktemp("bench-data")


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    """A run over everything, small."""
    wanted = Wanted(size=ROWS, threads=(1,), data=folder, rounds=1, bandwidth=False)
    return run(wanted, silent)


def test_all_say_the_same(result: dict[str, Any]) -> None:
    installed = {name for name, kind in RIVALS.items() if missing_package(kind) is None}
    assert {one["side"] for one in result["skipped"]} == set(RIVALS) - installed
    for question in result["questions"]:
        print(question["name"], question["answers"])
        sides = {one["side"] for one in result["measured"] if one["question"] == question["name"]}
        asked = QUESTIONS[question["name"]].rivals
        possible = {
            name
            for name in installed
            if any(question["name"] in can.questions for can in RIVALS[name].layouts.values())
        }
        wanted = possible if asked is None else (possible | {"strata-singly"}) & {*asked}
        assert sides == wanted | {"strata-grpc"}
    assert {"duckdb", "numpy", "pyroaring"} <= installed
    assert result["data"]["seed"] == SEED and result["store"]["rows"] == ROWS


def test_answers_follow_from_the_seeds(result: dict[str, Any], folder: Path) -> None:
    data = people(folder, ROWS, tell=silent)
    store = stored(data, tell=silent, events=events(data, tell=silent))
    with engine(store.path, 1) as side:
        for described in result["questions"][:8]:
            answers = Answers(QUESTIONS[described["name"]], seed=1)
            alone(answers, ask_engine(side), "again", rounds=1)
            assert answers.digest(1) == described["answers"]
        others = Answers(QUESTIONS["Q1"], seed=2)
        alone(others, ask_engine(side), "again", rounds=1)
        assert others.digest(1) != result["questions"][0]["answers"]


@pytest.mark.parametrize("name", ["Q1", "Q2", "Q3", "Q7"])
def test_other_data_stop_the_run(folder: Path, name: str) -> None:
    rows = 20_000  # of fewer, nobody might answer a rare question
    data = people(folder, rows, tell=silent)
    other = people(folder, rows, seed=SEED + 1, tell=silent)
    with (
        engine(stored(data, tell=silent).path, 1) as ours,
        Side("numpy", "-m", "bench.sides.rival_side", "numpy", "bits", "1") as theirs,
    ):
        theirs.call("load", [str(file) for file in other.files])
        answers = Answers(QUESTIONS[name], seed=1)
        with pytest.raises(BenchFailed, match=f"{name}: answers differ.* numpy says"):
            match(answers, ask_engine(ours), ask_rival(theirs), "numpy")


def test_one_wrong_answer_is_seen_at_any_time() -> None:
    def right(draw: Draw) -> tuple[Answer, int]:
        return len(draw.audiences), 1000

    asked = 0

    def wrong(draw: Draw) -> tuple[Answer, int]:
        nonlocal asked
        asked += 1
        return len(draw.audiences) + (asked == 30), 1000

    with pytest.raises(BenchFailed, match=r"Q1: answers differ.* (says 2|said 2)"):
        match(Answers(QUESTIONS["Q1"], 1), right, wrong, "liar")
    assert 30 <= asked < 34, "it is seen when the draw has been asked of both"


def test_a_side_that_dies_is_named(folder: Path) -> None:
    with (
        Side("numpy", "-m", "bench.sides.rival_side", "numpy", "bits", "1") as side,
        pytest.raises(BenchFailed, match=r"numpy could not load: FileNotFoundError"),
    ):
        side.call("load", [str(folder / "nowhere.parquet")])
    with Side("nobody", "-c", "raise SystemExit(3)") as side:
        side.process.wait()
        with pytest.raises(BenchFailed, match=r"nobody died .* \(status 3\)"):
            side.call("load", [])


def test_results_are_written_and_read(result: dict[str, Any], tmp_path: Path) -> None:
    path = write_result(result, tmp_path)
    assert path.name.startswith("people-5k-")
    assert read_result(path) == json.loads(json.dumps(result))
    found = list(verdicts(result))
    assert {one.question for one in found} == set(QUESTIONS)
    assert all(one.met == (one.ratio is not None and one.ratio >= one.times)
               for one in found if one.met is not None)  # fmt: skip


def test_growth_and_the_page(result: dict[str, Any], folder: Path) -> None:
    wanted = Wanted(size=0, questions=("Q1", "Q7"), threads=(1,), data=folder, rounds=1)
    grown = growth(wanted, [2 * ROWS, ROWS], silent)
    assert [one["rows"] for one in grown["sizes"]] == [ROWS, 2 * ROWS]
    for size in grown["sizes"]:
        (only,) = size["runs"]
        assert only["anonymous_bytes"] > 0 and only["mapped_bytes"] > 0
        assert size["load"]["file_bytes"] > 0 and size["load"]["anonymous_bytes"] > 0
    text = page([result | {"bandwidth": _bandwidth()}, grown])
    plots = [part.partition("</svg>")[0] + "</svg>" for part in text.split("<svg")[1:]]
    assert len(plots) > len(QUESTIONS)
    for plot in plots:
        ElementTree.fromstring("<svg" + plot)
    assert "http" not in text and "<script" not in text
    assert "polyline" in text and "reading alone" in text


def _bandwidth() -> list[dict[str, float]]:
    return [{"threads": n, "bytes": 1 << 20, "bytes_a_second": 1e10 * n} for n in (1, 2)]


def test_a_commit_beside_itself(folder: Path) -> None:
    data = people(folder, ROWS, tell=silent)
    theirs = stored(data, tell=silent, folder=folder / "base", source_tree=ROOT)
    ours = stored(data, tell=silent)
    wanted = Wanted(ROWS, ("Q1", "Q3"), threads=(1,), rounds=7)
    found = list(compare(theirs.path, ROOT, ours.path, wanted, silent))
    assert [one.question for one in found] == ["Q1", "Q3"]
    assert all(one.low <= one.ratio <= one.high for one in found)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    options = ("--size", str(ROWS), "--rivals", "numpy", "-q", "q1,Q3", "--threads", "1")
    done = _strata("bench", *options, "--data", str(folder), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Q1, 1 thread: goal 2 times pyroaring; not measured" in done.stdout
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html", ".json"]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("-q", "Q77"), 1, "There is no Q77 here; there are Q1, "),
        (("--rivals", "oracle"), 1, "There is no oracle here; there are polars, "),
        (("--size", "many"), 2, "'many' is no size"),
        (("--size", "1m,2m"), 2, "give one size"),
        (("--rounds", "3"), 2, "a median of 3 says little"),
        (("--threads", "0"), 2, "--threads counts from 1"),
    ],
)
def test_the_command_refuses(options: tuple[str, ...], status: int, said: str) -> None:
    done = CliRunner().invoke(app, ["bench", *options])
    assert done.exit_code == status and said in " ".join(done.output.split())


def _strata(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "strata", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_draws_differ_and_can_be_repeated() -> None:
    for question in QUESTIONS.values():
        draws = [question.drawn(1, number) for number in range(10)]
        assert draws[:3] == [question.drawn(1, number) for number in range(3)]
        assert len(set(draws)) > 7, "literals are hardly ever the same"
        assert question.drawn(2, 0) != draws[0]
    assert len({str(question.drawn(1, 0)) for question in QUESTIONS.values()}) == len(QUESTIONS)
    rng = np.random.default_rng(1)
    assert len(QUESTIONS["Q9"].draw(rng).audiences) == 200


def test_a_set_of_people_is_named_by_its_size(folder: Path) -> None:
    data: PeopleSet = people(folder, ROWS, tell=silent)
    assert data.name == "people-5k" and len(data.files) == 1
