"""One endpoint served: the feed read from its cursor on, and each change delivered in order.

1. The watch begins at the token of the cursor, and changes behind it that were dealt with already
   are passed over. Where there is no cursor yet it is stored first, and what comes after it counts;
   or everything that is kept does, if the endpoint is to be served from the start.
2. Changes are posted in batches, one after the other; the next only when something is known of the
   one before. A batch that is refused is posted change by change, so that one bad change takes no
   other with it.
3. What is given up goes to the dead letters, and only then the cursor passes it.

So each change is delivered at least once, or is among the dead letters, whenever the sender is
killed. What the feed no longer keeps cannot be delivered: the sender stops and says so.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import structlog

from delivery.backoff import Backoff
from delivery.cursor import START, Cursor, CursorFile
from delivery.dead_letters import DeadLetter, DeadLetters
from delivery.failures import DeliveryRefused
from delivery.metrics import Metrics
from delivery.payload import change_json
from delivery.posting import Outcome, Poster
from delivery.settings import DeliverySettings
from strata.client import Client
from strata.errors import StrataError
from strata.watching import Change, Watch, WatchCompacted, WatchMessage, watch

__all__ = ["Sender"]

_log = structlog.get_logger("strata.delivery")

# Why a watch ends that can be begun again: a server that stops, is not there yet, or is busy.
PASSING = frozenset({"UNAVAILABLE", "SHUTTING_DOWN", "OVERLOADED", "CANCELLED"})


class _Stopped(Exception):
    """The sender was told to stop."""


class Sender:
    """Serves one endpoint. `connect` opens a client of the store's server.

    With `follow` it goes on until it is stopped, else until everything in the feed was dealt with.
    """

    def __init__(
        self,
        name: str,
        settings: DeliverySettings,
        connect: Callable[[], Client],
        metrics: Metrics,
        *,
        follow: bool,
    ) -> None:
        self._name = name
        self._endpoint = settings.endpoints[name]
        self._cursors = CursorFile(settings.state, name)
        self._dead = DeadLetters(settings.state, name)
        self._connect = connect
        self._metrics = metrics
        self._follow = follow
        self._stop = threading.Event()
        self._poster = Poster(name, self._endpoint, metrics, self._stop.wait)

    def stop(self) -> None:
        """Ends `run` soon: after the attempt under way, or the next message of a silent feed."""
        self._stop.set()

    def run(self) -> None:
        """Serves the endpoint. DeliveryRefused and StrataError where it cannot go on."""
        backoff, failures = Backoff(), 0
        with self._cursors.held(), contextlib.closing(self._poster):
            while not self._stop.is_set():
                try:
                    for _ in self._messages():
                        failures = 0
                    if not self._follow:
                        return
                except _Stopped:
                    return
                except WatchCompacted as error:
                    raise DeliveryRefused(
                        f"The feed no longer keeps what came next for {self._name}, so changes are"
                        f" lost to it: it begins with record {error.oldest_sequence} now. List its"
                        " segments anew there; then remove its cursor, and begin with --from-start."
                    ) from None
                except StrataError as error:
                    if error.reason not in PASSING or not self._follow:
                        raise
                    _log.warning("feed interrupted", endpoint=self._name, reason=error.message)
                failures += 1
                self._stop.wait(backoff.wait_s(failures))

    def retry_dead(self) -> tuple[int, int]:
        """Tries each dead letter once; how many were taken, and how many failed again."""
        taken = failed = 0
        with contextlib.closing(self._poster), self._dead.taken() as letters:
            for letter in letters:
                outcome = self._poster.deliver([letter.change], attempts=1)
                if outcome.stopped:
                    raise KeyboardInterrupt
                if outcome.taken:
                    self._metrics.delivered.labels(self._name).inc()
                    taken += 1
                else:
                    self._bury([letter.change], outcome)
                    failed += 1
        return taken, failed

    # --------------------------------------------------------------------------- parts

    def _messages(self) -> Iterator[WatchMessage]:
        """The messages of one watch, each when it was dealt with."""
        cursor = self._cursors.load()
        if cursor is None and self._endpoint.from_start:
            cursor = Cursor(START)
        with self._connect() as client, self._watching(client, cursor) as watching:
            for message in watching:
                if self._stop.is_set():
                    raise _Stopped
                if cursor is not None:
                    self._deal_with(message, cursor)
                cursor = Cursor(message.resume_token)
                self._cursors.save(cursor)
                yield message
                if message.caught_up:
                    self._metrics.behind.labels(self._name).set(0)
                    if not self._follow:
                        return

    def _watching(self, client: Client, cursor: Cursor | None) -> Watch:
        return watch(
            client,
            self._endpoint.segments,
            scores=self._endpoint.scores,
            tiers=self._endpoint.tiers,
            tags=self._endpoint.tags,
            actions=self._endpoint.actions,
            points=self._endpoint.points,
            resume_token=None if cursor is None or cursor.token == START else cursor.token,
            from_oldest=cursor is not None and cursor.token == START,
            identifier_kind=self._endpoint.identifier_kind,
        )

    def _deal_with(self, message: WatchMessage, cursor: Cursor) -> None:
        left = iter([one for one in message.changes if (one.sequence, one.ordinal) > cursor.done])
        while batch := list(islice(left, self._endpoint.batch)):
            self._deliver(batch)
            self._cursors.save(Cursor(cursor.token, (batch[-1].sequence, batch[-1].ordinal)))
            age_s = time.time() - batch[-1].instant.timestamp()
            self._metrics.behind.labels(self._name).set(max(age_s, 0.0))

    def _deliver(self, batch: Sequence[Change]) -> None:
        changes = [change_json(one) for one in batch]
        outcome = self._poster.deliver(changes)
        if outcome.refused and len(changes) > 1:
            for change in changes:
                self._settle([change], self._poster.deliver([change]))
        else:
            self._settle(changes, outcome)

    def _settle(self, changes: Sequence[dict[str, Any]], outcome: Outcome) -> None:
        if outcome.stopped:
            raise _Stopped
        if outcome.taken:
            self._metrics.delivered.labels(self._name).inc(len(changes))
        else:
            self._bury(changes, outcome)

    def _bury(self, changes: Sequence[dict[str, Any]], outcome: Outcome) -> None:
        now_s = int(time.time())
        self._dead.add(
            [DeadLetter(one, outcome.reason, outcome.attempts, now_s) for one in changes]
        )
        self._metrics.dead.labels(self._name).inc(len(changes))
        _log.error("given up", endpoint=self._name, changes=len(changes), reason=outcome.reason)
