"""IngestService: batches of updates, in one call each or in a stream.

A stream has a reader, which takes batches as long as there are credits, of batches and of bytes,
decodes them on the lane and hands them to the engine, and the answering side, which waits for the
oldest of them and sends its acknowledgement; only then its credits are free again. So a client that
sends without reading is held up by the transport's own flow control, and keeps no more than its
credits of batches in memory.

A server that stops lets go of the reader only between two batches: what it has begun to hand to the
engine may become durable, so it is answered before the stream ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import OwnerFenced
from engine.live.positions import IngestAck
from server.call import Call
from server.convert import invalid
from server.failures import stopping
from server.lanes import Lane
from server.update_batches import ReceivedBatch, check_origin, receive
from strata.v1 import ingest_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database

__all__ = ["IngestService"]


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A batch in the engine's hands, and the size of the message that brought it."""

    received: ReceivedBatch
    future: Future[IngestAck]
    message_bytes: int

    async def ack(self) -> pb.BatchAck:
        """Its answer, once it is durable; raises what it failed with."""
        # Shielded: a caller that goes away must not cancel what the engine will complete.
        waiting = asyncio.shield(asyncio.wrap_future(self.future))
        try:
            return self.received.answer(await waiting)
        except asyncio.CancelledError:
            if self.future.cancelled():
                raise stopping() from None
            raise


