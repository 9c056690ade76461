"""A batch of updates as it comes -> as the engine takes it, and its answer as it goes.

The records keep their indices all the way: what is refused here stays in the batch without
identifiers (see update_columns), so that places in the source's log need no second numbering.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from conversion.cell_by_cell import Faults
from engine.errors import InputInvalid
from engine.limits import BATCH_ROWS
from engine.live.batch import ProfileBatch
from engine.live.positions import IngestAck, Position
from engine.model.definitions import Model
from server.convert import invalid
from server.update_arrow import arrow_columns
from server.update_columns import IDENTIFIER, UpdateColumns
from server.update_events import EventColumns
from server.update_rows import row_columns
from strata.v1 import ingest_pb2 as pb

__all__ = ["ReceivedBatch", "check_origin", "receive"]

# Names of sources and partitions in UTF-8; they are kept with every batch.
NAME_BYTES = 256
# Records beyond these are counted and not named, so that an answer stays below a message's size.
REFUSED_MOST = 10_000
LAST_OFFSET = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """A batch as the engine takes it. `faults` are its own reasons for records without sense."""

    batch: ProfileBatch
    faults: Faults
    position: Position | None
    giver: str

    def answer(self, ack: IngestAck) -> pb.BatchAck:
        """The message of the engine's answer."""
        message = pb.BatchAck(
            offset=ack.offset,
            accepted=ack.accepted,
            duplicates=ack.duplicates,
            created=ack.created,
            blocked=ack.blocked,
            refused_count=len(ack.refused),
        )
        offsets = None if self.position is None else self.position.offsets
        if offsets is not None and len(offsets):
            message.durable_offset = int(offsets[-1])
        for index, reason in islice(ack.refused, REFUSED_MOST):
            refused = message.refused.add(index=index, reason=self.faults.get(index, reason))
            if offsets is not None:
                refused.record_offset = int(offsets[index])
        return message


def check_origin(origin: pb.Origin, field: str) -> None:
    """InputInvalid where it names no source, or names that cannot be kept."""
    if not origin.source:
        raise invalid(f"{field}.source", "is empty", "name what sends the updates")
    for name, text in (("source", origin.source), ("partition", origin.partition)):
        if len(text.encode()) > NAME_BYTES:
            raise invalid(f"{field}.{name}", f"is longer than {NAME_BYTES} bytes")


def receive(model: Model | None, origin: pb.Origin, message: pb.UpdateBatch) -> ReceivedBatch:
    """Reads a batch; InputInvalid where it cannot be read as a whole."""
    if model is None:
        raise InputInvalid(
            "The store has no model yet, so no name means anything; apply a model first "
            "(strata apply MODEL)."
        )
    faults: Faults = {}
    events: list[EventColumns] = []
    match message.WhichOneof("records"):
        case "rows":
            count = len(message.rows.updates)
            if count > BATCH_ROWS:
                raise invalid(
                    "batch.rows", f"has {count:,} updates", f"send at most {BATCH_ROWS:,} at a time"
                )
            columns, events, faults = row_columns(model, message.rows)
        case "arrow":
            count, columns = arrow_columns(message.arrow)
            if not any(name.startswith(IDENTIFIER) for name in columns):
                example = f"{IDENTIFIER}{next(iter(model.identifiers), 'member')}"
                raise invalid("batch.arrow", "has no identifiers", f"bring a column {example}")
        case _:
            raise invalid("batch", "has no records", "give rows, or a record batch of Arrow")
    reading = UpdateColumns(model, count, faults)
    batch = reading.batch(columns, events)
    return ReceivedBatch(
        batch, reading.faults, _position(origin, message, count), message.giver or origin.source
    )


def _position(origin: pb.Origin, message: pb.UpdateBatch, count: int) -> Position | None:
    """Where the records stand in their partition; None where the batch does not say."""
    who = origin.source, origin.partition, origin.owner_epoch
    match message.WhichOneof("place"):
        case "first_offset":
            if message.first_offset > LAST_OFFSET - count:
                raise invalid("batch.first_offset", "leaves no numbers for its records")
            return Position.from_first(*who, message.first_offset, count)
        case "offsets":
            position = Position(*who, np.array(message.offsets.values, np.uint64))
            position.check(count)
            return position
        case _:
            return None
