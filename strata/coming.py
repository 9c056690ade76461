"""What time alone will do: who enters and leaves segments in the time to come, if no data changes.

from strata.coming import next_change, next_changes

next_changes(client, datetime.timedelta(hours=24)).segments
next_change(client, "member", "m17")[0].at
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strata import messages
from strata.v1 import coming_pb2, value_pb2

if TYPE_CHECKING:
    from strata.client import Client

__all__ = ["ComingChanges", "NextChange", "SegmentChanges", "next_change", "next_changes"]


@dataclass(frozen=True, slots=True)
class NextChange:
    """A profile (`uid`, 32 hexadecimal digits) enters or leaves a segment at an instant."""

    segment: str
    entered: bool
    at: datetime.datetime
    uid: str


@dataclass(frozen=True, slots=True)
class SegmentChanges:
    """How often profiles enter and leave one segment."""

    segment: str
    entering: int
    leaving: int


@dataclass(frozen=True, slots=True)
class ComingChanges:
    """Who enters and leaves after `as_of` and up to `until`: `count` changes, counted by segment,
    and the first of them in order of time."""

    as_of: datetime.datetime
    until: datetime.datetime
    data_version: int
    count: int
    segments: tuple[SegmentChanges, ...]
    changes: tuple[NextChange, ...]


def next_changes(
    client: Client,
    within: datetime.timedelta,
    segments: Sequence[str] = (),
    *,
    as_of: datetime.datetime | None = None,
    limit: int | None = None,
    min_offset: int = 0,
) -> ComingChanges:
    """Who enters and leaves some segments (none named: all that can be foreseen) from an instant on
    and within so long; at most `limit` changes are listed. Raises StrataError."""
    request = coming_pb2.NextChangesRequest(
        segments=segments,
        as_of=messages.timestamp(as_of),
        limit=limit,
        min_offset=min_offset,
    )
    request.within.FromTimedelta(within)
    response = client.transport.one(
        "/strata.v1.AudienceService/NextChanges", request, coming_pb2.NextChangesResponse
    )
    return ComingChanges(
        as_of=messages.instant(response.as_of),
        until=messages.instant(response.until),
        data_version=response.data_version,
        count=response.count,
        segments=tuple(
            SegmentChanges(one.segment, one.entering, one.leaving) for one in response.segments
        ),
        changes=tuple(map(_change, response.changes)),
    )


def next_change(
    client: Client,
    identifier_kind: str,
    value: str,
    segments: Sequence[str] = (),
    *,
    as_of: datetime.datetime | None = None,
    min_offset: int = 0,
) -> tuple[NextChange, ...]:
    """The first change of a profile in each segment that it ever enters or leaves by time alone,
    soonest first. Raises StrataError."""
    response = client.transport.one(
        "/strata.v1.ProfileService/NextChange",
        coming_pb2.NextChangeRequest(
            identifier=value_pb2.Identifier(kind=identifier_kind, value=value),
            segments=segments,
            as_of=messages.timestamp(as_of),
            min_offset=min_offset,
        ),
        coming_pb2.NextChangeResponse,
    )
    return tuple(map(_change, response.changes))


def _change(message: coming_pb2.NextChange) -> NextChange:
    return NextChange(
        segment=message.segment,
        entered=message.entered,
        at=messages.instant(message.at),
        uid=message.uid.hex(),
    )
