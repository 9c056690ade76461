"""Writing much: batches in a stream, several under way at a time.

with Ingestor(client, "crm", partition="0", owner_epoch=3) as ingestor:
    for first, updates in records_after(ingestor.durable_offset):
        ingestor.send(updates, first_offset=first)

Nothing is sent again by itself. After a failure, open another one: its `durable_offset` says
where to go on; what is sent twice is taken once.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from strata import messages
from strata.answers import BatchAck
from strata.client import Client
from strata.errors import StrataError
from strata.updates import Update, batch_message
from strata.v1 import ingest_pb2

__all__ = ["Ingestor"]


class Ingestor:
    """One stream of batches from one partition of a source. For one thread at a time.

    `on_ack` is called with each acknowledgement, in the order of the batches, on a thread of
    the ingestor's own. Opening raises StrataError: OWNER_FENCED where a later owner has written.
    """

    def __init__(
        self,
        client: Client,
        source: str,
        *,
        partition: str = "",
        owner_epoch: int = 0,
        on_ack: Callable[[BatchAck], None] | None = None,
    ) -> None:
        self._outgoing: queue.SimpleQueue[ingest_pb2.IngestRequest | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._on_ack = on_ack
        # The bytes of each batch without an answer; of updates one by one only gRPC knows them.
        self._sizes: deque[int] = deque()
        self._failure: BaseException | None = None
        self._ended = False
        self._closed = False
        origin = ingest_pb2.Origin(source=source, partition=partition, owner_epoch=owner_epoch)
        self._outgoing.put(ingest_pb2.IngestRequest(open=origin))
        self._answers = client.transport.both(
            "/strata.v1.IngestService/Ingest",
            iter(self._outgoing.get, None),
            ingest_pb2.IngestResponse,
        )
        try:
            opened = next(self._answers).opened
        except BaseException:
            self._outgoing.put(None)
            raise
        self.credits = opened.credits
        self.credit_bytes = opened.credit_bytes
        self._durable = opened.durable_offset if opened.HasField("durable_offset") else None
        self._reader = threading.Thread(target=self._read, name="strata-ingest", daemon=True)
        self._reader.start()

    @property
    def durable_offset(self) -> int | None:
        """The greatest record number known to be durable; None where none is."""
        with self._changed:
            return self._durable

    @property
    def under_way(self) -> int:
        """How many batches have no acknowledgement yet."""
        with self._changed:
            return len(self._sizes)

    def send(
        self,
        updates: Iterable[Update] | bytes,
        *,
        first_offset: int | None = None,
        offsets: Sequence[int] | None = None,
        giver: str = "",
    ) -> None:
        """Sends a batch, once there is a credit for it: updates, or Arrow as the contract says.

        Raises StrataError where the stream has failed, be it through an earlier batch.
        """
        batch = batch_message(updates, first_offset=first_offset, offsets=offsets, giver=giver)
        size = len(batch.arrow)
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._has_room(size))
            self._raise_failure()
            self._sizes.append(size)
        self._outgoing.put(ingest_pb2.IngestRequest(batch=batch))

    def flush(self) -> None:
        """Waits until every batch is acknowledged. Raises StrataError where the stream failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or not self._sizes)
            self._raise_failure()

    def close(self) -> None:
        """Waits for what is under way and ends the stream; harmless when done before.

        Raises StrataError where a batch failed.
        """
        if self._closed:
            return
        self._closed = True
        self._outgoing.put(None)
        self._reader.join()
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except StrataError:
            # What went wrong first is what the caller should see.
            if error is None:
                raise

    def _has_room(self, size: int) -> bool:
        """Whether a batch may be sent; one that is larger than all credits goes alone."""
        if not self._sizes:
            return True
        bounded = self.credit_bytes or sum(self._sizes) + size
        return len(self._sizes) < self.credits and sum(self._sizes) + size <= bounded

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._ended or self._closed:
            raise StrataError("CLOSED", "This ingestor is closed; open another one.")

    def _read(self) -> None:
        """Takes acknowledgements until the stream ends."""
        try:
            for response in self._answers:
                ack = messages.batch_ack(response.ack)
                with self._changed:
                    self._sizes.popleft()
                    if ack.durable_offset is not None:
                        self._durable = max(ack.durable_offset, self._durable or 0)
                    self._changed.notify_all()
                if self._on_ack is not None:
                    self._on_ack(ack)
        except BaseException as error:
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            # Lets go of the thread that reads the requests.
            self._outgoing.put(None)