class IngestService:
    """Writes batches, one method per call of the contract."""

    def __init__(
        self, database: Database, decoding: Lane, *, credits: int, credit_bytes: int
    ) -> None:
        self._database = database
        self._decoding = decoding
        self._credits = credits
        self._credit_bytes = credit_bytes
        self._draining = asyncio.Event()
        self._streams = 0
        self._none_open = asyncio.Event()
        self._none_open.set()
        # What the engine has and has not answered.
        self._unanswered: set[Future[IngestAck]] = set()

    async def drain(self) -> None:
        """From now on, and for good, streams take no more batches; returns when all have ended.

        A client goes on sending until it reads the end of its stream. Where the connection is
        closed before, what it sent is answered with a reset, in which that end can be lost, and
        acknowledgements with it.
        """
        self._draining.set()
        await self._none_open.wait()

    @property
    def is_idle(self) -> bool:
        """Whether the engine has answered all batches that it was handed."""
        return not self._unanswered

    async def ingest_batch(
        self, request: pb.IngestBatchRequest, call: Call
    ) -> pb.IngestBatchResponse:
        """Writes one batch."""
        check_origin(request.origin, "origin")
        submitted = await self._submit(request.origin, request.batch, call)
        return pb.IngestBatchResponse(ack=await submitted.ack())

    async def ingest(
        self, requests: AsyncIterator[pb.IngestRequest], call: Call
    ) -> AsyncIterator[pb.IngestResponse]:
        """Writes the batches of a stream, in order."""
        self._begin(call)
        opening = await self._first(requests)
        if opening is None or opening.WhichOneof("part") != "open":
            raise invalid("open", "is missing", "begin with who sends")
        origin = opening.open
        check_origin(origin, "open")
        yield pb.IngestResponse(opened=await self._opened(origin, call))

        stream = _Stream(self._credits, self._credit_bytes)
        reader = asyncio.create_task(self._read(origin, requests, call, stream))
        stopper = asyncio.create_task(self._stop(reader, stream))
        try:
            while (answer := await stream.answers.get()) is not None:
                if isinstance(answer, Exception):
                    raise answer
                yield pb.IngestResponse(ack=await answer.ack())
                await stream.release(answer.message_bytes)
        finally:
            reader.cancel()
            stopper.cancel()
            await asyncio.gather(reader, stopper, return_exceptions=True)

    def _begin(self, call: Call) -> None:
        """Counts a stream as open until its status is on its way."""

        def end() -> None:
            self._streams -= 1
            if not self._streams:
                self._none_open.set()

        self._streams += 1
        self._none_open.clear()
        call.at_end.append(end)

    async def _first(self, requests: AsyncIterator[pb.IngestRequest]) -> pb.IngestRequest | None:
        """The first message of a stream, None where it has none; ShuttingDown once draining."""
        first = asyncio.ensure_future(anext(requests, None))
        draining = asyncio.create_task(self._draining.wait())
        try:
            await asyncio.wait((first, draining), return_when=asyncio.FIRST_COMPLETED)
            if not first.done():
                raise stopping()
            return first.result()
        finally:
            first.cancel()
            draining.cancel()

    async def _opened(self, origin: pb.Origin, call: Call) -> pb.IngestOpened:
        """What a stream begins with; OwnerFenced where a later owner has written."""
        stored = await self._decoding.run(
            lambda: self._database.position(origin.source, origin.partition), call.control
        )
        opened = pb.IngestOpened(credits=self._credits, credit_bytes=self._credit_bytes)
        if stored is None:
            return opened
        if stored.owner_epoch > origin.owner_epoch:
            raise OwnerFenced(
                f"Partition {origin.partition!r} of {origin.source} belongs to the owner with"
                f" epoch {stored.owner_epoch}; this one has {origin.owner_epoch} and may not"
                " write any more."
            )
        opened.durable_offset = stored.offset
        return opened

    async def _read(
        self,
        origin: pb.Origin,
        requests: AsyncIterator[pb.IngestRequest],
        call: Call,
        stream: _Stream,
    ) -> None:
        """Takes batches until the client has no more, or one fails as a whole."""
        before: Future[IngestAck] | None = None
        try:
            while True:
                await stream.room()
                request = await anext(requests, None)
                if request is None:
                    stream.answers.put_nowait(None)
                    return
                if request.WhichOneof("part") != "batch":
                    raise invalid("batch", "is missing", "after the opening, send batches")
                async with stream.handing_over:
                    submitted = await self._submit(origin, request.batch, call, before)
                    before = submitted.future
                    stream.take(submitted.message_bytes)
                    stream.answers.put_nowait(submitted)
        except Exception as error:
            stream.answers.put_nowait(error)

    async def _stop(self, reader: asyncio.Task[None], stream: _Stream) -> None:
        """Ends a stream when the server stops, after the answers to what was taken."""
        await self._draining.wait()
        # The lock is fair: the reader does not begin another batch before this has its turn.
        async with stream.handing_over:
            reader.cancel()
            stream.answers.put_nowait(stopping())

    async def _submit(
        self,
        origin: pb.Origin,
        batch: pb.UpdateBatch,
        call: Call,
        after: Future[IngestAck] | None = None,
    ) -> _Submitted:
        """Decodes a batch on the lane and hands it to the engine, behind the one before it."""
        call.field = "batch"
        size = call.message_bytes

        def work() -> _Submitted:
            received = receive(self._database.model, origin, batch)
            future = self._database.submit(
                received.batch,
                received.position,
                giver=received.giver,
                source=origin.source,
                after=after,
            )
            self._unanswered.add(future)
            future.add_done_callback(self._unanswered.discard)
            return _Submitted(received, future, size)

        return await self._decoding.run(work, call.control)


class _Stream:
    """What the two sides of a stream share: credits, and answers in the order of the batches."""

    def __init__(self, credits: int, credit_bytes: int) -> None:
        # Each is a batch, what ended the stream, or None for its good end. Never more than the
        # credits and two.
        self.answers: asyncio.Queue[_Submitted | Exception | None] = asyncio.Queue()
        # Held from the first step with a batch until its answer stands in line.
        self.handing_over = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._credits = credits
        self._bytes = credit_bytes

    async def room(self) -> None:
        """Waits until another batch may be read. Its size is not known before, so the bytes under
        way are below the bound by at least one, or exceed it by one message."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._credits > 0 and self._bytes > 0)

    def take(self, message_bytes: int) -> None:
        """A batch has been read; for the side that waited for room."""
        self._credits -= 1
        self._bytes -= message_bytes

    async def release(self, message_bytes: int) -> None:
        """A batch is acknowledged."""
        async with self._changed:
            self._credits += 1
            self._bytes += message_bytes
            self._changed.notify_all()
