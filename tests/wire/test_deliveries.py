"""Deliveries to a real web server that fails, is slow, is away; and senders that die."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from delivery.cursor import Cursor, CursorFile
from delivery.dead_letters import DeadLetter, DeadLetters
from delivery.failures import DeliveryRefused
from delivery.metrics import Metrics
from delivery.posting import Poster
from delivery.run import deliver, retry_dead
from delivery.sending import Sender
from delivery.settings import DeliverySettings, load_settings
from delivery.signing import read_secret, signed_headers
from engine.live.resume_token import FeedPosition, pack_token
from strata.client import Client
from strata.errors import StrataError
from tests.feeds import STORE_UID, WatchedStore, transition, uid
from tests.webhook_receiver import Answer, Delivery, Receiver, documented_check
from tests.wire.conftest import running

ROOT = Path(__file__).parents[2]
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLD_SECRET = "whsec_" + base64.b64encode(bytes(range(50, 90))).decode()
MOVED = 307, {"location": "/elsewhere"}, b""
QUICK = {"first_wait_s": 0.01, "most_wait_s": 0.02}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.lower().endswith("_proxy") or name.startswith("STRATA_"):
            monkeypatch.delenv(name)


@pytest.fixture
def store() -> WatchedStore:
    """A feed of six changes: ids 3-0 to 3-2, 4-0, 6-0 and 6-1."""
    store = WatchedStore()
    store.add(3, transition("gold", [1, 3]), transition("silver", [5]))
    store.add(4, transition("gold", [], [3], version=2))
    store.add(6, transition("silver", [7, 8]))
    return store


IDS = ["3-0", "3-1", "3-2", "4-0", "6-0", "6-1"]


@pytest.fixture
def address(store: WatchedStore) -> Iterator[str]:
    with running(store) as address:
        yield address


def settings(receiver: Receiver | str, state: Path, **more: Any) -> DeliverySettings:
    """Settings of one endpoint, `crm`, that tries again at once."""
    url = receiver if isinstance(receiver, str) else receiver.url
    endpoint = {"url": url, "from_start": True, "attempts": 4, **QUICK, **more}
    return load_settings(None, state=state, endpoints={"crm": endpoint})


def send(address: str, given: DeliverySettings) -> None:
    """Delivers what is in the feed."""
    deliver(given, lambda: Client(address), follow=False)


def dead(state: Path) -> list[DeadLetter]:
    return DeadLetters(state, "crm").all()


def test_every_change_once_and_in_order(address: str, tmp_path: Path, store: WatchedStore) -> None:
    with Receiver() as receiver:
        given = settings(receiver, tmp_path, batch=2, identifier_kind="phone")
        send(address, given)
        assert receiver.taken == IDS
        assert [one.headers["webhook-id"] for one in receiver.came] == [
            "3-0_3-1", "3-2_4-0", "6-0_6-1",
        ]  # fmt: skip
        assert receiver.came[1].changes == [
            {
                "id": "3-2",
                "definition": "segments.silver",
                "definition_version": 1,
                "uid": uid(5).hex(),
                "identifiers": [],
                "from": False,
                "to": True,
                "cause": "update",
                "instant": "2023-11-14T22:13:20.123459Z",
            },
            {
                "id": "4-0",
                "definition": "segments.gold",
                "definition_version": 2,
                "uid": uid(3).hex(),
                "identifiers": ["phone-3"],
                "from": True,
                "to": False,
                "cause": "update",
                "instant": "2023-11-14T22:13:20.123460Z",
            },
        ]
        send(address, given)
        assert receiver.taken == IDS
        store.add(9, transition("gold", [9]))
        send(address, given)
        assert receiver.taken == [*IDS, "9-0"]
    assert dead(tmp_path) == []


def test_segments_and_the_place_to_begin(address: str, tmp_path: Path, store: WatchedStore) -> None:
    with Receiver() as receiver:
        send(address, settings(receiver, tmp_path / "a", segments=["silver"]))
        assert receiver.taken == ["3-2", "6-0", "6-1"]
        later = settings(receiver, tmp_path / "b", from_start=False)
        send(address, later)
        store.add(9, transition("gold", [9]))
        send(address, later)
        assert receiver.taken[3:] == ["9-0"]
        with pytest.raises(StrataError, match="Did you mean gold"):
            send(address, settings(receiver, tmp_path / "c", segments=["golf"]))


def test_signatures_hold_by_the_document(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_ours = documented_check()
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n{OLD_SECRET}\n")
    with Receiver() as receiver:
        send(address, settings(receiver, tmp_path / "a", secret_file=file))
        monkeypatch.setenv("STRATA_WEBHOOK_SECRET", SECRET)
        send(address, settings(receiver, tmp_path / "b"))
        monkeypatch.setenv("OTHER", OLD_SECRET)
        send(address, settings(receiver, tmp_path / "c", secret_env="OTHER"))
        monkeypatch.delenv("STRATA_WEBHOOK_SECRET")
        send(address, settings(receiver, tmp_path / "d"))
    both, new, old, none = receiver.came
    assert [is_ours(SECRET, one.headers, one.body) for one in (both, new, old)] == [
        True, True, False,
    ]  # fmt: skip
    assert [is_ours(OLD_SECRET, one.headers, one.body) for one in (both, new, old)] == [
        True, False, True,
    ]  # fmt: skip
    assert "webhook-signature" not in none.headers
    assert not is_ours(SECRET, both.headers, both.body + b" ")
    for name, value in (("webhook-id", "3-1"), ("webhook-timestamp", "1")):
        assert not is_ours(SECRET, {**both.headers, name: value}, both.body)
    ago = str(int(both.headers["webhook-timestamp"]) - 301)
    headers = signed_headers("3-0", int(ago), both.body, [read_secret(SECRET)])
    assert not is_ours(SECRET, headers, both.body)


def failing(*answers: Answer) -> Callable[[Delivery], Answer]:
    """These answers first, then 200."""
    left = list(answers)
    return lambda delivery: left.pop(0) if left else 200


@pytest.mark.parametrize(
    "answer",
    [500, 503, 429, 404, 401, 408, None, MOVED, (500, {}, b"x" * 99_999)],
)
def test_what_fails_is_sent_again_before_anything_else(
    answer: Answer, address: str, tmp_path: Path
) -> None:
    with Receiver(failing(answer, answer)) as receiver:
        send(address, settings(receiver, tmp_path, batch=4))
    assert receiver.taken == IDS
    assert [one.ids for one in receiver.came] == [IDS[:4]] * 3 + [IDS[4:]]
    assert len({(one.headers["webhook-id"], one.body) for one in receiver.came[:3]}) == 1
    assert {one.path for one in receiver.came} == {"/hooks"}
    assert dead(tmp_path) == []


def test_no_answer_in_time_is_a_failure(address: str, tmp_path: Path) -> None:
    free = threading.Event()

    def slow(delivery: Delivery) -> Answer:
        if len(receiver.came) == 1:
            free.wait(30)
        return 200

    with Receiver(slow) as receiver:
        send(address, settings(receiver, tmp_path, timeout_s=0.2))
        assert [one.ids for one in receiver.came] == [IDS, IDS]
        free.set()


def test_an_answer_that_trickles_in_has_an_end(address: str, tmp_path: Path) -> None:
    broken = threading.Event()

    def trickle() -> Iterator[bytes]:
        try:
            for _ in range(600):
                yield b"x"
                time.sleep(0.05)
        except GeneratorExit:
            # What is written finds nobody any more.
            broken.set()

    with Receiver(failing((500, {"content-length": "600"}, trickle()))) as receiver:
        send(address, settings(receiver, tmp_path, timeout_s=0.2))
        assert receiver.taken == IDS
        assert broken.wait(30)


def test_nobody_there_and_then_somebody(address: str, tmp_path: Path) -> None:
    with Receiver() as gone:
        pass
    send(address, settings(gone, tmp_path, attempts=2))
    assert [one.change["id"] for one in dead(tmp_path)] == IDS
    assert {one.attempts for one in dead(tmp_path)} == {2}
    assert all("ConnectError" in one.reason for one in dead(tmp_path))
    with Receiver() as receiver:
        assert retry_dead(settings(receiver, tmp_path)) == {"crm": (6, 0)}
        assert receiver.taken == IDS
    assert dead(tmp_path) == []


def test_one_bad_change_takes_no_other_with_it(address: str, tmp_path: Path) -> None:
    """A refused batch is sent change by change; what was given up can be tried again."""
    mended = threading.Event()

    def picky(delivery: Delivery) -> Answer:
        if "3-2" in delivery.ids and not mended.is_set():
            return (422, {}, b"no  such\ncustomer")
        return 200

    with Receiver(picky) as receiver:
        given = settings(receiver, tmp_path, batch=4)
        send(address, given)
        assert receiver.taken == [one for one in IDS if one != "3-2"]
        (letter,) = dead(tmp_path)
        assert (letter.change["id"], letter.attempts) == ("3-2", 1)
        assert letter.reason == "HTTP 422: no such customer"
        assert abs(letter.at_s - time.time()) < 600
        lines = (tmp_path / "crm.dead.jsonl").read_text().splitlines()
        assert [json.loads(line)["id"] for line in lines] == ["3-2"]
        assert retry_dead(given) == {"crm": (0, 1)}
        assert [one.change["id"] for one in dead(tmp_path)] == ["3-2"]
        mended.set()
        assert retry_dead(given) == {"crm": (1, 0)}
        assert receiver.taken[-1] == "3-2"
        assert dead(tmp_path) == []


def test_given_up_after_so_many_attempts(address: str, tmp_path: Path) -> None:
    def down(delivery: Delivery) -> Answer:
        return 500 if "4-0" in delivery.ids else 200

    with Receiver(down) as receiver:
        send(address, settings(receiver, tmp_path, batch=1))
        assert receiver.taken == [one for one in IDS if one != "4-0"]
        assert sum("4-0" in one.ids for one in receiver.came) == 4
    assert [(one.change["id"], one.reason, one.attempts) for one in dead(tmp_path)] == [
        ("4-0", "HTTP 500", 4)
    ]


def test_what_retry_after_asks_for_is_waited(tmp_path: Path) -> None:
    waits: list[float] = []

    def pause(wait_s: float) -> bool:
        waits.append(wait_s)
        return False

    answers: list[Answer] = [(503, {"retry-after": text}, b"") for text in ("7", "1", "99", "-3")]
    with Receiver(failing(*answers)) as receiver:
        endpoint = settings(
            receiver, tmp_path, attempts=9, first_wait_s=2, most_wait_s=8
        ).endpoints["crm"]
        poster = Poster("crm", endpoint, Metrics(), pause)
        assert poster.deliver([{"id": "1-0"}]).attempts == 5
        poster.close()
    assert waits[0] == 7 and 2 <= waits[1] <= 4 and waits[2] == 8 and 4 <= waits[3] <= 8


class Killed(BaseException):
    """As good as a kill: nothing of the sender runs any more."""


@pytest.mark.parametrize("nth", range(1, 8))
def test_dying_before_the_cursor_moves(
    nth: int, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever store of the cursor does not happen: what was delivered last comes again, the rest
    once."""
    saved = CursorFile.save
    count = 0

    def save(self: CursorFile, cursor: Cursor) -> None:
        nonlocal count
        count += 1
        if count == nth:
            raise Killed
        saved(self, cursor)

    monkeypatch.setattr(CursorFile, "save", save)
    with Receiver() as receiver:
        given = settings(receiver, tmp_path, batch=1, from_start=False)
        sender = Sender("crm", given, lambda: Client(address), Metrics(), follow=False)
        # As after a first start before anything had happened.
        saved(CursorFile(tmp_path, "crm"), Cursor(pack_token(STORE_UID, FeedPosition(1))))
        with pytest.raises(Killed):
            sender.run()
        so_far = len(receiver.taken)
        send(address, given)
    again = receiver.taken[so_far:]
    assert receiver.taken[:so_far] == IDS[:so_far]
    assert again in (IDS[so_far:], IDS[so_far - 1 :])
    assert len(receiver.taken) <= len(IDS) + 1


