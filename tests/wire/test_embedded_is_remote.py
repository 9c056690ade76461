"""Every command prints the same over a store that it opens and over a server."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from engine.database import Database
from strata.cli.commands import app
from tests.wire.conftest import running
from tests.wire.real_store import COUNT, MODEL

AS_OF = ["--as-of", "2026-11-01T08:00:00"]
# The two runs differ in how long they took, and in nothing else.
TIMES = re.compile(r'"elapsed_ms": [\d.e-]+|[\d,]+\.\d{3} ms')
RICH = "age >= 18 and (spend > 500.5 or not interests = 'tea')"

READS = [
    ["count", RICH, *AS_OF],
    ["count", RICH, *AS_OF, "--nodes"],
    ["count", RICH, *AS_OF, "--json", "--nodes", "--group-by", "城市"],
    ["count", "age > 3", *AS_OF, "--group-by", "城市"],
    ["count", "joined > now - 3650 days", "--as-of", "2024-01-01", "--json"],
    ["count", "segment('rich_adults')", *AS_OF, "--nodes"],
    ["count", "城市 = 'Oslo'", *AS_OF, "--group-by", "vip"],
    ["list", "age > 95", "--ids", "phone"],
    ["list", "age > 95"],
    ["list", "age > 50", "--ids", "member", "--limit", "20", "--salt", "x"],
    ["list", "age > 50", "--ids", "member", "--limit", "20", "--order-by", "spend"],
    ["list", "age > 90", "--ids", "member", "--order-by", "weight", "--descending"],
    ["list", "age > 97", "--ids", "phone", "--json", "--with", "城市", "--with", "interests"],
    ["list", "age > 97", "--ids", "uid", "--json", "--with", "joined", "--with", "born"],
    ["list", "age > 97", "--ids", "member", "--format", "csv", "--with", "spend", "--with", "tag"],
    ["list", "age > 97", "--format", "roaring"],
    ["profile", "member:m17"],
    ["profile", "phone:13900000018", "--json"],
    ["profile", "member:m17", *AS_OF],
    ["profile", "phone:13900000018", *AS_OF, "--json"],
    ["explain", "member:m17", "segment('rich_adults') or not vip and age > 200", *AS_OF],
    ["explain", "member:m17", "joined > now - 3650 days and tag = 'x'", *AS_OF, "--json"],
    ["format", "age>3   or  tag in ('x')", "--json"],
    ["model"],
    ["model", "--json"],
    ["lists"],
    ["verify"],
    ["stats", "--json"],
    ["distribution", "age", *AS_OF],
    ["distribution", "spend", "--of", "age > 40", "--quantiles", "4", *AS_OF, "--json"],
    ["distribution", "now - joined", "--edges", "1 day, 30 days,3650 days", *AS_OF],
    ["distribution", "weight + 0.5 * age", "--bins", "3", *AS_OF, "--json"],
    ["distribution", "spend", "--thresholds", "100,0,99.5", *AS_OF],
    ["distribution", "joined", "--at-most", "date '2020-01-01',now", *AS_OF, "--json"],
    ["distribution", "born", "--bins", "4", *AS_OF],
    ["distribution", "城市", "--top", "2", *AS_OF],
    ["distribution", "interests", "--of", "not vip", *AS_OF, "--json"],
    ["distribution", "vip", *AS_OF],
    ["summarize", "spend", *AS_OF],
    ["summarize", "2 * spend - age", "--by", "城市", "--of", "age > 40", *AS_OF, "--json"],
    ["summarize", "now - joined", "--by", "vip", "--places", "0", *AS_OF],
    ["summarize", "born", *AS_OF, "--json"],
    ["summarize", "weight", "--of", "false", *AS_OF, "--json"],
    ["overlap", "adults", "rich_adults", "城市 = 'Oslo'", "false", *AS_OF],
    ["overlap", "adults", "vip = true", *AS_OF, "--json"],
    ["overlap", *["age > 3"] * 13, *AS_OF, "--pairs", "3"],
    ["waterfall", "rich_adults", "adults", "true", *AS_OF],
    ["waterfall", "adults", "vip = true", "--cap", "1=100", "--salt", "x", *AS_OF, "--json"],
    ["waterfall", "adults", "age > 3", "--cap", "1=9", "--list", "1", "--ids", "member"],
    ["waterfall", "rich_adults", "true", "--list", "2", "--json"],
    # Failures.
    ["count", "agee > 3"],
    ["distribution", "agee"],
    ["distribution", "age", "--of", "agee > 3"],
    ["distribution", "age", "--edges", "3,x"],
    ["distribution", "age", "--edges", "3"],
    ["distribution", "age", "--top", "3"],
    ["summarize", "城市"],
    ["summarize", "age +"],
    ["summarize", "age", "--by", "agee"],
    ["funnel", "age > 3"],
    ["funnel", "sequence(order then order within 3 days)"],
    ["count", "age > 'x'"],
    ["count", "age >"],
    ["count", "segment('rich')"],
    ["count", "list('nobody')"],
    ["count", "count(order) > 3"],
    ["count", "age > 3", "--group-by", "age"],
    ["count", "age > 3", "--group-by", "nothing"],
    ["list", "age > 3", "--ids", "fone"],
    ["list", "age > 3", "--order-by", "城市"],
    ["list", "age > 3", "--json", "--with", "agee"],
    ["overlap", "adults", "adultz"],
    ["overlap", "adults", "agee > 3"],
    ["waterfall", "adults", "agee > 3"],
    ["waterfall", "adults", "age > 3", "--list", "2", "--ids", "fone"],
    ["waterfall", "agee > 3", "age > 3", "--list", "2"],
    ["profile", "member:nobody"],
    ["profile", "fone:1"],
    ["profile", "uid:zz"],
    ["explain", "member:nobody", "age > 3"],
    ["explain", "fone:1", "age > 3"],
    ["explain", "member:m17", "agee > 3"],
    ["explain", "member:m17", "segment('rich')"],
    ["explain", "member:m17", "list('nobody')"],
    ["explain", "member:m17", ""],
]


def _run(arguments: list[str], *place: str) -> tuple[int, bytes, str]:
    result = CliRunner().invoke(app, [*arguments, *place], prog_name="strata")
    printed = result.stdout_bytes
    if b"\x00" not in printed:
        printed = TIMES.sub("TIME", printed.decode()).encode()
    return result.exit_code, printed, result.stderr


Both = Callable[[list[str]], tuple[int, bytes, str]]


@pytest.fixture
def both(store: Path, served: str) -> Both:
    """Runs a command over a store and over a server: what it did, the same both ways."""

    def run(arguments: list[str]) -> tuple[int, bytes, str]:
        here = _run(arguments, *([] if arguments[0] == "format" else ["--store", str(store)]))
        assert here == _run(arguments, "--server", served)
        return here

    return run


@pytest.mark.parametrize("arguments", READS, ids=" ".join)
def test_reading_commands(arguments: list[str], both: Both) -> None:
    status, printed, complaint = both(arguments)
    assert "Traceback" not in complaint and "fault of the program" not in complaint
    if READS.index(arguments) < READS.index(["count", "agee > 3"]):
        assert (status, complaint) == (0, "")
        assert printed or arguments == ["lists"]
    else:
        assert (status, printed) == (1, b"")
        assert complaint.startswith("strata: ")


def test_counts_are_those_of_the_data(both: Both) -> None:
    """Not only the same: right."""
    _, printed, _ = both(["count", "age is present or age is missing", *AS_OF])
    assert printed.startswith(f"{COUNT:,} ".encode())
    _, printed, _ = both(["list", "true", "--ids", "member"])
    assert sorted(printed.decode().split()) == sorted(f"m{number}" for number in range(COUNT))


@pytest.mark.parametrize("command", [["list"], ["freeze", "never"]])
def test_a_fault_of_an_order_is_shown_in_the_order(both: Both, command: list[str]) -> None:
    arguments = [*command, "age > 3", "--limit", "3", "--order-by", "count(ordre)"]
    _, _, complaint = both(arguments)
    assert complaint.splitlines()[1:] == ["  count(ordre)", "        ^~~~~"]
    arguments = [*command, "agee > 3", "--limit", "3", "--order-by", "age"]
    _, _, complaint = both(arguments)
    assert complaint.splitlines()[1:] == ["  agee > 3", "  ^~~~"]


def test_a_file_of_expressions(both: Both, tmp_path: Path) -> None:
    file = tmp_path / "expressions"
    file.write_text("-- three\nage > 3\n\nage > 5 -- old\n  -- and one\nnot 城市 = 'Oslo'\n")
    _, printed, _ = both(["count", "--file", str(file), *AS_OF])
    rows = [json.loads(line) for line in printed.replace(b"TIME", b'"t": 0').splitlines()]
    assert [row["expression"] for row in rows] == ["age > 3", "age > 5", "not 城市 = 'Oslo'"]
    assert len({row["data_version"] for row in rows}) == 1


@pytest.mark.parametrize("second", ["agee > 5", "age >", "age > 5 5"])
def test_the_wrong_line_of_a_file_is_shown(second: str, both: Both, tmp_path: Path) -> None:
    file = tmp_path / "expressions"
    file.write_text(f"age > 3\n\n-- wrong\n{second}\nage > 9\n")
    status, printed, complaint = both(["count", "--file", str(file)])
    assert (status, printed) == (1, b"")
    assert complaint.startswith(f"strata: {file}, line 4, column ")
    _, shown, caret = complaint.rstrip("\n").split("\n")
    assert shown == f"  {second}"
    assert caret.strip("~ ") == "^"


def test_files_of_members(store: Path, served: str, tmp_path: Path) -> None:
    for form in ("csv", "parquet", "roaring"):
        written = []
        for way in ("here", "there"):
            out = tmp_path / f"{way}.{form}"
            base = ["list", "age > 90", "--format", form, "-o", str(out)]
            if form != "roaring":
                base += ["--ids", "member", "--with", "spend", "--with", "joined"]
            place = ["--store", str(store)] if way == "here" else ["--server", served]
            assert _run(base, *place) == (0, b"", "")
            written.append(out.read_bytes())
        assert written[0] == written[1]
    table = parquet.read_table(tmp_path / "here.parquet").to_pylist()
    assert table and set(table[0]) == {"member", "spend", "joined"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{way}.{form}" for way in ("here", "there") for form in ("csv", "parquet", "roaring")
    ]


def test_changing_commands(store: Path, tmp_path: Path) -> None:
    """The same changes, made to two copies of one store in the two ways."""
    ids = tmp_path / "ids"
    ids.write_text("13900000001\n13900000001\n 13900000002 \n\n999\n")
    model = tmp_path / "new.yaml"
    model.write_text(MODEL + "  # nothing new\n")
    other = tmp_path / "other.yaml"
    other.write_text(MODEL.replace("age >= 18", "age >= 21"))
    broken = tmp_path / "broken.yaml"
    broken.write_text(MODEL.replace("type: int", "type: integer"))
    commands = [
        ["lists", "upload", "winners", str(ids), "--ids", "phone", "--json"],
        ["lists"],
        ["count", "list('winners')", *AS_OF, "--json"],
        ["lists", "upload", "winners", str(ids), "--ids", "fone"],
        ["lists", "upload", "more", str(ids), "--ids", "member"],
        ["lists", "delete", "more"],
        ["lists", "delete", "more"],
        ["apply", str(other), "--check"],
        ["plan", str(other)],
        ["plan", str(other), "--json"],
        ["plan", str(broken)],
        ["apply", str(other), "--json"],
        ["apply", str(other)],
        ["apply", str(broken)],
        ["apply", str(tmp_path / "absent")],
        ["model"],
        ["count", "segment('adults')", *AS_OF, "--json"],
        ["verify"],
    ]
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(store, here)
    shutil.copytree(store, there)
    embedded = [_run(command, "--store", str(here)) for command in commands]
    with running(Database.open(there)) as address:
        remote = [_run(command, "--server", address) for command in commands]
    for command, one, other_one in zip(commands, embedded, remote, strict=True):
        assert one == other_one, command
    assert [status for status, *_ in embedded] == [
        *[0, 0, 0, 1, 0, 0, 1, 0],
        *[0, 0, 1],
        *[0, 0, 1, 1, 0, 0, 0],
    ]
    uploaded = json.loads(embedded[0][1])
    assert (uploaded["size"], uploaded["known"], uploaded["waiting"]) == (3, 2, 1)
    changes = json.loads(embedded[9][1])["changes"]
    assert [change["definition"] for change in changes] == [
        "segments.adults",
        "segments.rich_adults",
    ]
    assert all(change["leavers"] > 0 == change["joiners"] for change in changes)
    assert json.loads(embedded[11][1])["changes"] == changes
    assert b'"count": 2' in embedded[2][1] and b'"waiting": 1' in embedded[2][1]


def test_freezing_commands(store: Path, tmp_path: Path) -> None:
    """Freezing, listing and comparing, over two copies of one store in the two ways."""
    commands = [
        ["freeze", "old", "age > 90", *AS_OF, "--by", "me", "--json"],
        ["freeze", "few", "age > 50", *AS_OF, "--by", "me", "--limit", "7", "--salt", "x"],
        ["freeze", "rich", "true", *AS_OF, "--limit", "9", "--order-by", "spend", "--descending"],
        ["freeze", "late", "vip", *AS_OF, "--until", "2099-01-01", "--by", ""],
        ["frozen"],
        ["frozen", "--json"],
        ["frozen", "show", "few"],
        ["frozen", "show", "rich", "--json"],
        ["count", "--frozen", "old", "--json"],
        ["count", "--frozen", "old", "--group-by", "城市", *AS_OF],
        ["count", "--frozen", "old", "age > 40 and vip", "--nodes", *AS_OF],
        ["count", "age > 40", "--frozen", "old", "--group-by", "vip", *AS_OF, "--json"],
        ["list", "--frozen", "old", "--ids", "member"],
        ["list", "--frozen", "old", "--ids", "member", "--skip", "3", "--take", "5"],
        ["list", "--frozen", "old", "--ids", "phone", "--json", "--with", "age"],
        ["list", "--frozen", "old", "--limit", "4", "--order-by", "spend"],
        ["list", "--frozen", "few", "--format", "roaring"],
        ["frozen", "compare", "old", "few"],
        ["frozen", "compare", "old", "--with", "age > 95", *AS_OF, "--json"],
        ["frozen", "drop", "late"],
        ["stats", "--json"],
        ["verify"],
        # Refused.
        ["freeze", "old", "age > 91"],
        ["freeze", " x", "age > 91"],
        ["freeze", "x" * 201, "age > 91"],
        ["freeze", "new", "age > 91", "--until", "2001-01-01"],
        ["freeze", "new", "age > 91", "--by", "x" * 201],
        ["freeze", "new", "age > 91", "--order-by", "spend"],
        ["freeze", "new", "agee > 91"],
        ["freeze", "new", "age > 91", "--limit", "3", "--order-by", "城市"],
        ["frozen", "show", "olt"],
        ["frozen", "drop", "late"],
        ["frozen", "compare", "old", "late"],
        ["frozen", "compare", "old", "--with", "agee > 3"],
        ["list", "--frozen", "late"],
        ["list", "--frozen", "old", *AS_OF],
        ["list", "--frozen", "old", "--take", "3", "--limit", "3"],
        ["count", "list('old')"],
    ]
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(store, here)
    shutil.copytree(store, there)
    embedded = [_run(command, "--store", str(here)) for command in commands]
    with running(Database.open(there)) as address:
        remote = [_run(command, "--server", address) for command in commands]
    for command, one, other in zip(commands, embedded, remote, strict=True):
        assert _untimed(one) == _untimed(other), command
    refused = commands.index(["freeze", "old", "age > 91"])
    for place, (status, printed, complaint) in enumerate(embedded):
        command = commands[place]
        assert status == (place >= refused), (command, complaint)
        assert (complaint.startswith("strata: ") and not printed) == bool(status), command
    whole = commands.index(["list", "--frozen", "old", "--ids", "member"])
    members = embedded[whole][1].splitlines()
    assert embedded[whole + 1][1].splitlines() == members[3:8]
    assert json.loads(embedded[0][1])["count"] == len(members)
    assert [line.split()[0] for line in embedded[4][1].decode().splitlines()] == [
        *["few", "late", "old", "rich"]
    ]


def _untimed(result: tuple[int, bytes, str]) -> tuple[int, bytes, str]:
    """Without the moment at which an audience was frozen, and what grows with it."""
    status, printed, complaint = result
    if b"\x00" not in printed:
        printed = re.sub(rb'(frozen  +|"made_at": ")[-0-9T:.]+Z', b"FROZEN", printed)
    return status, printed, complaint


def test_a_refused_first_model_leaves_no_store(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(MODEL.replace("type: int", "type: integer"))
    status, _, complaint = _run(["apply", str(broken)], "--store", str(tmp_path / "new"))
    assert status == 1 and "integer" in complaint
    assert [path.name for path in tmp_path.iterdir()] == ["broken.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["count", "true"],
        ["count", "--store", "x"],
        ["count", "true", "--store", "x", "--server", "y:1"],
        ["count", "true", "--file", "x", "--store", "x"],
        ["list", "true", "--store", "x", "--with", "age"],
        ["list", "true", "--store", "x", "--format", "parquet"],
        ["list", "true", "--store", "x", "--limit", "0"],
        ["list", "--store", "x"],
        ["count", "--frozen", "y", "--nodes", "--store", "x"],
        ["count", "--frozen", "y", *AS_OF, "--store", "x"],
        ["count", "--frozen", "y", "--file", "z", "--store", "x"],
        ["list", "true", "--frozen", "y", "--store", "x"],
        ["list", "true", "--skip", "1", "--store", "x"],
        ["list", "--frozen", "y", "--skip", "99999999999999999999", "--store", "x"],
        ["list", "--frozen", "y", "--take", "99999999999999999999", "--store", "x"],
        ["list", "true", "--limit", "99999999999999999999", "--store", "x"],
        ["freeze", "x", "true", "--limit", "99999999999999999999", "--store", "x"],
        ["frozen", "compare", "x", "--store", "x"],
        ["frozen", "compare", "x", "y", "--with", "true", "--store", "x"],
        ["freeze", "x", "--store", "x"],
        ["profile", "nokind", "--store", "x"],
        ["explain", "nokind", "true", "--store", "x"],
        ["explain", "member:1", "--store", "x"],
        ["distribution", "age", "--bins", "3", "--top", "3", "--store", "x"],
        ["distribution", "age", "--bins", "0", "--store", "x"],
        ["distribution", "age", "--edges", "1,,3", "--store", "x"],
        ["summarize", "age", "--places", "39", "--store", "x"],
        ["funnel", "--store", "x"],
        ["nothing"],
    ],
    ids=" ".join,
)
def test_wrong_usage(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRATA_STORE", raising=False)
    monkeypatch.delenv("STRATA_SERVER", raising=False)
    status, printed, complaint = _run(arguments)
    assert (status, printed) == (2, b"")
    assert "Error: " in complaint


def test_a_server_that_is_not_there() -> None:
    status, _, complaint = _run(["count", "true"], "--server", "127.0.0.1:1")
    assert status == 1
    assert complaint == "strata: The server at 127.0.0.1:1 does not answer. Is it running?\n"


def test_the_place_comes_from_the_environment(
    store: Path, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATA_STORE", str(store))
    assert _run(["count", "true"])[0] == 0
    monkeypatch.delenv("STRATA_STORE")
    monkeypatch.setenv("STRATA_SERVER", served)
    assert _run(["count", "true"])[0] == 0
