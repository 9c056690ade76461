"""ProfileService: single profiles."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from engine.errors import NotFound
from engine.limits import RECENT_EVENTS
from engine.live.profile_events import EventPage, EventPlace, EventsAsked
from server import coming, convert, profile_wire
from server.call import Call
from server.lanes import Lane
from server.visibility import Visibility
from strata.v1 import coming_pb2
from strata.v1 import profile_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database

__all__ = ["ProfileService"]

_Answer = TypeVar("_Answer", bytes, bytes | None)

# Profiles travel in one message, and a thousand of them are well below its limit.
BATCH_MOST = 1000

# A card is read on the event loop where the last ones took no longer: to hand it to a thread and
# back takes a quarter of what it takes itself. Models of hundreds of rules take longer, and others
# wait meanwhile.
AT_ONCE_S = 0.0005

PAGE_DEFAULT = 100
PAGE_MOST = 1000


class ProfileService:
    """Reads profiles, one method per call of the contract."""

    def __init__(self, database: Database, reads: Lane, visible: Visibility) -> None:
        self._database = database
        self._reads = reads
        self._visible = visible
        # What the last cards took of a thread, with their bytes.
        self._card_s = 0.0

    async def get_profile(self, request: pb.GetProfileRequest, call: Call) -> bytes:
        """Reads one profile; bytes of GetProfileResponse."""
        wanted = _wanted(request)
        as_of_us = _as_of_us(request)
        await self._visible.wait(request.min_offset, call)
        call.field = "identifier"
        if as_of_us is not None:
            return await self._reads.run(partial(self._then, wanted, as_of_us), call.control)

        def at_hand() -> bytes | None:
            found = self._database.card_at_hand(wanted, recent_events=RECENT_EVENTS)
            return None if found is None else profile_wire.profile_response(found)

        def work() -> bytes:
            (found,) = self._database.cards([wanted], recent_events=RECENT_EVENTS)
            if found is None:
                raise _nobody(wanted)
            return profile_wire.profile_response(found)

        if self._card_s <= AT_ONCE_S:
            answer = self._timed(at_hand)
            if answer is not None:
                return answer
        return await self._reads.run(partial(self._timed, work), call.control)

    def _then(self, wanted: tuple[str, str], as_of_us: int) -> bytes:
        found = self._database.cards_then([wanted], as_of_us, recent_events=RECENT_EVENTS)
        (card,) = found.cards
        if card is None:
            raise _nobody(wanted)
        about = pb.GetProfileResponse(
            as_of=convert.timestamp(found.as_of_us), read_as_of_today=found.read_as_of_today
        )
        # Messages joined are one message with the fields of both.
        return profile_wire.profile_response(card) + about.SerializeToString()

    def _timed(self, work: Callable[[], _Answer]) -> _Answer:
        began = time.thread_time()
        answer = work()
        if answer is not None:
            # Of two threads one may lose what the other adds, which a mean can do without.
            self._card_s += 0.1 * (time.thread_time() - began - self._card_s)
        return answer

    async def batch_get_profiles(self, request: pb.BatchGetProfilesRequest, call: Call) -> bytes:
        """Reads many profiles, in the order asked; bytes of BatchGetProfilesResponse."""
        if len(request.identifiers) > BATCH_MOST:
            raise convert.invalid(
                "identifiers",
                f"has {len(request.identifiers)} entries",
                f"give at most {BATCH_MOST:,} at a time",
            )
        as_of_us = _as_of_us(request)
        await self._visible.wait(request.min_offset, call)
        call.field = "identifiers"
        wanted = [
            convert.identifier(given, f"identifiers[{at}]")
            for at, given in enumerate(request.identifiers)
        ]

        def work() -> bytes:
            if as_of_us is None:
                return profile_wire.batch_response(self._database.cards(wanted))
            found = self._database.cards_then(wanted, as_of_us)
            about = pb.BatchGetProfilesResponse(
                as_of=convert.timestamp(found.as_of_us), read_as_of_today=found.read_as_of_today
            )
            return profile_wire.batch_response(found.cards) + about.SerializeToString()

        return await self._reads.run(work, call.control)

    async def list_events(self, request: pb.ListEventsRequest, call: Call) -> pb.ListEventsResponse:
        """One page of the events of one profile."""
        wanted = _wanted(request)
        asked = _asked(request)
        await self._visible.wait(request.min_offset, call)
        call.field = "identifier"

        def work() -> pb.ListEventsResponse:
            page = self._database.events(wanted, asked)
            if page is None:
                raise _nobody(wanted)
            return _page(page)

        return await self._reads.run(work, call.control)

    async def next_change(
        self, request: coming_pb2.NextChangeRequest, call: Call
    ) -> coming_pb2.NextChangeResponse:
        """What time will change of one profile."""
        wanted = _wanted(request)
        as_of_us = _as_of_us(request)
        segments = coming.segments(request.segments)
        await self._visible.wait(request.min_offset, call)
        call.field = "identifier"

        def work() -> coming_pb2.NextChangeResponse:
            (found,) = self._database.foresight.of_profiles([wanted], segments, as_of_us=as_of_us)
            if found is None:
                raise _nobody(wanted)
            return coming_pb2.NextChangeResponse(changes=map(coming.change, found))

        return await self._reads.run(work, call.control)


def _wanted(
    request: pb.GetProfileRequest | pb.ListEventsRequest | coming_pb2.NextChangeRequest,
) -> tuple[str, str]:
    if not request.HasField("identifier"):
        raise convert.invalid("identifier", "is missing", "give a kind and a value")
    return convert.identifier(request.identifier)


def _as_of_us(
    request: pb.GetProfileRequest | pb.BatchGetProfilesRequest | coming_pb2.NextChangeRequest,
) -> int | None:
    return convert.as_of_us(request.as_of if request.HasField("as_of") else None)


def _nobody(wanted: tuple[str, str]) -> NotFound:
    return NotFound(f"No profile owns the identifier {wanted[0]}:{wanted[1]}.")


def _asked(request: pb.ListEventsRequest) -> EventsAsked:
    def instant_us(field: str) -> int | None:
        stamp = getattr(request, field) if request.HasField(field) else None
        return convert.as_of_us(stamp, field)

    since_us, until_us = instant_us("since"), instant_us("until")
    if since_us is not None and until_us is not None and until_us <= since_us:
        raise convert.invalid("until", "is not after since", "no event could be between them")
    token = request.page_token
    return EventsAsked(
        limit=min(request.page_size or PAGE_DEFAULT, PAGE_MOST),
        as_of_us=instant_us("as_of"),
        types=tuple(request.types),
        since_us=since_us,
        until_us=until_us,
        after=EventPlace.of_text(token, "page_token") if token else None,
    )


def _page(page: EventPage) -> pb.ListEventsResponse:
    return pb.ListEventsResponse(
        events=map(convert.profile_event, page.events),
        next_page_token="" if page.next is None else page.next.text(),
        as_of=convert.timestamp(page.as_of_us),
        data_version=page.data_version,
    )
