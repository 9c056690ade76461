"""FrozenService: audiences kept as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import convert
from server.call import Call
from server.frozen_messages import frozen_audience
from server.lanes import Lane
from server.visibility import Visibility
from strata.v1 import frozen_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database

__all__ = ["FrozenService"]

PAGE_DEFAULT = 100
PAGE_MOST = 1000


class FrozenService:
    """Keeps audiences, one method per call of the contract."""

    def __init__(self, database: Database, reads: Lane, writes: Lane, visible: Visibility) -> None:
        self._database = database
        self._reads = reads
        self._writes = writes
        self._visible = visible

    async def freeze(self, request: pb.FreezeRequest, call: Call) -> pb.FreezeResponse:
        """Keeps the members of an audience."""
        name = _named(request.name)
        limit = request.limit if request.HasField("limit") else None
        if limit == 0:
            raise convert.invalid("limit", "is 0", "leave it out to keep all members")
        if request.order_by and limit is None:
            raise convert.invalid("order_by", "means nothing without a limit: no order is kept")
        if request.descending and not request.order_by:
            raise convert.invalid("descending", "needs an attribute to order by")
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        expires_at_us = convert.as_of_us(
            request.expires_at if request.HasField("expires_at") else None, "expires_at"
        )
        await self._visible.wait(request.min_offset, call)
        call.field = "audience"

        def work() -> pb.FreezeResponse:
            frozen = self._database.frozen.freeze(
                name,
                convert.definition(request.audience, "audience"),
                as_of_us=as_of_us,
                limit=limit,
                salt=request.salt,
                order_by=request.order_by or None,
                descending=request.descending,
                made_by=request.made_by,
                expires_at_us=expires_at_us,
                control=call.control,
            )
            return pb.FreezeResponse(frozen=frozen_audience(frozen))

        return await self._writes.run(work, call.control)

    async def get_frozen(self, request: pb.GetFrozenRequest, call: Call) -> pb.GetFrozenResponse:
        """Describes one audience."""
        name, call.field = _named(request.name), "name"
        await self._visible.wait(request.min_offset, call)

        def work() -> pb.GetFrozenResponse:
            state = self._database.frozen.get(name)
            return pb.GetFrozenResponse(frozen=frozen_audience(state.frozen, state.gone))

        return await self._reads.run(work, call.control)

    async def list_frozen(self, request: pb.ListFrozenRequest, call: Call) -> pb.ListFrozenResponse:
        """One page of the audiences, in the order of their names."""
        await self._visible.wait(request.min_offset, call)
        size = min(request.page_size or PAGE_DEFAULT, PAGE_MOST)

        def work() -> pb.ListFrozenResponse:
            found = self._database.frozen.page(after=request.page_token, size=size + 1)
            page = found[:size]
            return pb.ListFrozenResponse(
                frozen=[frozen_audience(state.frozen, state.gone) for state in page],
                next_page_token=page[-1].frozen.name if len(found) > size else "",
            )

        return await self._reads.run(work, call.control)

    async def drop_frozen(self, request: pb.DropFrozenRequest, call: Call) -> pb.DropFrozenResponse:
        """Removes an audience."""
        name, call.field = _named(request.name), "name"
        await self._writes.run(lambda: self._database.frozen.drop(name))
        return pb.DropFrozenResponse()


def _named(name: str) -> str:
    if not name:
        raise convert.invalid("name", "is empty", "name the frozen audience")
    return name
