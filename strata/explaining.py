"""Why one profile satisfies an expression or not, and what is missing.

from strata.explaining import explain

why = explain(client, "member", "m17", "segment('high_value')")
print(why.truth, why.text)
why = explain(client, "member", "m17", score="lead")
print(why.standing.missing, "points to", why.standing.next_band)
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from strata import messages
from strata.answers import FoundEvent, ScoreLedger, Value
from strata.standings import (
    BandStanding,
    FoundValue,
    MetricStanding,
    ScoreStanding,
    ScoreWay,
    StageStanding,
    Standing,
    TagRuleStanding,
    TagStanding,
    TierStanding,
)
from strata.v1 import explain_pb2, value_pb2

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from strata.client import Client

__all__ = [
    "AttributeChange",
    "Change",
    "EventChange",
    "ExplainedNode",
    "Explanation",
    "FoundEvent",
    "FoundStep",
    "FoundValue",
    "ListChange",
    "Way",
    "explain",
]


@dataclass(frozen=True, slots=True)
class FoundStep:
    """A step of a sequence: whether it was done, and when; what must not be has no time."""

    text: str
    done: bool
    time: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """An attribute has another value; None: it has none."""

    name: str
    value: Value
    before: Value


@dataclass(frozen=True, slots=True)
class EventChange:
    """`count` events of one of these types happen, with these properties in common, different ones
    of `distinct` ("": none), or a sum that grows `by` so much; at the earliest from `first` to
    `last`."""

    types: tuple[str, ...]
    count: int
    by: Value
    properties: Mapping[str, Value]
    distinct: str
    first: datetime.datetime
    last: datetime.datetime


@dataclass(frozen=True, slots=True)
class ListChange:
    """The profile is in an uploaded list, or not."""

    name: str
    in_list: bool


# An instant: nothing but that it comes.
Change = AttributeChange | EventChange | ListChange | datetime.datetime


@dataclass(frozen=True, slots=True)
class Way:
    """Changes that would help, one after the other. It is true `at` the earliest; events of now do
    the same at any instant before `before` (None: always, or not known)."""

    changes: tuple[Change, ...]
    text: str
    at: datetime.datetime
    before: datetime.datetime | None


@dataclass(frozen=True, slots=True)
class ExplainedNode:
    """A node of the expression. `in_the_way`: the whole is false on account of it, too; `ways`
    would help. `turns_at` is when time alone turns it, None where it does not, or, with
    `turn_unknown`, where that cannot be told."""

    text: str
    depth: int
    parent: int | None
    truth: bool
    values: tuple[FoundValue, ...]
    steps: tuple[FoundStep, ...]
    owned: tuple[tuple[str, str], ...]
    ledgers: tuple[ScoreLedger, ...]
    in_the_way: bool
    ways: tuple[Way, ...]
    turns_at: datetime.datetime | None
    turn_unknown: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the profile `uid` (32 hexadecimal digits) satisfies `expression` or not. The first node
    is the whole; `text` says everything in lines for a person. `standing` is set where something
    was explained by its name."""

    uid: str
    expression: str
    truth: bool
    nodes: tuple[ExplainedNode, ...]
    text: str
    as_of: datetime.datetime
    data_version: int
    read_as_of_today: tuple[str, ...]
    standing: Standing | None = None


def explain(
    client: Client,
    identifier_kind: str,
    value: str,
    expression: str | None = None,
    *,
    score: str | None = None,
    band: str | None = None,
    tier: str | None = None,
    tag: str | None = None,
    as_of: datetime.datetime | None = None,
    min_offset: int = 0,
    ways: bool = True,
) -> Explanation:
    """Why the owner of an identifier satisfies an expression, or not; or where it stands in a
    score, a band, a tier or with a tag, by name: one of these is given. Without `ways` nothing says
    what would help. Raises StrataError."""
    response = client.transport.one(
        "/strata.v1.AudienceService/Explain",
        explain_pb2.ExplainRequest(
            identifier=value_pb2.Identifier(kind=identifier_kind, value=value),
            expression=expression,
            score=score,
            band=band,
            tier=tier,
            tag=tag,
            without_ways=not ways,
            as_of=messages.timestamp(as_of),
            min_offset=min_offset,
        ),
        explain_pb2.ExplainResponse,
    )
    return Explanation(
        uid=response.uid.hex(),
        expression=response.expression,
        truth=response.truth,
        nodes=tuple(map(_node, response.nodes)),
        text=response.text,
        as_of=messages.instant(response.as_of),
        data_version=response.data_version,
        read_as_of_today=tuple(response.read_as_of_today),
        standing=_standing(response),
    )


