"""Tiers: cuts worked out anew, and how profiles move between the names of a tier.

from strata.tiers import flow, refresh

refresh(client, ["rfm"])
flow(client, "lifecycle", from_=a_month_ago).counts[("loyal", "dormant")]
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from strata import answers, messages
from strata.measuring import Kind
from strata.v1 import measure_pb2, tier_pb2

if TYPE_CHECKING:
    from strata.client import Client

__all__ = ["Flow", "TierCut", "TierRefresh", "TierSize", "flow", "refresh"]


@dataclass(frozen=True, slots=True)
class TierCut:
    """The least value that is high in a metric, or in a share, rounded to 6 digits after the point
    for reading; None where nobody reaches it. `exact` is a number, days from 1970, or microseconds
    (from 1970 for a time), as `kind` says."""

    metric: str
    kind: Kind
    value: answers.Value
    exact: Fraction | None


@dataclass(frozen=True, slots=True)
class TierSize:
    """How many profiles have a name, by the cuts before (None: there were none) and by the new."""

    name: str
    before: int | None
    after: int


@dataclass(frozen=True, slots=True)
class TierRefresh:
    """What a refresh did to one tier, at an instant."""

    tier: str
    instant: datetime.datetime
    cuts: tuple[TierCut, ...]
    sizes: tuple[TierSize, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """How many profiles had one name of a tier at `from_` and one at `to`: `counts` by both names,
    in the order of the model; None is no name."""

    tier: str
    from_: datetime.datetime
    to: datetime.datetime
    names: tuple[str, ...]
    counts: Mapping[tuple[str | None, str | None], int]
    data_version: int
    elapsed_us: int


def refresh(client: Client, tiers: Sequence[str] = ()) -> tuple[TierRefresh, ...]:
    """Works out the cuts of some tiers (none named: of all that have cuts from the data) and puts
    them in force. Raises StrataError."""
    response = client.transport.one(
        "/strata.v1.ModelService/Refresh",
        tier_pb2.RefreshRequest(tiers=tiers),
        tier_pb2.RefreshResponse,
    )
    return tuple(
        TierRefresh(
            one.tier,
            messages.instant(one.instant),
            tuple(map(_cut, one.cuts)),
            tuple(
                TierSize(size.name, size.before if size.HasField("before") else None, size.after)
                for size in one.sizes
            ),
        )
        for one in response.tiers
    )


def _cut(message: tier_pb2.TierCut) -> TierCut:
    name = measure_pb2.ValueKind.Name(message.kind).removeprefix("VALUE_KIND_").lower()
    kind: Kind = name  # type: ignore[assignment]
    exact = Fraction(message.exact) if message.exact else None
    return TierCut(message.metric, kind, messages.value(message.value), exact)


def flow(
    client: Client,
    tier: str,
    *,
    from_: datetime.datetime,
    to: datetime.datetime | None = None,
    min_offset: int = 0,
) -> Flow:
    """How profiles moved between the names of a tier from one instant to another (None: now).
    Raises StrataError."""
    request = tier_pb2.FlowRequest(tier=tier, to=messages.timestamp(to), min_offset=min_offset)
    earlier = messages.timestamp(from_)
    assert earlier is not None, "an instant is given"
    getattr(request, "from").CopyFrom(earlier)
    response = client.transport.one(
        "/strata.v1.AudienceService/Flow", request, tier_pb2.FlowResponse
    )
    places = (*response.names, None)
    return Flow(
        response.tier,
        messages.instant(getattr(response, "from")),
        messages.instant(response.to),
        tuple(response.names),
        {
            (before, after): count
            for before, row in zip(places, response.rows, strict=True)
            for after, count in zip(places, row.counts, strict=True)
        },
        response.data_version,
        response.elapsed.ToMicroseconds(),
    )
