"""Calls without a server: the same services, run in this process over a store it opens.

Both ways share everything but the wire, so a command prints the same either way.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from google.protobuf.message import Message

from engine.core.control import Control
from engine.database import Database
from engine.errors import EngineError, Overloaded
from server.call import Call
from server.lanes import Lane
from server.visibility import Visibility
from strata.errors import Issue, StrataError

if TYPE_CHECKING:
    from server.ingest import IngestService

__all__ = ["EmbeddedTransport", "engine_failures", "opened"]

Response = TypeVar("Response", bound=Message)

# As a server has them by default.
CREDITS = 16
CREDIT_BYTES = 32 << 20
VISIBLE_WAIT_S = 10.0


class EmbeddedTransport:
    """Answers calls from an open database."""

    def __init__(self, database: Database, timeout_s: float | None = None) -> None:
        self._timeout_s = timeout_s
        self._runner = asyncio.Runner()
        self._database = database
        self._lane = Lane("embedded", 1, 0)
        self._visible = Visibility(database, self._lane, VISIBLE_WAIT_S)
        self._services: dict[str, object] = {}

    def one(self, path: str, request: Message, answer: type[Response]) -> Response:
        """One request, one answer."""
        call = self._call(path)
        with engine_failures(call):
            response = self._run(self._method(path)(request, call))
            if isinstance(response, bytes):
                response = answer.FromString(response)
            return cast(Response, response)

    def many(self, path: str, request: Message, answer: type[Response]) -> Iterator[Response]:
        """One request, a stream of answers."""
        call = self._call(path)
        stream = self._method(path)(request, call)
        with engine_failures(call):
            try:
                while (response := self._run(anext(stream, None))) is not None:
                    if isinstance(response, bytes):
                        response = answer.FromString(response)
                    yield cast(Response, response)
            finally:
                self._run(stream.aclose())

    def gather(self, path: str, requests: Iterable[Message], answer: type[Response]) -> Response:
        """A stream of requests, one answer."""
        call = self._call(path)
        with engine_failures(call):
            return cast(Response, self._run(self._method(path)(_stream(requests), call)))

    def both(
        self, path: str, requests: Iterable[Message], answer: type[Response]
    ) -> Iterator[Response]:
        """A stream of requests and a stream of answers: batches, the one such call there is.

        Runs on a loop of its own, so that other calls can be made meanwhile.
        """
        call = self._call(path)
        lane = Lane("embedded-ingest", 1, 1)
        ingest = _ingest_service(self._database, lane)
        with contextlib.closing(lane), asyncio.Runner() as runner:
            pumped = _pumped(requests, runner.get_loop())
            stream = ingest.ingest(cast(Any, pumped), call)

            async def step() -> Message | None:
                return await anext(stream, None)

            with engine_failures(call):
                try:
                    while (response := runner.run(step())) is not None:
                        yield cast(Response, response)
                finally:
                    runner.run(cast(Any, stream).aclose())

    def close(self) -> None:
        """Ends work under way; the database stays open."""
        self._lane.close()
        self._runner.close()

    def _run(self, step: Awaitable[Any]) -> Any:
        async def wait() -> Any:
            return await step

        return self._runner.run(wait())

    def _call(self, path: str) -> Call:
        if self._timeout_s is None:
            return Call(path)
        return Call(path, Control(time.monotonic_ns() + int(self._timeout_s * 1e9)))

    def _service(self, name: str) -> object:
        """A service, with what it brings along: a command needs one of them."""
        database, lane, visible = self._database, self._lane, self._visible
        match name:
            case "AudienceService":
                from server.audience import AudienceService

                return AudienceService(database, lane, visible)
            case "ProfileService":
                from server.profiles import ProfileService

                return ProfileService(database, lane, visible)
            case "ListService":
                from server.lists import ListService

                return ListService(database, lane, lane, visible)
            case "FrozenService":
                from server.frozen import FrozenService

                return FrozenService(database, lane, lane, visible)
            case "ModelService":
                from server.models import ModelService

                return ModelService(database, lane, lane)
            case "AdminService":
                from server.admin import AdminService

                return AdminService(database, lane, lane)
            case "IngestService":
                return _ingest_service(database, lane)
            case _:
                assert name == "WatchService", f"there is no {name}"
                from server.watch import WatchService

                return WatchService(database, lane)

    def _method(self, path: str) -> Callable[..., Any]:
        path, _, name = path.rpartition("/")
        service = path.rpartition(".")[2]
        if service not in self._services:
            self._services[service] = self._service(service)
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        found: Callable[..., Any] = getattr(self._services[service], snake)
        return found


def _ingest_service(database: Database, lane: Lane) -> IngestService:
    from server.ingest import IngestService

    return IngestService(database, lane, credits=CREDITS, credit_bytes=CREDIT_BYTES)


async def _stream(requests: Iterable[Message]) -> AsyncIterator[Message]:
    for request in requests:
        yield request


async def _pumped(
    requests: Iterable[Message], loop: asyncio.AbstractEventLoop
) -> AsyncIterator[Message]:
    """Requests that block, read on a thread that ends with them."""
    arrived: asyncio.Queue[Message | None] = asyncio.Queue()

    def pump() -> None:
        # The loop is gone where the call ended before its requests.
        with contextlib.suppress(RuntimeError):
            for request in requests:
                loop.call_soon_threadsafe(arrived.put_nowait, request)
            loop.call_soon_threadsafe(arrived.put_nowait, None)

    threading.Thread(target=pump, name="embedded-requests", daemon=True).start()
    while (request := await arrived.get()) is not None:
        yield request


@contextlib.contextmanager
def engine_failures(call: Call | None = None) -> Iterator[None]:
    """Turns the engine's failures into what a client of a server would see."""
    try:
        yield
    except EngineError as error:
        field = "" if call is None else call.field
        issues = tuple(
            Issue(
                one.where or field,
                one.message,
                one.hint,
                one.line,
                one.column,
                one.offset,
                one.length,
            )
            for one in error.issues
        )
        delay_s = error.retry_after_ms / 1000 if isinstance(error, Overloaded) else None
        raise StrataError(error.reason, error.message, issues, delay_s) from error


@contextlib.contextmanager
def opened(path: Path, *, writes: bool, creates: bool) -> Iterator[Database]:
    """The database of a folder while it is needed; one made here goes again on failure."""
    made = creates and not path.exists()
    database = Database.create(path) if made else Database.open(path, read_only=not writes)
    try:
        with database:
            yield database
    except BaseException:
        if made:
            shutil.rmtree(path)
        raise
