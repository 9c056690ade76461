"""Following segments, scores, tiers, tags and actions: what changed, with a token to go on from.

watching = watch(client, ["high_value"], resume_token=stored)
for message in watching:
    for change in message.changes:
        handle(change)
    store(message.resume_token)

A stream ends when the server stops or the connection breaks (StrataError), when the caller
closes it, and when entries are lost (WatchCompacted). Whether to begin again with the last token,
and after what pause, is the caller's choice.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from strata import messages
from strata.answers import ProfileEvent, Value
from strata.client import Client
from strata.errors import StrataError
from strata.v1 import watch_pb2

if TYPE_CHECKING:
    from strata.transport import Transport

__all__ = ["Change", "ToDo", "Watch", "WatchCompacted", "WatchMessage", "watch"]

CAUSES = {
    watch_pb2.CHANGE_CAUSE_UPDATE: "update",
    watch_pb2.CHANGE_CAUSE_CLOCK: "clock",
    watch_pb2.CHANGE_CAUSE_EDIT: "edit",
    watch_pb2.CHANGE_CAUSE_MERGE: "merge",
    watch_pb2.CHANGE_CAUSE_ERASURE: "erasure",
    watch_pb2.CHANGE_CAUSE_REFRESH: "refresh",
}


@dataclass(frozen=True, slots=True)
class ToDo:
    """What an action asks for, for one profile: `do` by `owner` until `due`, both None where it
    says none. `send` has attributes by their names, and `evidence` sentences that say why. `event`
    is what an action with `each` is about, None for all others."""

    do: str
    owner: str | None
    due: datetime.datetime | None
    send: Mapping[str, Value]
    evidence: tuple[str, ...]
    event: ProfileEvent | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the feed: a definition became another value for one profile.

    `definition` is a key path such as "segments.high_value" or "scores.lead"; of a segment, a tag
    and an action the values are False and True, of a score the names of its bands, of a tier its
    values, None where there is none. `uid` is 32 hexadecimal digits; `identifiers` are those of the
    kind asked for. `cause` is "update", "clock", "edit", "merge", "erasure", "refresh", or
    "unknown" where the server is newer than this client. (`sequence`, `ordinal`) numbers the entry
    for good.
    Of the points of a score, "scores.lead.points", they are exact decimals, None for a new profile.
    `to_do` is what an action asks for, None for everything else.
    """

    definition: str
    definition_version: int
    uid: str
    identifiers: tuple[str, ...]
    old_value: Value
    new_value: Value
    cause: str
    instant: datetime.datetime
    sequence: int
    ordinal: int
    to_do: ToDo | None = None


@dataclass(frozen=True, slots=True)
class WatchMessage:
    """One message: `changes` in order (none where it only brings a token), the token to resume
    with once they are handled, and whether everything durable had been sent by then."""

    changes: tuple[Change, ...]
    resume_token: str
    caught_up: bool


class WatchCompacted(StrataError):
    """The store no longer keeps what came right after the token.

    What the caller holds of its segments is no longer right: list them anew, and watch after the
    data version of the list. `resume_token` begins with the oldest entry that is kept.
    """

    def __init__(self, resume_token: str, oldest_sequence: int) -> None:
        super().__init__(
            "COMPACTED",
            "What came right after that place is no longer kept, so changes are lost to this"
            " watch. List the segments anew and watch from there.",
        )
        self.resume_token = resume_token
        self.oldest_sequence = oldest_sequence


def watch(
    client: Client,
    segments: Sequence[str] = (),
    *,
    scores: Sequence[str] = (),
    tiers: Sequence[str] = (),
    tags: Sequence[str] = (),
    actions: Sequence[str] = (),
    points: Sequence[str] = (),
    resume_token: str | None = None,
    from_oldest: bool = False,
    after_data_version: int | None = None,
    identifier_kind: str = "",
) -> Watch:
    """Follows segments, the bands of scores, tiers, tags and actions by name, and the `points` of
    scores; all segments that are kept where nothing is named.

    At most one of `resume_token`, `from_oldest` and `after_data_version` says where to begin
    (ValueError for more); default: now.
    """
    request = watch_pb2.WatchRequest(
        segments=segments,
        scores=scores,
        tiers=tiers,
        tags=tags,
        actions=actions,
        points=points,
        identifier_kind=identifier_kind,
    )
    if (resume_token is not None) + from_oldest + (after_data_version is not None) > 1:
        raise ValueError("a watch begins at one place")
    if resume_token is not None:
        request.resume_token = resume_token
    elif after_data_version is not None:
        request.after_data_version = after_data_version
    elif from_oldest:
        request.from_oldest = True
    return Watch(client._transport, request)


class Watch:
    """Messages of a watch as they arrive. Nothing is asked before the first is wanted.

    Iterating raises StrataError where the call ends, WatchCompacted among them. Close it, or use
    it in a `with` block, to let the server know at once that nobody listens.
    """

    def __init__(self, transport: Transport, request: watch_pb2.WatchRequest) -> None:
        self._stream = transport.many(
            "/strata.v1.WatchService/Watch", request, watch_pb2.WatchResponse
        )
        self._token: str | None = None

    @property
    def resume_token(self) -> str | None:
        """Where to resume behind the last message handed out; None before the first."""
        return self._token

    def __iter__(self) -> Iterator[WatchMessage]:
        """The messages that have not been read yet."""
        for response in self._stream:
            if response.HasField("compacted"):
                raise WatchCompacted(response.resume_token, response.compacted.oldest_sequence)
            self._token = response.resume_token
            changes = tuple(one for run in response.changes.runs for one in _changes(run))
            yield WatchMessage(changes, response.resume_token, response.caught_up)

    def close(self) -> None:
        """Ends the watch; not to be called while another thread waits for a message."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _changes(run: watch_pb2.ChangeRun) -> Iterator[Change]:
    """The entries of a run, one by one."""
    old_value, new_value = messages.value(run.old_value), messages.value(run.new_value)
    cause = CAUSES.get(run.cause, "unknown")
    instant = messages.instant(run.instant)
    size = messages.UID_BYTES
    for index in range(len(run.uids) // size):
        yield Change(
            definition=run.definition,
            definition_version=run.definition_version,
            uid=run.uids[index * size : (index + 1) * size].hex(),
            identifiers=tuple(run.identifiers[index].values) if run.identifiers else (),
            old_value=old_value,
            new_value=new_value,
            cause=cause,
            instant=instant,
            sequence=run.sequence,
            ordinal=run.first_ordinal + index,
            to_do=_to_do(run.to_do[index]) if run.to_do else None,
        )


def _to_do(message: watch_pb2.ToDo) -> ToDo:
    return ToDo(
        do=message.do,
        owner=message.owner or None,
        due=messages.instant(message.due) if message.HasField("due") else None,
        send={one.name: messages.value(one.value) for one in message.send},
        evidence=tuple(message.evidence),
        event=messages.profile_event(message.event) if message.HasField("event") else None,
    )
