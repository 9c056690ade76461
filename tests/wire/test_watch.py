"""Watching over a real server: order, tokens, waiting, slow and lost callers, many at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from engine.limits import FEED_READS, FEED_STEP_ENTRIES
from server.authorization import AllowEveryone
from server.calls import service_handler
from server.lanes import Lane
from server.watch import WatchService
from strata.client import Client
from strata.errors import StrataError
from strata.v1 import watch_pb2 as pb
from strata.watching import Change, Watch, WatchCompacted, WatchMessage, watch
from tests.feeds import WatchedStore, transition, uid

PATH = "/strata.v1.WatchService/Watch"
PATIENCE_S = 30


class Serving:
    """A watch service on a real socket, on an event loop of its own thread."""

    def __init__(self, database: Any, *, progress_s: float, width: int, queue_limit: int) -> None:
        self.started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(database, progress_s, width, queue_limit))
        )
        self._thread.start()
        assert self.started.wait(PATIENCE_S)

    async def _serve(self, database: Any, progress_s: float, width: int, limit: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.lane = Lane("watch", width, limit)
        self.service = WatchService(database, self.lane, progress_s=progress_s)
        self._stop = asyncio.Event()
        server = grpc.aio.server()
        descriptor = pb.DESCRIPTOR.services_by_name["WatchService"]
        server.add_generic_rpc_handlers(
            (service_handler(descriptor, self.service, AllowEveryone()),)
        )
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        self.started.set()
        await self._stop.wait()
        self.service.drain()
        await server.stop(5)
        self.lane.close()

    def call(self, function: Callable[[], None]) -> None:
        """Runs something on the server's loop, and waits for it."""
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (function(), done.set()))
        assert done.wait(PATIENCE_S)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., Serving]]:
    """Serves databases until the test ends. Nothing is said in between unless asked for."""
    with contextlib.ExitStack() as stack:

        def run(database: Any, **given: Any) -> Serving:
            serving = Serving(
                database, **{"progress_s": 3600.0, "width": 2, "queue_limit": 4, **given}
            )
            stack.callback(serving.stop)
            return serving

        yield run


@pytest.fixture
def database() -> WatchedStore:
    """Sequence 3: gold gets 1 and 2, silver 5; 4: gold gets 7 and loses 1; then nothing to 6."""
    database = WatchedStore(blocks=2)
    database.add(3, transition("gold", [1, 2]), transition("silver", [5]))
    database.add(4, transition("gold", [7], [1], version=2))
    database.quiet(6)
    return database


def numbers(messages: list[WatchMessage]) -> list[tuple[int, int]]:
    return [(c.sequence, c.ordinal) for message in messages for c in message.changes]


def until_caught_up(watching: Watch) -> list[WatchMessage]:
    found = []
    for message in watching:
        found.append(message)
        if message.caught_up:
            return found
    raise AssertionError("the watch ended")


def test_entries_are_whole(start: Callable[..., Serving], database: WatchedStore) -> None:
    with (
        Client(start(database).address, timeout_s=PATIENCE_S) as client,
        watch(client, from_oldest=True, identifier_kind="phone") as watching,
    ):
        (message,) = until_caught_up(watching)
    moved = [(c.definition, c.uid, c.old_value, c.new_value) for c in message.changes]
    assert moved == [
        ("segments.gold", uid(1).hex(), False, True),
        ("segments.gold", uid(2).hex(), False, True),
        ("segments.silver", uid(5).hex(), False, True),
        ("segments.gold", uid(7).hex(), False, True),
        ("segments.gold", uid(1).hex(), True, False),
    ]
    assert numbers([message]) == [(3, 0), (3, 1), (3, 2), (4, 0), (4, 1)]
    last: Change = message.changes[-1]
    assert (last.definition_version, last.cause) == (2, "update")
    assert last.instant.isoformat() == "2023-11-14T22:13:20.123460+00:00"
    assert last.identifiers == ()


