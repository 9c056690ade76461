"""One delivery: posted, and posted again until it is taken, refused or given up.

An answer of 2xx is yes. 400, 413, 415 and 422 say that it is this very content that is wrong, so
it is refused at once. Everything else may pass: a server that is down, or slow, or overloaded, or
does not know the secret yet; so it is tried again after a while. Redirects are not followed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from delivery.backoff import Backoff
from delivery.metrics import Metrics
from delivery.payload import body, delivery_id
from delivery.settings import Endpoint
from delivery.signing import signed_headers

__all__ = ["Outcome", "Poster"]

REFUSALS = frozenset({400, 413, 415, 422})
# Of an answer so much is read at most, so that the connection can be used again, and so much
# goes into the reason of a refusal.
ANSWER_BYTES = 64 << 10
REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery: `taken`, or why not, after how many attempts. `refused`: it is the
    content that is wrong. `stopped`: nobody knows, since the sender was told to stop."""

    taken: bool
    reason: str = ""
    attempts: int = 1
    refused: bool = False
    stopped: bool = False


class Poster:
    """Posts to one endpoint, over one connection that is kept. Used by one thread.

    `pause` waits so many seconds, and says whether to stop instead of going on.
    """

    def __init__(
        self, name: str, endpoint: Endpoint, metrics: Metrics, pause: Callable[[float], bool]
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._secrets = endpoint.secrets()
        self._metrics = metrics
        self._pause = pause
        self._backoff = Backoff(endpoint.first_wait_s, endpoint.most_wait_s)
        timeout = httpx.Timeout(endpoint.timeout_s, connect=endpoint.connect_timeout_s)
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def deliver(self, changes: Sequence[dict[str, Any]], attempts: int | None = None) -> Outcome:
        """Posts changes until something is known of them, in so many attempts at most (None: as
        many as the endpoint says)."""
        most = self._endpoint.attempts if attempts is None else attempts
        content = body(changes)
        name = delivery_id(changes)
        failures = 0
        while True:
            reason, refused, asked_s = self._post(name, content)
            if not reason:
                self._metrics.attempts.labels(self._name, "taken").inc()
                return Outcome(True, attempts=failures + 1)
            failures += 1
            self._metrics.attempts.labels(self._name, "refused" if refused else "failed").inc()
            if refused or failures >= most:
                return Outcome(False, reason, failures, refused)
            if self._pause(self._backoff.wait_s(failures, asked_s)):
                return Outcome(False, reason, failures, stopped=True)

    def _post(self, name: str, content: bytes) -> tuple[str, bool, float | None]:
        """Why it failed ('' where it did not), whether it was refused, and the wait asked for."""
        headers = {
            "content-type": "application/json",
            "user-agent": "strata",
            **signed_headers(name, int(time.time()), content, self._secrets),
        }
        began = time.monotonic()
        try:
            with self._client.stream(
                "POST", self._endpoint.url, content=content, headers=headers
            ) as response:
                answer = self._read(response, began + self._endpoint.timeout_s)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}".rstrip(": "), False, None
        finally:
            self._metrics.seconds.labels(self._name).observe(time.monotonic() - began)
        if response.is_success:
            return "", False, None
        text = " ".join(answer.decode("utf-8", "replace").split())[:REASON_CHARACTERS]
        reason = f"HTTP {response.status_code}{': ' if text else ''}{text}"
        return reason, response.status_code in REFUSALS, _retry_after_s(response)

    def _read(self, response: httpx.Response, until: float) -> bytes:
        """The beginning of an answer. Of a success nothing is needed, so that what comes of it late
        or not at all does no harm."""
        answer = b""
        try:
            for piece in response.iter_bytes():
                answer += piece
                if len(answer) >= ANSWER_BYTES or time.monotonic() > until:
                    break
        except httpx.HTTPError:
            if not response.is_success:
                raise
        return answer


def _retry_after_s(response: httpx.Response) -> float | None:
    """The seconds of a Retry-After header; a date in it is left to the back-off."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 9 else None
