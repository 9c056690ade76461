"""What time alone will do, between the wire and the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.limits import NEXT_CHANGES, NEXT_CHANGES_WITHIN_US
from server import convert
from strata.v1 import coming_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedScalarFieldContainer

    from engine.live.next_changes import ComingChanges, NextChange

__all__ = ["change", "changes", "limit", "segments", "within_us"]

# One answer of so many is far below the size of a message.
LIMIT_MOST = 10_000
SEGMENTS_MOST = 10_000


def within_us(request: pb.NextChangesRequest) -> int:
    """How far to look ahead; what is too far is the engine's to say."""
    if not request.HasField("within"):
        raise convert.invalid("within", "is missing", "say how far to look ahead")
    seconds, nanos = request.within.seconds, request.within.nanos
    if not -1_000_000_000 < nanos < 1_000_000_000 or (seconds < 0 < nanos or nanos < 0 < seconds):
        raise convert.invalid("within", "is no duration", "give seconds and nanos of one sign")
    # Cut down towards 0.
    within_us = seconds * 1_000_000 + int(nanos / 1000)
    if not 0 <= within_us <= NEXT_CHANGES_WITHIN_US:
        raise convert.invalid("within", "is no time ahead", "give 0 to 1,000 years")
    return within_us


def limit(request: pb.NextChangesRequest) -> int:
    """How many changes are listed at most."""
    if not request.HasField("limit"):
        return NEXT_CHANGES
    if request.limit > LIMIT_MOST:
        raise convert.invalid("limit", f"is {request.limit}", f"give 0 to {LIMIT_MOST:,}")
    return request.limit


def segments(names: RepeatedScalarFieldContainer[str]) -> Sequence[str] | None:
    """The segments of a request; None: all that can be foreseen."""
    if len(names) > SEGMENTS_MOST:
        raise convert.invalid(
            "segments", f"has {len(names)} entries", f"give at most {SEGMENTS_MOST:,} segments"
        )
    return list(names) or None


def changes(found: ComingChanges) -> pb.NextChangesResponse:
    """The message of what is to come."""
    names = sorted({*found.entering, *found.leaving})
    return pb.NextChangesResponse(
        as_of=convert.timestamp(found.from_us),
        until=convert.timestamp(found.until_us),
        data_version=found.data_version,
        count=found.count,
        segments=[
            pb.SegmentChanges(
                segment=name,
                entering=found.entering.get(name, 0),
                leaving=found.leaving.get(name, 0),
            )
            for name in names
        ],
        changes=map(change, found.changes),
    )


def change(one: NextChange) -> pb.NextChange:
    """The message of one change."""
    return pb.NextChange(
        segment=one.segment,
        entered=one.entered,
        at=convert.timestamp(one.instant_us),
        uid=one.uid,
    )
