"""Files into a store that is being served: what is there then, and after a load was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.database import Database
from engine.errors import AlreadyExists, InputInvalid
from loaders import LoadSummary, load, sending
from loaders.sending import Ack, send
from strata.cli.commands import app
from strata.client import Client
from strata.ingesting import Ingestor
from tests.event_stores import stored_events
from tests.wire.conftest import running

MODEL = """
time_zone: Europe/Berlin
identifiers:
  member: {per_profile: 1}
  phone: {per_profile: 3, blocked: ['000']}
attributes:
  city: category
  age: int
  spend: {type: decimal, scale: 2}
  weight: float
  vip: bool
  born: date
  joined: time
  likes: set
  remark: text
events:
  order:
    properties: {sku: category, total: {type: decimal, scale: 3}, pieces: int, rate: float,
                 gift: bool, sent: date, paid: time, note: text}
  ping:
sources:
  people:
    identify: {member: id, phone: mobile}
    attributes: {city: city, age: age, spend: spend, weight: weight, vip: vip, born: born,
                 joined: joined, likes: {column: likes, split: '|'}, remark: remark}
    tags: {column: tags, split: '|'}
    by: who
  strict: {identify: {member: id}, attributes: {city: city, likes: {column: likes, split: '|'}},
           empty: unset}
  orders:
    event: order
    identify: {member: id}
    id: [no, line]
    time: at
    properties: {sku: sku, total: total, pieces: pieces, rate: rate, gift: gift, sent: sent,
                 paid: paid, note: note}
  pings: {event: ping, identify: {member: id}, time: at}