def test_identifiers_of_a_kind(start: Callable[..., Serving], database: WatchedStore) -> None:
    database.add(7, transition("silver", [3, 65_536, 65_539, 4]))
    with (
        Client(start(database).address, timeout_s=PATIENCE_S) as client,
        watch(client, ["silver"], after_data_version=6, identifier_kind="phone") as watching,
    ):
        (message,) = until_caught_up(watching)
    found = {change.uid: change.identifiers for change in message.changes}
    assert found == {
        uid(3).hex(): ("phone-3",),
        uid(4).hex(): (),
        uid(65_536).hex(): ("phone-65536",),
        uid(65_539).hex(): ("phone-65539",),
    }


def test_only_what_is_asked_for(start: Callable[..., Serving], database: WatchedStore) -> None:
    with Client(start(database).address, timeout_s=PATIENCE_S) as client:
        with watch(client, ["silver", "silver"], from_oldest=True) as watching:
            assert numbers(until_caught_up(watching)) == [(3, 2)]
        with watch(client, ["gold"], after_data_version=3) as watching:
            assert numbers(until_caught_up(watching)) == [(4, 0), (4, 1)]
        with watch(client) as watching:
            (message,) = until_caught_up(watching)
    assert message.changes == () and message.caught_up


def test_what_happens_is_sent(start: Callable[..., Serving], database: WatchedStore) -> None:
    with Client(start(database).address, timeout_s=PATIENCE_S) as client, watch(client) as watching:
        messages = iter(watching)
        first = next(messages)
        assert (first.changes, first.caught_up) == ((), True)
        for sequence in range(7, 27):
            database.add(sequence, transition("gold", [sequence]))
            found = next(messages)
            assert numbers([found]) == [(sequence, 0)] and found.caught_up
        # What nobody asked for is not even a message.
        database.quiet(30)
        database.add(31, transition("gold", [], [8]))
        assert numbers([next(messages)]) == [(31, 0)]


