"""One source and its files -> batches that a server takes, as exactly as a load does.

1. The files are read through once, so that one that is damaged or cut off stops the load before
   anything is sent.
2. Piece by piece: cells are converted, on a thread of their own, bad records set aside, the others
   are numbered by their place in the files and sent, several batches under way at a time.
3. Answers come in the order of the batches, and are kept (loaders.standing) before the next are
   looked at. A piece whose batches are all answered gives its refused records to their file.

A load that was killed begins again with 1 and sends what is behind the last durable number. What it
does not send it converts all the same: the reasons for records that never left are the same again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from conversion.narrowing import only
from engine.errors import InputInvalid
from engine.live.batch import ProfileBatch
from engine.model.definitions import Model, Source
from loaders.ahead import read_ahead
from loaders.cells import Cells
from loaders.pieces import Piece, checked_readers, pieces, source_of
from loaders.refused import RefusedFile
from loaders.sent_batch import sent_batch
from loaders.standing import Answered, Standing
from loaders.summary import LoadProgress, LoadSummary, share_done

__all__ = ["SENT_BYTES", "SENT_RECORDS", "Ack", "Stream", "send"]

# Records of one batch: an answer names at most 10,000 refused ones, and each is to have its reason.
SENT_RECORDS = 8_192
# A batch that comes to more is sent in halves, to stay below the message that a server takes.
SENT_BYTES = 4 << 20


class Refusal(Protocol):
    """A record that the server did not take, by its index in the batch."""

    @property
    def index(self) -> int: ...
    @property
    def reason(self) -> str: ...


class Ack(Protocol):
    """What a server says of one batch."""

    @property
    def offset(self) -> int: ...
    @property
    def accepted(self) -> int: ...
    @property
    def duplicates(self) -> int: ...
    @property
    def created(self) -> int: ...
    @property
    def blocked(self) -> int: ...
    @property
    def refused(self) -> Sequence[Refusal]: ...


class Stream(Protocol):
    """One stream of batches to a server; strata.ingesting has it."""

    @property
    def durable_offset(self) -> int | None: ...

    def send(self, updates: bytes, *, offsets: Sequence[int]) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


# Opens a stream of a partition; the function gets each answer, on any thread.
Open = Callable[[str, Callable[[Ack], None]], Stream]


@dataclass(slots=True)
class _Sent:
    """A piece, the number of its first record, how many of its batches have no answer, and why
    records were refused, by their index in the piece's batch."""

    piece: Piece
    first: int
    under_way: int = 0
    refused: dict[int, str] = field(default_factory=dict)


def send(
    model: Model,
    source_name: str,
    files: Sequence[Path],
    server: str,
    opened: Open,
    *,
    progress: LoadProgress | None = None,
    refused: Path | None = None,
    anew: bool = False,
) -> LoadSummary:
    """Sends the files of a source to the server of that address; what was sent by a load of the
    same files that broke off is not sent again.

    `refused` as for load. Raises NotFound for an unknown source, InputInvalid for files that cannot
    be used, in which case nothing is sent, and whatever the stream fails with.
    """
    started = time.monotonic()
    model, source = source_of(model, source_name)
    if not files:
        raise InputInvalid("Name at least one file to load.")
    cells = Cells(model, source)
    _read_through(model, source, files, cells)
    with ExitStack() as stack:
        bad = RefusedFile(refused or Path(f"{source_name}.refused.csv"), files)
        stack.enter_context(bad)
        standing = stack.enter_context(Standing(server, source, files, anew=anew))
        load = _Load(model, standing, bad, opened)
        readers = checked_readers(stack, model, source, files, cells)
        with load:
            for number, reader in enumerate(readers):
                with closing(read_ahead(pieces(reader, cells))) as found:
                    for piece in found:
                        load.add(piece)
                        if progress is not None:
                            progress(load.records, share_done(piece, number, len(readers)))
        bad.flush()
        bad.keep()
        standing.finish()
    told = standing.answered
    return LoadSummary(
        source=source_name,
        files=tuple(str(path) for path in files),
        accepted=sum(one.accepted for one in told),
        refused=bad.count,
        created=sum(one.created for one in told),
        profiles_changed=None,
        blocks_written=None,
        blocked_identifiers=sum(one.blocked for one in told),
        data_version=told[-1].offset if told else 0,
        seconds=time.monotonic() - started,
        refused_file=str(bad.path) if bad.count else None,
        unanswered=load.unanswered,
    )


