"""A web server in threads that takes deliveries, and fails as a test wants."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Delivery", "Receiver", "documented_check"]

DOCUMENT = Path(__file__).parents[1] / "docs" / "deliveries.md"

# What is done with a delivery: a status, with headers and a body if need be; None breaks the
# connection off.
Answer = int | tuple[int, dict[str, str], bytes | Iterator[bytes]] | None


@dataclass(frozen=True)
class Delivery:
    """What came in."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def changes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)["changes"]
        return found

    @property
    def ids(self) -> list[str]:
        return [one["id"] for one in self.changes]


@dataclass
class Receiver:
    """Takes deliveries on loopback; `answer` says what to do with each, 200 by default.

    `came` has all of them, `taken` the ids of those answered with 2xx, in order.
    """

    answer: Callable[[Delivery], Answer] = lambda delivery: 200
    came: list[Delivery] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        receiver = self
        self.changed = threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                body = self.rfile.read(size)
                if len(body) < size:
                    # The caller was killed within it.
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver._take(self, Delivery(headers, body, self.path))

            def log_message(self, *_: Any) -> None:
                """Nothing is said."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Callers that are killed break off."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def _take(self, handler: BaseHTTPRequestHandler, delivery: Delivery) -> None:
        with self.changed:
            self.came.append(delivery)
        answer = self.answer(delivery)
        if answer is None:
            handler.close_connection = True
            return
        status, headers, body = (answer, {}, b"") if isinstance(answer, int) else answer
        if 200 <= status < 300:
            with self.changed:
                self.taken += delivery.ids
                self.changed.notify_all()
        handler.send_response(status)
        size = {"content-length": str(len(body))} if isinstance(body, bytes) else {}
        for name, value in {**size, **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        for piece in [body] if isinstance(body, bytes) else body:
            handler.wfile.write(piece)

    def wait_taken(self, count: int, timeout_s: float = 30) -> bool:
        """Whether so many different changes were taken in time."""
        with self.changed:
            return self.changed.wait_for(lambda: len(set(self.taken)) >= count, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def documented_check() -> Callable[[str, dict[str, str], bytes], bool]:
    """The check of signatures as the document has it."""
    (snippet,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    check: Callable[[str, dict[str, str], bytes], bool] = names["is_ours"]
    return check
