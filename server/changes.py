"""Messages of the feed: entries of a step with the names of their profiles."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from engine.live.change import Cause
from engine.live.feed import ACTIONS, FeedChunk, FeedRun, FeedSource
from engine.live.resume_token import FeedPosition
from engine.live.row_names import identifiers_of, uids_of
from server import convert
from server.member_wire import CHUNK_BYTES
from strata.v1 import value_pb2
from strata.v1 import watch_pb2 as pb

if TYPE_CHECKING:
    from engine.actions import Actions
    from engine.store.snapshot import Snapshot

__all__ = ["changes"]

CAUSES = {
    Cause.UPDATE: pb.CHANGE_CAUSE_UPDATE,
    Cause.CLOCK: pb.CHANGE_CAUSE_CLOCK,
    Cause.EDIT: pb.CHANGE_CAUSE_EDIT,
    Cause.MERGE: pb.CHANGE_CAUSE_MERGE,
    Cause.ERASURE: pb.CHANGE_CAUSE_ERASURE,
    Cause.REFRESH: pb.CHANGE_CAUSE_REFRESH,
}

# Of a run on the wire without its profiles, and of one profile's uid and identifier list.
RUN_BYTES = 64
PROFILE_BYTES = 20


def changes(
    source: FeedSource, chunk: FeedChunk, kind: str, actions: Actions
) -> list[pb.WatchResponse]:
    """The entries of a step as messages of at most about CHUNK_BYTES, with the identifiers of a
    kind where one is named, and what there is to do by `actions`. Each has the token for what
    comes behind it; none for no entries."""
    if not chunk.runs:
        return []
    rows = np.concatenate([run.rows for run in chunk.runs])
    # A watcher that reads much must not hold up what is to become visible meanwhile.
    with source.glance() as glance:
        uids = uids_of(glance, rows)
        owned = identifiers_of(glance, kind, rows) if kind else None
    asked = _all_asked(source, actions, chunk.runs)
    responses: list[pb.WatchResponse] = []
    pending = pb.WatchChanges()
    size = place = 0
    for run, to_do in zip(chunk.runs, asked, strict=True):
        size += RUN_BYTES + len(run.definition)
        start = 0
        for stop in range(1, len(run.rows) + 1):
            size += PROFILE_BYTES
            if owned is not None:
                size += sum(2 + len(value.encode()) for value in owned[place + stop - 1])
            if to_do is not None:
                size += to_do[stop - 1].ByteSize()
            if stop < len(run.rows) and size < CHUNK_BYTES:
                continue
            message = _message(run, start, stop)
            message.uids = uids[place + start : place + stop].tobytes()
            if owned is not None:
                message.identifiers.extend(
                    pb.ProfileIdentifiers(values=values)
                    for values in owned[place + start : place + stop]
                )
            if to_do is not None:
                message.to_do.extend(to_do[start:stop])
            pending.runs.append(message)
            if size >= CHUNK_BYTES:
                behind = FeedPosition(run.sequence, run.first_ordinal + stop)
                responses.append(
                    pb.WatchResponse(resume_token=source.token(behind), changes=pending)
                )
                pending, size = pb.WatchChanges(), RUN_BYTES + len(run.definition)
            start = stop
        place += len(run.rows)
    if pending.runs:
        responses.append(pb.WatchResponse(changes=pending))
    responses[-1].resume_token = source.token(chunk.end)
    responses[-1].caught_up = chunk.caught_up
    return responses


def _all_asked(
    source: FeedSource, actions: Actions, runs: Sequence[FeedRun]
) -> list[list[pb.ToDo] | None]:
    """What there is to do for each profile of some runs; None where a run asks for nothing."""
    if not any(run.definition.startswith(ACTIONS) for run in runs):
        return [None] * len(runs)
    with source.snapshot() as snapshot:
        return [_asked(actions, snapshot, run) for run in runs]


def _asked(actions: Actions, snapshot: Snapshot, run: FeedRun) -> list[pb.ToDo] | None:
    """What there is to do for each profile of a run."""
    found = actions.of_run(snapshot, run)
    if found is None:
        return None
    return [
        pb.ToDo(
            do=one.do,
            owner=one.owner or "",
            due=None if one.due_us is None else convert.timestamp(one.due_us),
            send=[
                value_pb2.NamedValue(name=name, value=convert.value(given))
                for name, given in one.send.items()
            ],
            evidence=one.evidence,
            event=None if one.event is None else convert.profile_event(one.event),
        )
        for one in found
    ]


def _message(run: FeedRun, start: int, stop: int) -> pb.ChangeRun:
    """Entries `start` to `stop` of a run, without their profiles."""
    old: str | bool | Decimal | None = not run.entered
    new: str | bool | Decimal | None = run.entered
    if run.old is not None:
        old, new = run.old or None, run.new or None
    if run.points is not None:
        old, new = (None if side is None else Decimal(side).scaleb(-3) for side in run.points)
    return pb.ChangeRun(
        definition=run.definition,
        definition_version=run.version,
        old_value=convert.value(old),
        new_value=convert.value(new),
        cause=CAUSES[run.cause],
        instant=convert.timestamp(run.instant_us),
        sequence=run.sequence,
        first_ordinal=run.first_ordinal + start,
    )