def _read_through(model: Model, source: Source, files: Sequence[Path], cells: Cells) -> None:
    with ExitStack() as stack:
        for reader in checked_readers(stack, model, source, files, cells):
            for _ in reader.chunks():
                pass


class _Load:
    """What is sent, and what comes of it. For one thread; answers reach it through a queue."""

    def __init__(
        self, model: Model, standing: Standing, refused: RefusedFile, opened: Open
    ) -> None:
        self.records = 0
        # Records that the server has dealt with, and whose answer is lost.
        self.unanswered = 0
        self._model = model
        self._standing = standing
        self._refused = refused
        self._answers: SimpleQueue[Ack] = SimpleQueue()
        # The numbers of each batch that has no answer yet, and pieces that are not finished.
        self._batches: deque[tuple[NDArray[np.int64], _Sent]] = deque()
        self._pieces: deque[_Sent] = deque()
        self._stream = opened(standing.partition, self._answers.put)
        durable = self._stream.durable_offset
        self._durable = -1 if durable is None else durable
        standing.go_on_behind(self._durable)
        self._known = {
            number: reason for one in standing.answered for number, reason in one.refused.items()
        }

    def __enter__(self) -> _Load:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Waits for what is under way; an answer that came is kept, whatever failed."""
        try:
            if kind is None:
                self._stream.flush()
                self._stream.close()
            else:
                # What went wrong first is what the caller should see.
                with suppress(Exception):
                    self._stream.close()
        finally:
            self._take_answers()

    def add(self, piece: Piece) -> None:
        """Sends the records of a piece that are not durable yet."""
        sent = _Sent(piece, self.records)
        self._pieces.append(sent)
        if piece.batch is not None:
            numbers = sent.first + piece.at.astype(np.int64)
            known = enumerate(numbers.tolist())
            sent.refused = {at: self._known[n] for at, n in known if n in self._known}
            for behind, through in self._standing.gaps:
                ends = np.searchsorted(numbers, [behind, through], side="right")
                self.unanswered += int(ends[1] - ends[0])
            new = int(np.searchsorted(numbers, self._durable, side="right"))
            for start in range(new, len(numbers), SENT_RECORDS):
                at = np.arange(start, min(start + SENT_RECORDS, len(numbers)))
                self._send(sent, numbers[at], piece.batch, at)
        self.records += piece.chunk.count + len(piece.chunk.bad)
        self._take_answers()

    def _send(
        self, sent: _Sent, numbers: NDArray[np.int64], batch: ProfileBatch, at: NDArray[np.intp]
    ) -> None:
        raw = sent_batch(self._model, only(batch, at))
        if len(raw) > SENT_BYTES and len(at) > 1:
            middle = len(at) // 2
            self._send(sent, numbers[:middle], batch, at[:middle])
            self._send(sent, numbers[middle:], batch, at[middle:])
            return
        sent.under_way += 1
        self._batches.append((numbers, sent))
        self._stream.send(raw, offsets=numbers.tolist())

    def _take_answers(self) -> None:
        while not self._answers.empty():
            ack = self._answers.get()
            numbers, sent = self._batches.popleft()
            reasons = {int(numbers[one.index]): one.reason for one in ack.refused}
            # Those that an earlier run sent, and that became durable after it was looked up.
            self.unanswered += ack.duplicates
            self._standing.note(
                Answered(
                    int(numbers[-1]), ack.accepted, ack.created, ack.blocked, ack.offset, reasons
                )
            )
            sent.under_way -= 1
            places = np.searchsorted(sent.first + sent.piece.at, list(reasons)).tolist()
            sent.refused.update(zip(places, reasons.values(), strict=True))
        while self._pieces and not self._pieces[0].under_way:
            done = self._pieces.popleft()
            self._refused.add(done.piece.bad(done.refused))
