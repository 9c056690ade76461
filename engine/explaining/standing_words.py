"""Where a profile stands as a person reads it: a score with its bands, a tier, a tag."""

from __future__ import annotations

from collections.abc import Iterator

from engine.explaining.explain import Explanation
from engine.explaining.standings import (
    BandStanding,
    ScoreStanding,
    StageStanding,
    TagStanding,
    TierStanding,
)
from engine.explaining.wording import Wording, points

__all__ = ["lines_of"]


def lines_of(explanation: Explanation, wording: Wording) -> Iterator[str]:
    """All lines of an explanation, of an expression or of something by its name."""
    match explanation.standing:
        case None:
            yield from wording.lines(explanation)
        case ScoreStanding() as score:
            yield from _score(score, explanation, wording)
        case TierStanding() as tier:
            yield from _tier(tier, explanation, wording)
        case TagStanding() as tag:
            yield from _tag(tag, explanation, wording)


def _score(found: ScoreStanding, explanation: Explanation, wording: Wording) -> Iterator[str]:
    yield from wording.ledger(found.ledger, with_events=True)
    for band in found.bands:
        here = "  <- here" if band.name == found.band else ""
        yield f"{_mark(band.on)} {band.name} {_bounds(band, wording)}{here}"
    if found.next_band is None or found.missing is None:
        return
    yield f"{points(found.missing)} more to {found.next_band}"
    for one in found.ways:
        gains = [f"rule {place + 1} {points(given, signed=True)}" for place, given in one.gains]
        by = f" ({', '.join(gains)})" if gains else ""
        yield f"   → {wording.way(one.way)}{by}"
    if explanation.with_ways and not found.ways:
        yield "   → nothing is known that would bring them by itself"


def _bounds(band: BandStanding, wording: Wording) -> str:
    said = f"from {points(band.bound)}"
    if band.left_below != band.bound:
        said += f", left below {points(band.left_below)}"
    if band.since_us is not None:
        said += f", {'since' if band.on else 'ended'} {wording.instant(band.since_us)}"
    return said


def _tier(found: TierStanding, explanation: Explanation, wording: Wording) -> Iterator[str]:
    cell = f" ({found.cell})" if found.cell else ""
    yield f"{_mark(found.has)} {found.tier}: {found.name or 'no name'}{cell}"
    for stage in found.stages:
        yield from _stage(stage, explanation, wording)
    for metric in found.metrics:
        said = wording.found(metric.found)
        if metric.high is not None:
            cut = "nobody reaches high" if metric.cut is None else wording.value(metric.cut)
            high = "high" if metric.high else "low"
            yield f"   {_mark(metric.high)} {metric.metric} {high}, cut {cut}"
            yield f"        {said}"
        else:
            yield f"   {metric.metric}: {said}"
    if found.refreshed_us is not None:
        yield f"   cuts of {wording.instant(found.refreshed_us)}"


def _stage(stage: StageStanding, explanation: Explanation, wording: Wording) -> Iterator[str]:
    cut = "" if stage.cut is None else f", from {wording.value(stage.cut)}"
    yield f"   {_mark(stage.reached)} {stage.name}{cut}"
    if stage.node is not None:
        yield from _nodes(stage.node, explanation, wording)


def _tag(found: TagStanding, explanation: Explanation, wording: Wording) -> Iterator[str]:
    yield f"{_mark(found.has)} tag {found.tag}"
    if found.givers:
        yield f"   given by {', '.join(one or '(nobody named)' for one in found.givers)}"
    for rule in found.rules:
        said = f"{rule.keep} rule for {rule.tag}"
        if rule.since_us is not None:
            said += f", {'since' if rule.gives else 'ended'} {wording.instant(rule.since_us)}"
        yield f"   {_mark(rule.gives)} {said}"
        yield from _nodes(rule.node, explanation, wording)
    if not found.givers and not found.rules:
        yield "   nobody gave it, and no rule of the model does"


def _nodes(first: int, explanation: Explanation, wording: Wording) -> Iterator[str]:
    """A whole and its parts, below the line that they belong to."""
    for place, node in enumerate(explanation.nodes[first:]):
        if place and node.parent is None:
            return
        yield from wording.node(node, explanation.with_ways, deeper=2)


def _mark(truth: bool) -> str:
    return "✓" if truth else "✗"