"""
PEOPLE = '''\
id,mobile,city,age,spend,weight,vip,born,joined,likes,remark,tags,who
m1,138,上海,31,1.005,0.1,是,2000-02-29,2026-03-29 02:30,tea|go,its 白皮书,a|b,anna
m2,000,Oslo,-5,-2.675,1e308,0,1969-12-31,1969-12-31 23:59:59.999999,go,,b,
m3,,,,,,,,,,,,
,,Oslo,1,,,,,,,,,
m4,139,Oslo,many,1,1,1,2000-01-01,2026-01-01,,,,
m5,140,Oslo,9223372036854775807,9999999999999999.99,-0.0,no,9999-12-31,2026-10-25,x,"""b""",c,bob
m6,138,Oslo,1,1,1,1,2000-01-01,2026-01-01,,,,
m7,141,Oslo
'''
STRICT = 'id,city,likes\nm1,,\nm2,,x\nm5,"Bergen",\n'
ORDERS = """\
id,no,line,at,sku,total,pieces,rate,gift,sent,paid,note
m1,1,1,2026-01-01 10:00,A,1.0005,3,0.5,1,2026-01-02,2026-01-03 08:00,first
m1,1,2,2026-01-01 10:00,,,,,,,,
m2,1,1,2026-01-02 10:00,B,-7,1,,0,,,
m1,1,1,2026-01-04 10:00,C,2,3,0.5,1,2026-01-02,2026-01-03 08:00,again
m9,2,,2026-01-02 10:00,B,1,1,1,0,,,
m9,,,2026-01-02 10:00,B,1,1,1,0,,,
m2,3,1,,B,1,1,1,0,,,
m2,4,1,2999-01-01,B,1,1,1,0,,,
"""
FILES = [("people", PEOPLE), ("strict", STRICT), ("orders", ORDERS), ("orders", ORDERS)]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where loads keep how they stand, and the current folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state" / "strata" / "loads"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.create(tmp_path / "store")
    made.apply_model({"m.yaml": MODEL})
    yield made
    made.close()


@pytest.fixture
def address(database: Database) -> Iterator[str]:
    with running(database) as found:
        yield found


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def sent(
    address: str,
    source: str,
    files: Sequence[Path],
    wrapped: Callable[[Any], Any] = lambda stream: stream,
    **options: Any,
) -> LoadSummary:
    with Client(address) as client:

        def opened(partition: str, on_ack: Callable[[Ack], None]) -> Any:
            return wrapped(Ingestor(client, source, partition=partition, on_ack=on_ack))

        model = Database.check_model(client.model().files)
        summary = send(model, source, files, address, opened, **options)
        client.count("false", min_offset=summary.data_version)
        return summary


def contents(database: Database) -> object:
    """All that was loaded, whatever rows and uids it got."""
    members = [f"m{number}" for number in range(1, 10)]
    profiles = []
    for record in database.profiles([("member", member) for member in members]):
        if record is not None:
            given = {name: value for name, value in sorted(record.attributes.items())}
            profiles.append((sorted(record.identifiers), repr(given), sorted(record.tags)))
    events = [
        (kind, time, sorted(cells.items()))
        for kind in ("order", "ping")
        for _, time, cells in stored_events(database._store, kind)
    ]
    return profiles, sorted(events, key=repr)


def test_what_is_sent_is_what_is_loaded(database: Database, address: str, tmp_path: Path) -> None:
    with Database.create(tmp_path / "other") as other:
        other.apply_model({"m.yaml": MODEL})
        for number, (source, text) in enumerate(FILES):
            path = written(tmp_path, f"{number}.csv", text)
            kept = [tmp_path / f"{way}{number}.csv.refused" for way in ("loaded", "sent")]
            expected = load(other, source, [path], refused=kept[0])
            summary = sent(address, source, [path], refused=kept[1])
            for key in ("source", "files", "accepted", "refused", "created", "blocked_identifiers"):
                assert getattr(summary, key) == getattr(expected, key), (source, key)
            assert [one.exists() and one.read_text() for one in kept[:1]] == [
                one.exists() and one.read_text() for one in kept[1:]
            ]
        assert contents(database) == contents(other)
        # The ids of events are the same, too: a load finds what was sent.
        orders = [tmp_path / "3.csv"]
        found, expected = load(database, "orders", orders), load(other, "orders", orders)
        for key in ("events_added", "events_replaced", "events_unchanged"):
            assert getattr(found, key) == getattr(expected, key), key


class Cut:
    """A stream that breaks off behind a number of batches, before their answers are heard."""

    def __init__(self, stream: Any, batches: int) -> None:
        self._stream = stream
        self._left = batches

    def send(self, updates: bytes, *, offsets: Sequence[int]) -> None:
        if not self._left:
            self._stream.flush()
            raise ConnectionError("cut off")
        self._left -= 1
        self._stream.send(updates, offsets=offsets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Deaf(Cut):
    """The same, and the answers to its batches never arrive."""

    def send(self, updates: bytes, *, offsets: Sequence[int]) -> None:
        self._stream._on_ack = None
        super().send(updates, offsets=offsets)


def pings(count: int) -> str:
    """Events without an id, of which every fourth is refused by the server."""
    days = ("2026-01-01", "2026-01-02", "2026-01-02", "2999-01-01")
    return "id,at\n" + "".join(f"m{n % 3},{days[n % 4]}\n" for n in range(count))


@pytest.mark.parametrize("cuts", [[1], [0, 2, 1], [1, 1, 1, 1, 1]])
def test_a_load_that_broke_off_goes_on(
    cuts: list[int],
    database: Database,
    address: str,
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "SENT_RECORDS", 3)
    path = written(tmp_path, "pings.csv", pings(20) + "m1\n" + ",2026-01-01\n")
    for batches in cuts:
        with pytest.raises(ConnectionError):
            sent(address, "pings", [path], lambda stream, n=batches: Cut(stream, n))
        assert len(list(state.iterdir())) == 1
        assert not (tmp_path / "pings.refused.csv").exists()
    summary = sent(address, "pings", [path])
    assert (summary.accepted, summary.refused, summary.unanswered) == (15, 7, 0)
    assert len(stored_events(database._store, "ping")) == 15
    told = (tmp_path / "pings.refused.csv").read_text().splitlines()[1:]
    assert [int(line.split(",")[1]) for line in told] == [5, 9, 13, 17, 21, 22, 23]
    assert not list(state.iterdir())


def test_answers_that_were_lost_are_told(
    database: Database, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SENT_RECORDS", 3)
    path = written(tmp_path, "pings.csv", pings(20))
    for batches in (1, 2):
        with pytest.raises(ConnectionError):
            sent(address, "pings", [path], lambda stream, n=batches: Deaf(stream, n))
    summary = sent(address, "pings", [path])
    assert (summary.accepted, summary.refused, summary.unanswered) == (8, 3, 9)
    assert len(stored_events(database._store, "ping")) == 15
    assert "dealt with 9 records more" in str(summary)
    assert sent(address, "pings", [path]).accepted == 15, "another load, for all that is known"


def test_a_file_that_changed_is_not_gone_on_with(
    database: Database, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SENT_RECORDS", 3)
    path = written(tmp_path, "pings.csv", pings(20))
    with pytest.raises(ConnectionError):
        sent(address, "pings", [path], lambda stream: Cut(stream, 2))
    written(tmp_path, "pings.csv", pings(21))
    with pytest.raises(InputInvalid, match=r"pings\.csv has changed .* --anew"):
        sent(address, "pings", [path])
    assert sent(address, "pings", [path], anew=True).accepted == 16
    assert len(stored_events(database._store, "ping")) == 16 + 5


def test_nothing_is_sent_of_files_that_cannot_be_read(address: str, tmp_path: Path) -> None:
    whole = written(tmp_path, "pings.csv", pings(20))
    cut = written(tmp_path, "cut.csv", "id,at\nm1,2026-01-01\nm1")

    def refuse(stream: Any) -> Any:
        raise AssertionError("a stream was opened")

    for files in ([whole, cut], [whole, tmp_path / "missing.csv"]):
        with pytest.raises(InputInvalid):
            sent(address, "pings", files, refuse)


def test_files_are_loaded_once_at_a_time(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "pings.csv", pings(8))

    def again(stream: Any) -> Any:
        with pytest.raises(AlreadyExists, match="another process"):
            sent(address, "pings", [path])
        return stream

    assert sent(address, "pings", [path], again).accepted == 6


def test_the_command_prints_the_same(database: Database, address: str, tmp_path: Path) -> None:
    runner = CliRunner()
    path = written(tmp_path, "people.csv", PEOPLE)
    given = ["load", "--source", "people", str(path)]
    sent = runner.invoke(app, [*given, "--server", address, "--json"])
    assert sent.exit_code == 0, sent.output
    printed = json.loads(sent.stdout)
    assert (printed["accepted"], printed["refused"], printed["created"]) == (4, 4, 4)
    assert printed["refused_file"] == "people.refused.csv"
    wrong = runner.invoke(app, ["load", "--source", "peple", str(path), "--server", address])
    assert wrong.exit_code == 1 and "Did you mean people?" in wrong.stderr
    unserved = runner.invoke(app, [*given, "--store", str(tmp_path / "other"), "--anew"])
    assert unserved.exit_code == 2


def test_a_killed_command_goes_on(database: Database, address: str, tmp_path: Path) -> None:
    path = written(tmp_path, "pings.csv", pings(150_000))
    command = [sys.executable, "-m", "strata", "load", "--source", "pings", str(path)]
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([*command, "--server", address], cwd=tmp_path, env=where) as killed:
        deadline = time.monotonic() + 60
        while not stored_events(database._store, "ping"):
            assert time.monotonic() < deadline and killed.poll() is None
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
    summary = sent(address, "pings", [path])
    assert len(stored_events(database._store, "ping")) == 112_500
    assert summary.accepted + summary.refused + summary.unanswered == 150_000