def test_dying_between_the_dead_letter_and_the_cursor(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there twice, and delivered once: a retry takes the later."""
    with monkeypatch.context() as patched, Receiver(lambda delivery: 400) as receiver:

        def save(self: CursorFile, cursor: Cursor) -> None:
            raise Killed

        given = settings(receiver, tmp_path)
        patched.setattr(CursorFile, "save", save)
        sender = Sender("crm", given, lambda: Client(address), Metrics(), follow=False)
        with pytest.raises(Killed):
            sender.run()
        assert len(dead(tmp_path)) == len(IDS)
    with Receiver(lambda delivery: 400) as receiver:
        send(address, settings(receiver, tmp_path))
        assert [one.change["id"] for one in dead(tmp_path)] == IDS * 2
    with Receiver() as receiver:
        assert retry_dead(settings(receiver, tmp_path)) == {"crm": (6, 0)}
        assert receiver.taken == IDS


def test_a_retry_that_dies_loses_nothing(address: str, tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, "crm")
    letters.add([DeadLetter({"id": f"1-{n}"}, "x", 1, 5) for n in range(3)])
    with pytest.raises(Killed), letters.taken() as taken:
        assert len(taken) == 3
        letters.add([DeadLetter({"id": "2-0"}, "new", 1, 6)])
        raise Killed
    with letters.taken() as taken:
        assert [one.change["id"] for one in taken] == ["1-0", "1-1", "1-2", "2-0"]
    assert letters.all() == []


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path, "crm")
    one, other = (DeadLetter({"id": f"1-{n}"}, "x", 1, 5) for n in range(2))
    letters.add([one])
    path = tmp_path / "crm.dead.jsonl"
    path.write_text(path.read_text() + '{"id": "1-')
    letters.add([other])
    assert letters.all() == [one, other]


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `strata deliver`; whatever still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "strata", "deliver", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("answers_first", [True, False])
def test_a_killed_sender_loses_nothing(
    answers_first: bool,
    address: str,
    tmp_path: Path,
    started: Callable[..., subprocess.Popen[str]],
    store: WatchedStore,
) -> None:
    """Killed by the receiver itself at each delivery of a change, before its answer or right after
    it: each change was taken at the end, in order but for what came again."""
    victims = iter([*IDS, "9-0"])
    process: subprocess.Popen[str]
    killed: list[str] = []
    waiting = next(victims)

    def deadly(delivery: Delivery) -> Answer:
        nonlocal waiting
        if waiting not in delivery.ids:
            return 200
        killed.append(waiting)
        waiting = next(victims, "")
        if not answers_first:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return None
        threading.Timer(0.0005, process.send_signal, [signal.SIGKILL]).start()
        return 200

    config = tmp_path / "deliveries.toml"
    with Receiver(deadly) as receiver:
        config.write_text(
            f'state = "{tmp_path / "state"}"\n[endpoints.crm]\nurl = "{receiver.url}"\n'
            "batch = 1\nfrom_start = true\nfirst_wait_s = 0.01\nmost_wait_s = 0.02\n"
        )
        for turn in range(9):
            if turn == 2:
                store.add(9, transition("gold", [9]))
            process = started("--server", address, "--config", str(config), "--no-follow")
            if process.wait(timeout=60) == 0 and turn > 2:
                break
        else:
            pytest.fail("it never came to the end")
    assert killed == [*IDS, "9-0"]
    assert list(dict.fromkeys(receiver.taken)) == [*IDS, "9-0"]
    came = [one.ids[0] for one in receiver.came]
    places = [[*IDS, "9-0"].index(one) for one in came]
    assert all(later - sooner in (0, 1) for sooner, later in pairwise(places))


def test_following_until_told_to_stop(
    address: str,
    tmp_path: Path,
    started: Callable[..., subprocess.Popen[str]],
    store: WatchedStore,
) -> None:
    with Receiver() as receiver:
        process = started(
            "--server", address, "--url", receiver.url, "--state", str(tmp_path), "--from-start"
        )
        assert receiver.wait_taken(6)
        store.add(9, transition("gold", [9]))
        assert receiver.wait_taken(7)
        process.send_signal(signal.SIGTERM)
        printed, said = process.communicate(timeout=60)
        assert (process.returncode, printed) == (0, ""), said
    assert [json.loads(line)["event"] for line in said.splitlines()] == ["delivering", "stopped"]


def test_a_feed_that_comes_back(tmp_path: Path, store: WatchedStore) -> None:
    """Servers stop and start; the sender goes on by itself."""
    places: list[str] = []
    with Receiver() as receiver:
        given = settings(receiver, tmp_path)
        sender = Sender("crm", given, lambda: Client(places[-1]), Metrics(), follow=True)
        with running(store) as address:
            places.append(address)
            thread = threading.Thread(target=sender.run)
            thread.start()
            assert receiver.wait_taken(6)
        store.add(9, transition("gold", [9]))
        with running(store) as address:
            places.append(address)
            assert receiver.wait_taken(7)
            sender.stop()
            store.add(10, transition("gold", [10]))
            thread.join(60)
            assert not thread.is_alive()
    assert receiver.taken[:7] == [*IDS, "9-0"]


def test_what_is_no_longer_kept(address: str, tmp_path: Path, store: WatchedStore) -> None:
    with Receiver() as receiver:
        given = settings(receiver, tmp_path)
        send(address, given)
        store.add(9, transition("gold", [9]))
        store.add(12, transition("gold", [10]))
        store.add(15, transition("gold", [11]))
        store.store.drop(12)
        with pytest.raises(DeliveryRefused, match="begins with record 12 now"):
            send(address, given)
        assert receiver.taken == IDS


def test_one_sender_at_a_time(address: str, tmp_path: Path) -> None:
    with Receiver() as receiver, CursorFile(tmp_path, "crm").held():
        with pytest.raises(DeliveryRefused, match="Another sender holds"):
            send(address, settings(receiver, tmp_path))
        assert receiver.came == []


def test_an_endpoint_that_is_down_keeps_no_other_waiting(address: str, tmp_path: Path) -> None:
    with Receiver(lambda delivery: 500) as down, Receiver() as up:
        given = load_settings(
            None,
            state=tmp_path,
            endpoints={
                "down": {"url": down.url, "from_start": True},
                "up": {"url": up.url, "from_start": True},
            },
        )
        waiting = Sender("down", given, lambda: Client(address), Metrics(), follow=False)
        thread = threading.Thread(target=waiting.run)
        thread.start()
        Sender("up", given, lambda: Client(address), Metrics(), follow=False).run()
        assert up.taken == IDS
        waiting.stop()
        thread.join(60)
        assert not thread.is_alive()
        assert down.taken == []


def test_figures(address: str, tmp_path: Path) -> None:
    answers = failing(503, 400)
    metrics = Metrics()
    with Receiver(answers) as receiver:
        given = settings(receiver, tmp_path, batch=1)
        Sender("crm", given, lambda: Client(address), metrics, follow=False).run()

    def figure(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"strata_{name}", {"endpoint": "crm", **labels})

    assert figure("delivered_changes_total") == 5
    assert figure("dead_changes_total") == 1
    outcomes = ("taken", "failed", "refused")
    told = [figure("delivery_attempts_total", outcome=one) for one in outcomes]
    assert told == [5, 1, 1]
    assert figure("delivery_seconds_count") == 7
    assert figure("delivery_behind_seconds") == 0


def test_a_damaged_cursor_is_refused(address: str, tmp_path: Path) -> None:
    (tmp_path / "crm.cursor").write_text('{"token": "x"}')
    with Receiver() as receiver:
        with pytest.raises(DeliveryRefused, match=r"crm\.cursor cannot be read"):
            send(address, settings(receiver, tmp_path))
        (tmp_path / "crm.cursor").write_text('{"token": "x", "done": [1, 2]}')
        with pytest.raises(StrataError, match="token"):
            send(address, settings(receiver, tmp_path))
        assert receiver.came == []
