"""Why one profile satisfies an expression or not, between the wire and the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.explaining.changes import Added, Listed, Put, Wait
from engine.explaining.standing_words import lines_of
from engine.explaining.standings import ScoreStanding, TagStanding, TierStanding
from engine.explaining.subjects import Subject
from engine.explaining.wording import Wording, points
from engine.rules import tree
from server import convert
from strata.v1 import explain_pb2 as pb
from strata.v1 import value_pb2

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from engine.explaining.changes import Change, Way
    from engine.explaining.evidence import EvidenceEvent, FoundStep, FoundValue
    from engine.explaining.explain import ExplainedNode, Explanation
    from engine.explaining.ledgers import Ledger, LedgerLine

__all__ = ["explanation", "ledger_message", "subject"]

_KINDS = {
    "when": pb.LedgerLine.KIND_WHEN,
    "each": pb.LedgerLine.KIND_EACH,
    "floor": pb.LedgerLine.KIND_FLOOR,
    "ceiling": pb.LedgerLine.KIND_CEILING,
}


def subject(request: pb.ExplainRequest) -> str | tree.Expr | Subject:
    """What a request asks to explain."""
    match request.WhichOneof("subject"):
        case ("score" | "band" | "tier" | "tag") as kind:
            return Subject(kind, getattr(request, kind))
        case "expression":
            return request.expression
        case "segment":
            return tree.Segment(request.segment)
        case _:
            raise convert.invalid("expression", "is missing", "give an expression or a name")


def explanation(found: Explanation) -> pb.ExplainResponse:
    """The message of an explanation."""
    wording = Wording(found.zone, found.as_of_us)
    message = pb.ExplainResponse(
        uid=found.uid,
        expression=found.expression,
        truth=found.truth,
        nodes=[_node(node, wording) for node in found.nodes],
        text="\n".join(lines_of(found, wording)),
        as_of=convert.timestamp(found.as_of_us),
        data_version=found.data_version,
        read_as_of_today=found.read_as_of_today,
    )
    match found.standing:
        case ScoreStanding() as score:
            message.score.CopyFrom(_score(score, wording))
        case TierStanding() as tier:
            message.tier.CopyFrom(_tier(tier))
        case TagStanding() as tag:
            message.tag.CopyFrom(_tag(tag))
    return message


def _score(found: ScoreStanding, wording: Wording) -> pb.ScoreStanding:
    return pb.ScoreStanding(
        ledger=ledger_message(found.ledger, found.band or ""),
        bands=[
            pb.BandStanding(
                name=band.name,
                bound=points(band.bound),
                left_below=points(band.left_below),
                on=band.on,
                since=_instant(band.since_us),
            )
            for band in found.bands
        ],
        next_band=found.next_band or "",
        missing="" if found.missing is None else points(found.missing),
        ways=[
            pb.ScoreWay(
                way=_way(one.way, wording),
                gains=[pb.RuleGain(rule=at, points=points(given)) for at, given in one.gains],
            )
            for one in found.ways
        ],
    )


def _tier(found: TierStanding) -> pb.TierStanding:
    return pb.TierStanding(
        tier=found.tier,
        name=found.name or "",
        stages=[
            pb.StageStanding(
                name=stage.name,
                reached=stage.reached,
                node=stage.node,
                cut=convert.value(stage.cut),
            )
            for stage in found.stages
        ],
        metrics=[
            pb.MetricStanding(
                metric=metric.metric,
                found=_value(metric.found),
                cut=convert.value(metric.cut),
                high=metric.high,  # type: ignore[arg-type]
            )
            for metric in found.metrics
        ],
        cell=found.cell,
        refreshed=_instant(found.refreshed_us),
    )


def _tag(found: TagStanding) -> pb.TagStanding:
    return pb.TagStanding(
        tag=found.tag,
        has=found.has,
        givers=found.givers,
        rules=[
            pb.TagRuleStanding(
                tag=rule.tag,
                sticky=rule.keep == "sticky",
                gives=rule.gives,
                node=rule.node,
                since=_instant(rule.since_us),
            )
            for rule in found.rules
        ],
    )


def ledger_message(ledger: Ledger, band: str = "") -> pb.ScoreLedger:
    """The message of a ledger."""
    return pb.ScoreLedger(
        score=ledger.score,
        points=points(ledger.points),
        band=band,
        lines=map(_line, ledger.lines),
    )


def _line(line: LedgerLine) -> pb.LedgerLine:
    return pb.LedgerLine(
        kind=_KINDS[line.kind],
        points=points(line.points),
        rule=line.rule,
        text=line.text,
        uncapped="" if line.uncapped is None else points(line.uncapped),
        events=map(_event, line.events),
        left_out=line.left_out,
    )


def _node(node: ExplainedNode, wording: Wording) -> pb.ExplainedNode:
    return pb.ExplainedNode(
        text=node.text,
        depth=node.depth,
        parent=node.parent,
        truth=node.truth,
        values=map(_value, node.values),
        steps=map(_step, node.steps),
        owned=[value_pb2.Identifier(kind=kind, value=value) for kind, value in node.owned],
        in_the_way=node.in_the_way,
        ways=[_way(way, wording) for way in node.ways],
        turns_at=_instant(node.turns_at_us),
        turn_unknown=not node.turn_is_known,
        ledgers=map(ledger_message, node.ledgers),
    )


def _value(found: FoundValue) -> pb.FoundValue:
    return pb.FoundValue(
        text=found.text,
        value=convert.value(found.value),
        events=map(_event, found.events),
        left_out=found.left_out,
    )


def _event(event: EvidenceEvent) -> pb.FoundEvent:
    return pb.FoundEvent(
        type=event.type,
        time=convert.timestamp(event.time_us),
        value=convert.value(event.value),
        points="" if event.points is None else points(event.points),
    )


def _step(step: FoundStep) -> pb.FoundStep:
    return pb.FoundStep(text=step.text, done=step.done, time=_instant(step.time_us))


def _way(way: Way, wording: Wording) -> pb.Way:
    return pb.Way(
        changes=map(_change, way.changes),
        text=wording.way(way),
        at=convert.timestamp(way.after.now_us),
        before=_instant(way.before_us),
    )


def _change(change: Change) -> pb.Change:
    match change:
        case Put(attribute=name, value=value, before=before):
            put = pb.AttributeChange(
                name=name, value=convert.value(value), before=convert.value(before)
            )
            return pb.Change(attribute=put)
        case Added():
            return pb.Change(events=_events(change))
        case Listed(name=name, is_in=is_in):
            return pb.Change(list=pb.ListChange(name=name, in_list=is_in))
        case Wait(until_us=until_us):
            return pb.Change(wait_until=convert.timestamp(until_us))


def _events(change: Added) -> pb.EventChange:
    times = [event.time_us for event in change.events]
    return pb.EventChange(
        types=change.types,
        count=len(change.events),
        by=convert.value(change.by),
        properties=[
            value_pb2.NamedValue(name=name, value=convert.value(value))
            for name, value in change.in_common.items()
        ],
        distinct=change.distinct or "",
        first=convert.timestamp(min(times)),
        last=convert.timestamp(max(times)),
    )


def _instant(at_us: int | None) -> Timestamp | None:
    return None if at_us is None else convert.timestamp(at_us)