def test_every_token_resumes_right_behind(
    start: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also tokens that lie inside a record, and at another server of the same store."""
    monkeypatch.setattr("server.changes.CHUNK_BYTES", 400)
    database = WatchedStore()
    database.add(2, transition("gold", range(60)), transition("silver", range(20)))
    database.add(5, transition("gold", range(100, 130), range(30)))
    addresses = [start(database).address for _ in range(2)]
    with (
        Client(addresses[0], timeout_s=PATIENCE_S) as one,
        Client(addresses[1], timeout_s=PATIENCE_S) as other,
    ):
        with watch(one, from_oldest=True) as watching:
            whole = until_caught_up(watching)
        every = numbers(whole)
        assert every == [(2, i) for i in range(80)] + [(5, i) for i in range(60)]
        assert len(whole) > 6
        seen = 0
        for message in whole:
            seen += len(message.changes)
            with watch(other, resume_token=message.resume_token) as watching:
                rest = until_caught_up(watching)
            assert numbers(rest) == every[seen:]


def test_the_way_back(start: Callable[..., Serving], database: WatchedStore) -> None:
    """A caller that comes back with its last token, in the middle of writing, misses nothing."""
    address = start(database).address
    found: list[tuple[int, int]] = []
    token = None
    with Client(address, timeout_s=PATIENCE_S) as client:
        for sequence in range(7, 40):
            database.add(sequence, transition("gold", [sequence]))
            with watch(client, resume_token=token, from_oldest=token is None) as watching:
                found += numbers(until_caught_up(watching))
                token = watching.resume_token
    assert found == [(3, 0), (3, 1), (3, 2), (4, 0), (4, 1), *[(s, 0) for s in range(7, 40)]]


# ------------------------------------------------------------------- progress, compaction


def test_quiet_watchers_keep_a_fresh_token(
    start: Callable[..., Serving], database: WatchedStore
) -> None:
    address = start(database, progress_s=0.02).address
    with Client(address, timeout_s=PATIENCE_S) as client:
        with watch(client, ["silver"]) as watching:
            messages = iter(watching)
            tokens = {next(messages).resume_token for _ in range(3)}
            assert len(tokens) == 1
            database.add(7, transition("gold", [9]))
            database.quiet(10)
            while (fresh := next(messages)).resume_token in tokens:
                pass
            assert (fresh.changes, fresh.caught_up) == ((), True)
            while watching.resume_token != database.feed.token(database.feed.newest()):
                next(messages)
            token = watching.resume_token
        database.store.drop(before=7)
        with watch(client, resume_token=token) as watching:
            assert numbers(until_caught_up(watching)) == []


def test_a_token_that_is_too_old(start: Callable[..., Serving], database: WatchedStore) -> None:
    address = start(database).address
    with Client(address, timeout_s=PATIENCE_S) as client:
        old = database.feed.token(database.feed.oldest())
        database.add(7, transition("silver", [8]))
        database.store.drop(before=7)
        with watch(client, resume_token=old) as watching, pytest.raises(WatchCompacted) as caught:
            next(iter(watching))
        assert (caught.value.reason, caught.value.oldest_sequence) == ("COMPACTED", 7)
        with watch(client, resume_token=caught.value.resume_token) as watching:
            assert numbers(until_caught_up(watching)) == [(7, 0)]
        with watch(client, after_data_version=2) as watching, pytest.raises(WatchCompacted):
            next(iter(watching))
        with watch(client, from_oldest=True) as watching:
            assert numbers(until_caught_up(watching)) == [(7, 0)]


def test_compaction_ends_the_stream_with_ok(
    start: Callable[..., Serving], database: WatchedStore, connect: Callable[[str], grpc.Channel]
) -> None:
    database.add(7, transition("silver", [8]))
    database.store.drop(before=7)
    call = raw(connect(start(database).address), pb.WatchRequest(after_data_version=1))
    (only,) = list(call)
    assert only.WhichOneof("event") == "compacted"
    assert call.code() is grpc.StatusCode.OK


def raw(channel: grpc.Channel, request: pb.WatchRequest) -> Any:
    return channel.unary_stream(
        PATH, pb.WatchRequest.SerializeToString, pb.WatchResponse.FromString
    )(request, timeout=PATIENCE_S)


# --------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("given", "reason", "words"),
    [
        ({"segments": ["golt"]}, "NOT_FOUND", "no segment golt to watch. Did you mean gold?"),
        ({"segments": ["gold", "lapsed"]}, "NOT_YET", "lapsed cannot be watched"),
        ({"segments": ["lapsed"]}, "NOT_YET", "it depends on the time of asking"),
        ({"segments": ["x"] * 10_001}, "INPUT_INVALID", "at most 10,000"),
        ({"identifier_kind": "fone"}, "INPUT_INVALID", "did you mean phone?"),
        ({"resume_token": "what"}, "INPUT_INVALID", "resume_token: The resume token is none"),
        ({"resume_token": ""}, "INPUT_INVALID", "resume_token"),
        ({"after_data_version": 7}, "INPUT_INVALID", "no data version 7 yet"),
    ],
)
def test_refusals(
    given: dict[str, Any], reason: str, words: str, start: Callable[..., Serving],
    database: WatchedStore,
) -> None:  # fmt: skip
    with (
        Client(start(database).address, timeout_s=PATIENCE_S) as client,
        watch(client, **given) as watching,
        pytest.raises(StrataError) as caught,
    ):
        next(iter(watching))
    assert caught.value.reason == reason
    assert words in caught.value.message


def test_without_a_model_there_is_nothing_to_name(start: Callable[..., Serving]) -> None:
    database = WatchedStore()
    database.model = None
    with Client(start(database).address, timeout_s=PATIENCE_S) as client:
        with watch(client, from_oldest=True) as watching:
            assert numbers(until_caught_up(watching)) == []
        with watch(client, ["gold"]) as watching, pytest.raises(StrataError) as caught:
            next(iter(watching))
    assert caught.value.reason == "NOT_FOUND"


def test_a_watch_begins_at_one_place() -> None:
    with (
        Client("127.0.0.1:1", timeout_s=PATIENCE_S) as client,
        pytest.raises(ValueError, match="one place"),
    ):
        watch(client, resume_token="x", from_oldest=True)


def test_damage_ends_the_watch(start: Callable[..., Serving], database: WatchedStore) -> None:
    database.store.records[4] = b"what"
    with (
        Client(start(database).address, timeout_s=PATIENCE_S) as client,
        watch(client, from_oldest=True) as watching,
        pytest.raises(StrataError) as caught,
    ):
        next(iter(watching))
    assert caught.value.reason == "STORE_CORRUPT"


# ------------------------------------------------------------------------ many, slow, gone


def test_many_watchers_wait_without_threads_or_places(
    start: Callable[..., Serving], database: WatchedStore, connect: Callable[[str], grpc.Channel]
) -> None:
    """With one place in the lane and none to wait in: watchers stand in a line of their own."""
    serving = start(database, width=1, queue_limit=0)
    count = 120
    watchers = [
        raw(connect(serving.address), pb.WatchRequest(segments=["gold"])) for _ in range(count)
    ]
    for watcher in watchers:
        assert next(watcher).caught_up
    for _ in range(3000):
        if serving.service._bell.waiting == count:
            break
        threading.Event().wait(0.01)
    assert serving.service._bell.waiting == count
    assert database.listeners == 1
    # The only place of the lane is free while they wait.
    assert asyncio.run_coroutine_threadsafe(
        serving.lane.run(lambda: "free"), serving.loop
    ).result(PATIENCE_S) == "free"  # fmt: skip
    database.add(7, transition("gold", [9]))
    for watcher in watchers:
        (run,) = next(watcher).changes.runs
        assert (run.sequence, run.uids) == (7, uid(9))
    for watcher in watchers:
        watcher.cancel()
    assert database.wait_listeners(0), "somebody still waits for watchers that have gone"
    assert serving.service._bell.waiting == 0


def test_a_watcher_with_nothing_to_read_reads_nothing(
    start: Callable[..., Serving], database: WatchedStore
) -> None:
    with Client(start(database).address, timeout_s=PATIENCE_S) as client, watch(client) as watching:
        messages = iter(watching)
        next(messages)
        database.add(7, transition("gold", [9]))
        next(messages)
        assert database.wait_listeners(1)
        threading.Event().wait(0.1)
        calls = database.store.calls
        database.quiet(20)
        threading.Event().wait(0.2)
        assert database.store.calls == calls


def test_a_full_lane_delays_and_does_not_refuse(
    start: Callable[..., Serving], database: WatchedStore
) -> None:
    serving = start(database, width=1, queue_limit=0)
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert release.wait(PATIENCE_S)

    busy = asyncio.run_coroutine_threadsafe(serving.lane.run(hold), serving.loop)
    assert held.wait(PATIENCE_S)
    with (
        Client(serving.address, timeout_s=PATIENCE_S) as client,
        watch(client, from_oldest=True) as watching,
    ):
        found: list[WatchMessage] = []
        reader = threading.Thread(target=lambda: found.extend(until_caught_up(watching)))
        reader.start()
        reader.join(0.3)
        assert reader.is_alive() and not found
        release.set()
        busy.result(PATIENCE_S)
        reader.join(PATIENCE_S)
        assert len(numbers(found)) == 5


def test_a_slow_watcher_reads_the_stored_feed(
    start: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read ahead for: what it has not taken is still in the store, not in memory."""
    database = WatchedStore(blocks=16)
    database.add(1, transition("gold", range(16 * 65_536)))
    steps: list[object] = []
    read = database.feed.read
    monkeypatch.setattr(
        database.feed, "read", lambda *given: (steps.append(given), read(*given))[1]
    )
    serving = start(database)
    # A window that does not grow: without it the client's gRPC takes megabytes unasked.
    window = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    with grpc.insecure_channel(serving.address, options=window) as channel:
        call = raw(channel, pb.WatchRequest(from_oldest=True))
        taken = sum(len(run.uids) // 16 for run in next(call).changes.runs)
        # Another watcher and the writer go on meanwhile.
        with Client(serving.address, timeout_s=PATIENCE_S) as client, watch(client) as watching:
            messages = iter(watching)
            next(messages)
            for sequence in (2, 3):
                database.add(sequence, transition("silver", [sequence]))
                assert numbers([next(messages)]) == [(sequence, 0)]
        assert len(steps) < 16 * 64 / 2, "the server read on for a caller that took nothing"
        database.store.drop(before=3)
        for response in call:
            for run in response.changes.runs:
                assert run.sequence == 1 and run.first_ordinal == taken
                taken += len(run.uids) // 16
        # The record it was inside of is whole; behind that something is gone, and it is told.
        assert response.HasField("compacted")
        assert taken == 16 * 65_536


def test_reading_watchers_leave_room_for_others(
    start: Callable[..., Serving], database: WatchedStore, connect: Callable[[str], grpc.Channel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    serving = start(database, width=FEED_READS + 1, queue_limit=0)
    release, held = threading.Event(), threading.Semaphore(0)
    read = database.feed.read

    def slow(*given: Any) -> Any:
        held.release()
        assert release.wait(PATIENCE_S)
        return read(*given)

    monkeypatch.setattr(database.feed, "read", slow)
    watchers = [raw(connect(serving.address), pb.WatchRequest()) for _ in range(10)]
    for _ in range(FEED_READS):
        assert held.acquire(timeout=PATIENCE_S)
    try:
        assert not held.acquire(timeout=0.2)
        other = asyncio.run_coroutine_threadsafe(serving.lane.run(lambda: "room"), serving.loop)
        assert other.result(PATIENCE_S) == "room"
    finally:
        release.set()
    for watcher in watchers:
        assert next(watcher).caught_up


def test_the_end_of_a_backlog_is_told(start: Callable[..., Serving]) -> None:
    """Also where the last message could not know that it was the last."""
    database = WatchedStore()
    database.add(1, transition("gold", range(FEED_STEP_ENTRIES)))
    database.quiet(5)
    with (
        Client(start(database).address, timeout_s=PATIENCE_S) as client,
        watch(client, from_oldest=True) as watching,
    ):
        messages = iter(watching)
        first, second = next(messages), next(messages)
    assert len(first.changes) == FEED_STEP_ENTRIES and not first.caught_up
    assert second.changes == () and second.caught_up
    assert second.resume_token == database.feed.token(database.feed.newest())


@pytest.mark.parametrize("reading", [False, True], ids=["waiting", "sending"])
def test_a_caller_that_goes_is_let_go(
    reading: bool, start: Callable[..., Serving], connect: Callable[[str], grpc.Channel]
) -> None:
    database = WatchedStore(blocks=8)
    database.add(1, transition("gold", range(8 * 65_536)))
    serving = start(database)
    call = raw(connect(serving.address), pb.WatchRequest(from_oldest=reading))
    next(call)
    if not reading:
        assert database.wait_listeners(1)
    call.cancel()
    assert database.wait_listeners(0)

    def tasks() -> int:
        names: list[int] = []
        serving.call(
            lambda: names.append(
                sum("_many" in repr(task) or "watch" in repr(task.get_coro())
                    for task in asyncio.all_tasks())
            )
        )  # fmt: skip
        return names[0]

    for _ in range(1000):
        if not tasks():
            break
        threading.Event().wait(0.01)
    assert tasks() == 0


def test_a_server_that_stops_says_so(start: Callable[..., Serving], database: WatchedStore) -> None:
    serving = start(database)
    with (
        Client(serving.address, timeout_s=PATIENCE_S) as client,
        watch(client, from_oldest=True) as watching,
    ):
        messages = iter(watching)
        next(messages)
        assert database.wait_listeners(1)
        serving.call(serving.service.drain)
        with pytest.raises(StrataError) as caught:
            next(messages)
        assert caught.value.reason == "SHUTTING_DOWN"
        with watch(client) as another, pytest.raises(StrataError) as caught:
            next(iter(another))
        assert caught.value.reason == "SHUTTING_DOWN"
        assert watching.resume_token is not None