def _standing(response: explain_pb2.ExplainResponse) -> Standing | None:
    match response.WhichOneof("standing"):
        case "score":
            return _score(response.score)
        case "tier":
            return _tier(response.tier)
        case "tag":
            return _tag(response.tag)
        case _:
            return None


def _score(message: explain_pb2.ScoreStanding) -> ScoreStanding:
    return ScoreStanding(
        ledger=messages.score_ledger(message.ledger),
        bands=tuple(
            BandStanding(
                one.name,
                Decimal(one.bound),
                Decimal(one.left_below),
                one.on,
                _instant(one.since if one.HasField("since") else None),
            )
            for one in message.bands
        ),
        next_band=message.next_band,
        missing=Decimal(message.missing) if message.missing else None,
        ways=tuple(
            ScoreWay(_way(one.way), {gain.rule: Decimal(gain.points) for gain in one.gains})
            for one in message.ways
        ),
    )


def _tier(message: explain_pb2.TierStanding) -> TierStanding:
    return TierStanding(
        tier=message.tier,
        name=message.name,
        stages=tuple(
            StageStanding(
                one.name,
                one.reached,
                one.node if one.HasField("node") else None,
                messages.value(one.cut),
            )
            for one in message.stages
        ),
        metrics=tuple(
            MetricStanding(
                one.metric,
                _value(one.found),
                messages.value(one.cut),
                one.high if one.HasField("high") else None,
            )
            for one in message.metrics
        ),
        cell=message.cell,
        refreshed=_instant(message.refreshed if message.HasField("refreshed") else None),
    )


def _tag(message: explain_pb2.TagStanding) -> TagStanding:
    return TagStanding(
        tag=message.tag,
        has=message.has,
        givers=tuple(message.givers),
        rules=tuple(
            TagRuleStanding(
                one.tag,
                one.sticky,
                one.gives,
                one.node,
                _instant(one.since if one.HasField("since") else None),
            )
            for one in message.rules
        ),
    )


def _node(message: explain_pb2.ExplainedNode) -> ExplainedNode:
    return ExplainedNode(
        text=message.text,
        depth=message.depth,
        parent=message.parent if message.HasField("parent") else None,
        truth=message.truth,
        values=tuple(map(_value, message.values)),
        steps=tuple(
            FoundStep(one.text, one.done, _instant(one.time if one.HasField("time") else None))
            for one in message.steps
        ),
        owned=tuple((one.kind, one.value) for one in message.owned),
        ledgers=tuple(map(messages.score_ledger, message.ledgers)),
        in_the_way=message.in_the_way,
        ways=tuple(map(_way, message.ways)),
        turns_at=_instant(message.turns_at if message.HasField("turns_at") else None),
        turn_unknown=message.turn_unknown,
    )


def _value(message: explain_pb2.FoundValue) -> FoundValue:
    events = tuple(map(messages.found_event, message.events))
    return FoundValue(message.text, messages.value(message.value), events, message.left_out)


def _way(message: explain_pb2.Way) -> Way:
    return Way(
        changes=tuple(map(_change, message.changes)),
        text=message.text,
        at=messages.instant(message.at),
        before=_instant(message.before if message.HasField("before") else None),
    )


def _change(message: explain_pb2.Change) -> Change:
    match message.WhichOneof("kind"):
        case "attribute":
            put = message.attribute
            return AttributeChange(put.name, messages.value(put.value), messages.value(put.before))
        case "events":
            added = message.events
            return EventChange(
                types=tuple(added.types),
                count=added.count,
                by=messages.value(added.by),
                properties={one.name: messages.value(one.value) for one in added.properties},
                distinct=added.distinct,
                first=messages.instant(added.first),
                last=messages.instant(added.last),
            )
        case "list":
            return ListChange(message.list.name, message.list.in_list)
        case _:
            return messages.instant(message.wait_until)


def _instant(stamp: Timestamp | None) -> datetime.datetime | None:
    return None if stamp is None else messages.instant(stamp)
