"""What several audiences have in common: overlaps of each two, and waterfalls.

from strata.overlapping import Segment, Step, overlap, waterfall

overlap(client, [Segment("loyal"), "city = 'Oslo'"]).pairs[0].both
waterfall(client, [Step(Segment("loyal"), cap=1000), Step("city = 'Oslo'")]).steps[1].taken
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strata import messages
from strata.member_list import MemberList
from strata.v1 import audience_pb2, overlap_pb2

if TYPE_CHECKING:
    from strata.client import Client

__all__ = [
    "AudienceInAll",
    "Overlap",
    "PairOverlap",
    "Segment",
    "Step",
    "StepCount",
    "Waterfall",
    "overlap",
    "step_members",
    "waterfall",
]


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of the model, by name; an expression is given as its text."""

    name: str


@dataclass(frozen=True, slots=True)
class AudienceInAll:
    """One of several audiences: its canonical expression, and how many it holds for."""

    expression: str
    count: int
    waiting: int = 0
    read_as_of_today: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairOverlap:
    """How the audiences in two places, from 0, overlap: how many are in `both`; of who is in
    either, who is in both (`jaccard`); how many times as many as by chance (`lift`). The ratios are
    the doubles nearest to the exact ones, None where there is nobody to divide by."""

    first: int
    second: int
    both: int
    jaccard: float | None
    lift: float | None


@dataclass(frozen=True, slots=True)
class Overlap:
    """Some audiences in their order, and every pair of them; `profiles` are live in all."""

    audiences: tuple[AudienceInAll, ...]
    pairs: tuple[PairOverlap, ...]
    profiles: int
    as_of: datetime.datetime
    data_version: int
    elapsed_us: int


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a waterfall: an audience, of which it takes `cap` at most (None: all left)."""

    audience: str | Segment
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class StepCount:
    """What became of a step: how many of its audience were `left` by those before it, and how many
    of them were `taken`."""

    audience: AudienceInAll
    cap: int | None
    left: int
    taken: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The steps in their order. Of `profiles` live in all, `rest` went to no step."""

    steps: tuple[StepCount, ...]
    profiles: int
    rest: int
    as_of: datetime.datetime
    data_version: int
    elapsed_us: int


# ------------------------------------------------------------------------------- calls


def overlap(
    client: Client,
    audiences: Sequence[str | Segment],
    *,
    as_of: datetime.datetime | None = None,
    min_offset: int = 0,
) -> Overlap:
    """How 2 to 100 audiences overlap, all at one instant. Raises StrataError."""
    response = client.transport.one(
        "/strata.v1.AudienceService/Overlap",
        audience_pb2.OverlapRequest(
            audiences=map(_audience, audiences),
            as_of=messages.timestamp(as_of),
            min_offset=min_offset,
        ),
        overlap_pb2.OverlapResponse,
    )
    return Overlap(
        audiences=tuple(map(_in_all, response.audiences)),
        pairs=tuple(
            PairOverlap(
                one.first,
                one.second,
                one.both,
                one.jaccard if one.HasField("jaccard") else None,
                one.lift if one.HasField("lift") else None,
            )
            for one in response.pairs
        ),
        profiles=response.profiles,
        as_of=messages.instant(response.as_of),
        data_version=response.data_version,
        elapsed_us=response.elapsed.ToMicroseconds(),
    )


def waterfall(
    client: Client,
    steps: Sequence[Step],
    *,
    salt: str = "",
    as_of: datetime.datetime | None = None,
    min_offset: int = 0,
) -> Waterfall:
    """How many profiles go to each of 1 to 100 steps, each to the first that it is in; `salt` draws
    those of caps. Raises StrataError."""
    response = client.transport.one(
        "/strata.v1.AudienceService/Waterfall",
        audience_pb2.WaterfallRequest(
            steps=map(_step, steps),
            salt=salt,
            as_of=messages.timestamp(as_of),
            min_offset=min_offset,
        ),
        overlap_pb2.WaterfallResponse,
    )
    return Waterfall(
        steps=tuple(
            StepCount(
                _in_all(one.audience), one.cap if one.HasField("cap") else None, one.left, one.taken
            )
            for one in response.steps
        ),
        profiles=response.profiles,
        rest=response.rest,
        as_of=messages.instant(response.as_of),
        data_version=response.data_version,
        elapsed_us=response.elapsed.ToMicroseconds(),
    )


def step_members(
    client: Client,
    steps: Sequence[Step],
    place: int,
    *,
    salt: str = "",
    identifier_kind: str = "",
    as_of: datetime.datetime | None = None,
    min_offset: int = 0,
) -> MemberList:
    """Those who go to the step in a place, from 0: identifiers of a kind, or uids where it is ''.
    Raises StrataError."""
    step = audience_pb2.WaterfallStep(steps=map(_step, steps), place=place, salt=salt)
    stream = client.transport.many(
        "/strata.v1.AudienceService/ListMembers",
        audience_pb2.ListMembersRequest(
            audience=audience_pb2.Audience(step=step),
            form=audience_pb2.MEMBER_FORM_IDENTIFIERS
            if identifier_kind
            else audience_pb2.MEMBER_FORM_UIDS,
            identifier_kind=identifier_kind,
            as_of=messages.timestamp(as_of),
            min_offset=min_offset,
        ),
        audience_pb2.ListMembersResponse,
    )
    return MemberList(stream)


def _step(step: Step) -> audience_pb2.StepAudience:
    return audience_pb2.StepAudience(audience=_audience(step.audience), cap=step.cap)


def _audience(given: str | Segment) -> audience_pb2.Audience:
    if isinstance(given, Segment):
        return audience_pb2.Audience(segment=given.name)
    return audience_pb2.Audience(expression=given)


def _in_all(message: overlap_pb2.AudienceInAll) -> AudienceInAll:
    return AudienceInAll(
        message.expression, message.count, message.waiting, tuple(message.read_as_of_today)
    )
