"""Overlaps and waterfalls between the wire and the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.limits import OVERLAP_AUDIENCES, WATERFALL_STEPS
from engine.rules import tree
from engine.waterfall import Step
from server import convert
from strata.v1 import audience_pb2, overlap_pb2

if TYPE_CHECKING:
    from engine.audience import CountResult
    from engine.overlap import Overlap
    from engine.waterfall import Waterfall

__all__ = ["expressions", "overlap", "steps", "waterfall"]


def expressions(request: audience_pb2.OverlapRequest) -> list[str | tree.Expr]:
    """The audiences of a request."""
    count = len(request.audiences)
    if not 2 <= count <= OVERLAP_AUDIENCES:
        raise convert.invalid(
            "audiences", f"has {count} entries", f"give 2 to {OVERLAP_AUDIENCES} audiences"
        )
    return [
        convert.definition(one, f"audiences[{place}]")
        for place, one in enumerate(request.audiences)
    ]


def steps(asked: Iterable[audience_pb2.StepAudience], field: str) -> list[Step]:
    """The steps of a waterfall; `field` is their place in the request."""
    listed = list(asked)
    if not 1 <= len(listed) <= WATERFALL_STEPS:
        raise convert.invalid(
            field, f"has {len(listed)} entries", f"give 1 to {WATERFALL_STEPS} steps"
        )
    return [_step(one, f"{field}[{place}]") for place, one in enumerate(listed)]


def _step(asked: audience_pb2.StepAudience, field: str) -> Step:
    cap = asked.cap if asked.HasField("cap") else None
    if cap == 0:
        raise convert.invalid(f"{field}.cap", "is 0", "give 1 or more, or leave out the step")
    return Step(convert.definition(asked.audience, f"{field}.audience"), cap)


def overlap(found: Overlap) -> overlap_pb2.OverlapResponse:
    """The message of an overlap."""
    response = overlap_pb2.OverlapResponse(
        audiences=map(_audience, found.audiences),
        pairs=[
            overlap_pb2.PairOverlap(
                first=one.first,
                second=one.second,
                both=one.both,
                jaccard=None if one.jaccard is None else float(one.jaccard),
                lift=None if one.lift is None else float(one.lift),
            )
            for one in found.pairs
        ],
        profiles=found.profiles,
    )
    _say_when(response, found.audiences[0])
    return response


def waterfall(found: Waterfall) -> overlap_pb2.WaterfallResponse:
    """The message of a waterfall."""
    response = overlap_pb2.WaterfallResponse(
        steps=[
            overlap_pb2.StepCount(
                audience=_audience(one.audience), left=one.left, taken=one.taken, cap=one.cap
            )
            for one in found.steps
        ],
        profiles=found.profiles,
        rest=found.rest,
    )
    _say_when(response, found.steps[0].audience)
    return response


def _audience(result: CountResult) -> overlap_pb2.AudienceInAll:
    return overlap_pb2.AudienceInAll(
        expression=result.expression,
        count=result.count,
        waiting=result.waiting,
        read_as_of_today=result.read_as_of_today,
    )


def _say_when(
    response: overlap_pb2.OverlapResponse | overlap_pb2.WaterfallResponse, result: CountResult
) -> None:
    response.as_of.CopyFrom(convert.timestamp(result.as_of_us))
    response.data_version = result.data_version
    response.elapsed.FromMicroseconds(result.elapsed_us)
