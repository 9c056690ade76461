"""Refreshes of tiers and flows between their names as messages."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

from server import convert
from server.measuring import KINDS, told_value
from strata.v1 import tier_pb2 as pb

if TYPE_CHECKING:
    from engine.tier_flows import Flow
    from engine.tier_refreshes import TierCut, TierRefresh

__all__ = ["flow", "refreshed"]


def refreshed(tiers: Iterable[TierRefresh]) -> pb.RefreshResponse:
    """The message of a refresh."""
    return pb.RefreshResponse(
        tiers=[
            pb.TierRefresh(
                tier=one.tier,
                instant=convert.timestamp(one.instant_us),
                cuts=map(_cut, one.cuts),
                sizes=[
                    pb.TierSize(name=size.name, before=size.before, after=size.after)
                    for size in one.sizes
                ],
            )
            for one in tiers
        ]
    )


def _cut(cut: TierCut) -> pb.TierCut:
    told = pb.TierCut(metric=cut.metric, kind=KINDS[cut.kind])
    if cut.value is not None:
        exact = Fraction(cut.value)
        told.exact = f"{exact.numerator}/{exact.denominator}"
        told.value.CopyFrom(told_value(exact, cut.kind))
    return told


def flow(found: Flow) -> pb.FlowResponse:
    """The message of a flow."""
    response = pb.FlowResponse(
        tier=found.tier,
        names=found.names,
        rows=[pb.FlowRow(counts=counts) for counts in found.counts],
        to=convert.timestamp(found.to_us),
        data_version=found.data_version,
    )
    # A keyword of Python.
    getattr(response, "from").CopyFrom(convert.timestamp(found.from_us))
    response.elapsed.FromMicroseconds(found.elapsed_us)
    return response
