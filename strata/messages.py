"""From messages of the wire to answers."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from strata import answers
from strata.v1 import (
    audience_pb2,
    explain_pb2,
    ingest_pb2,
    list_pb2,
    model_pb2,
    profile_pb2,
    value_pb2,
)

__all__ = [
    "batch_ack",
    "count_answer",
    "definition_change",
    "found_event",
    "frozen_audience",
    "instant",
    "members_chunk",
    "members_header",
    "profile",
    "profile_event",
    "score_ledger",
    "timestamp",
    "uploaded_list",
    "value",
    "write_timestamp",
]

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
UID_BYTES = 16


def instant(stamp: Timestamp) -> datetime.datetime:
    """The instant of a message, in UTC."""
    return EPOCH + datetime.timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def timestamp(moment: datetime.datetime | None) -> Timestamp | None:
    """The message of an instant; ValueError for one without a time zone."""
    if moment is None:
        return None
    message = Timestamp()
    write_timestamp(message, moment)
    return message


def write_timestamp(message: Timestamp, moment: datetime.datetime) -> None:
    """Sets a message to an instant; ValueError for one without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    since = moment - EPOCH
    message.seconds = since.days * 86_400 + since.seconds
    message.nanos = since.microseconds * 1000


def value(message: value_pb2.Value) -> answers.Value:
    """The value of a message; None for one with no kind set."""
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    given = getattr(message, kind)
    match kind:
        case "decimal_value" | "duration_value":
            return Decimal(given)
        case "date_value":
            return datetime.date.fromisoformat(given)
        case "time_value":
            return instant(given)
        case "set_value":
            return tuple(given.values)
    plain: str | int | float | bool = given
    return plain


def count_answer(size: audience_pb2.AudienceSize) -> answers.CountAnswer:
    """The answer of a count."""
    return answers.CountAnswer(
        expression=size.expression,
        count=size.count,
        as_of=instant(size.as_of),
        data_version=size.data_version,
        elapsed_us=size.elapsed.ToMicroseconds(),
        nodes=tuple(answers.NodeCount(n.text, n.depth, n.count) for n in size.nodes),
        groups=tuple(
            answers.GroupCount(g.value if g.HasField("value") else None, g.count)
            for g in size.groups
        ),
        waiting=size.waiting,
        read_as_of_today=tuple(size.read_as_of_today),
        notes=tuple(size.notes),
        gone=size.gone,
    )


def members_header(header: audience_pb2.MembersHeader) -> answers.MembersHeader:
    """The header of a member list."""
    return answers.MembersHeader(
        expression=header.expression,
        matched=header.matched,
        listed=header.listed,
        as_of=instant(header.as_of),
        data_version=header.data_version,
        row_epoch=header.row_epoch,
        waiting=header.waiting,
        read_as_of_today=tuple(header.read_as_of_today),
        frozen=frozen_audience(header.frozen) if header.HasField("frozen") else None,
        gone=header.gone,
        notes=tuple(header.notes),
    )


def members_chunk(chunk: audience_pb2.MembersChunk) -> answers.MembersChunk:
    """A piece of a member list."""
    columns = {column.attribute: tuple(map(value, column.values)) for column in chunk.columns}
    return answers.MembersChunk(tuple(chunk.identifiers), chunk.uids, columns, chunk.roaring)


def frozen_audience(message: audience_pb2.FrozenAudience) -> answers.FrozenAudience:
    """The description of a frozen audience."""
    return answers.FrozenAudience(
        name=message.name,
        expression=message.expression,
        count=message.count,
        gone=message.gone,
        matched=message.matched,
        as_of=instant(message.as_of),
        data_version=message.data_version,
        model_version=message.model_version,
        row_epoch=message.row_epoch,
        made_at=instant(message.made_at),
        made_by=message.made_by,
        expires_at=instant(message.expires_at) if message.HasField("expires_at") else None,
        limit=message.limit if message.HasField("limit") else None,
        salt=message.salt,
        order_by=message.order_by,
        descending=message.descending,
        waiting=message.waiting,
        read_as_of_today=tuple(message.read_as_of_today),
    )


def profile(
    message: profile_pb2.Profile,
    answer: profile_pb2.GetProfileResponse | profile_pb2.BatchGetProfilesResponse,
    recent_events: Iterable[profile_pb2.ProfileEvent] = (),
) -> answers.Profile:
    """A profile of an answer."""
    return answers.Profile(
        uid=message.uid.hex(),
        identifiers=tuple((one.kind, one.value) for one in message.identifiers),
        attributes={one.name: value(one.value) for one in message.attributes},
        tags=tuple(message.tags),
        segments=tuple(message.segments),
        recent_events=tuple(map(profile_event, recent_events)),
        scores=tuple(map(score_ledger, message.scores)),
        tiers={one.tier: one.name for one in message.tiers},
        notes={one.about: one.reason for one in message.notes},
        as_of=instant(answer.as_of) if answer.HasField("as_of") else None,
        read_as_of_today=tuple(answer.read_as_of_today),
    )


def score_ledger(message: explain_pb2.ScoreLedger) -> answers.ScoreLedger:
    """A score with its ledger."""
    return answers.ScoreLedger(
        score=message.score,
        points=Decimal(message.points),
        band=message.band,
        lines=tuple(map(_ledger_line, message.lines)),
    )


def _ledger_line(message: explain_pb2.LedgerLine) -> answers.LedgerLine:
    return answers.LedgerLine(
        kind=explain_pb2.LedgerLine.Kind.Name(message.kind).removeprefix("KIND_").lower(),
        points=Decimal(message.points),
        rule=message.rule if message.HasField("rule") else None,
        text=message.text,
        uncapped=Decimal(message.uncapped) if message.uncapped else None,
        events=tuple(map(found_event, message.events)),
        left_out=message.left_out,
    )


def found_event(message: explain_pb2.FoundEvent) -> answers.FoundEvent:
    """An event that something comes from."""
    given = Decimal(message.points) if message.points else None
    return answers.FoundEvent(message.type, instant(message.time), value(message.value), given)


def profile_event(message: profile_pb2.ProfileEvent) -> answers.ProfileEvent:
    """An event of a profile."""
    return answers.ProfileEvent(
        type=message.type,
        time=instant(message.time),
        properties={one.name: value(one.value) for one in message.properties},
    )


def batch_ack(message: ingest_pb2.BatchAck) -> answers.BatchAck:
    """The acknowledgement of a batch."""
    return answers.BatchAck(
        offset=message.offset,
        durable_offset=message.durable_offset if message.HasField("durable_offset") else None,
        accepted=message.accepted,
        duplicates=message.duplicates,
        created=message.created,
        blocked=message.blocked,
        refused_count=message.refused_count,
        refused=tuple(
            answers.RefusedRecord(
                one.index, one.record_offset if one.HasField("record_offset") else None, one.reason
            )
            for one in message.refused
        ),
    )


def definition_change(message: model_pb2.DefinitionChange) -> answers.DefinitionChange:
    """What an edit does to one definition."""
    return answers.DefinitionChange(
        definition=message.definition,
        kept=message.kept,
        old_size=message.old_size,
        new_size=message.new_size,
        joiners=message.joiners,
        leavers=message.leavers,
    )


def uploaded_list(message: list_pb2.UploadedList, ignored: int = 0) -> answers.UploadedList:
    """An uploaded list; `ignored` is known right after the upload only."""
    return answers.UploadedList(
        name=message.name,
        identifier_kind=message.identifier_kind,
        size=message.size,
        known=message.known,
        waiting=message.waiting,
        ignored=ignored,
    )
