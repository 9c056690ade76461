"""ListService: uploaded lists of identifiers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from engine.columns.strings import Strings
from server import convert
from server.call import Call
from server.lanes import Lane
from server.visibility import Visibility
from strata.v1 import list_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database
    from engine.uploaded_lists import UploadedList

__all__ = ["ListService"]

PAGE_DEFAULT = 100
PAGE_MOST = 1000


class ListService:
    """Keeps lists, one method per call of the contract."""

    def __init__(self, database: Database, reads: Lane, writes: Lane, visible: Visibility) -> None:
        self._database = database
        self._reads = reads
        self._writes = writes
        self._visible = visible

    async def upload_list(
        self, requests: AsyncIterator[pb.UploadListRequest], call: Call
    ) -> pb.UploadListResponse:
        """Stores a list once all of it has come."""
        header: pb.UploadListHeader | None = None
        values: list[str | None] = []
        async for request in requests:
            part = request.WhichOneof("part")
            if (part == "header") != (header is None):
                raise convert.invalid("header", "must come first, and once")
            if header is None:
                header = request.header
            else:
                values.extend(request.chunk.values)
        if header is None:
            raise convert.invalid("header", "is missing", "begin with the list's name and kind")
        if not header.name:
            raise convert.invalid("header.name", "is empty", "name the list")
        name, kind = header.name, header.identifier_kind
        call.field = "header"
        outcome = await self._writes.run(
            lambda: self._database.upload_list(name, kind, Strings.from_list(values))
        )
        return pb.UploadListResponse(list=_message(outcome), ignored=outcome.ignored)

    async def list_lists(self, request: pb.ListListsRequest, call: Call) -> pb.ListListsResponse:
        """One page of the lists, in the order of their names."""
        await self._visible.wait(request.min_offset, call)
        size = min(request.page_size or PAGE_DEFAULT, PAGE_MOST)
        outcomes = await self._reads.run(self._database.lists, call.control)
        rest = sorted(
            (one for one in outcomes if one.name > request.page_token), key=lambda one: one.name
        )
        page = rest[:size]
        return pb.ListListsResponse(
            lists=map(_message, page),
            next_page_token=page[-1].name if len(rest) > size else "",
        )

    async def delete_list(self, request: pb.DeleteListRequest, call: Call) -> pb.DeleteListResponse:
        """Removes a list."""
        if not request.name:
            raise convert.invalid("name", "is empty", "name the list")
        await self._writes.run(lambda: self._database.delete_list(request.name))
        return pb.DeleteListResponse()


def _message(outcome: UploadedList) -> pb.UploadedList:
    return pb.UploadedList(
        name=outcome.name,
        identifier_kind=outcome.kind,
        size=outcome.size,
        known=outcome.known,
        waiting=outcome.waiting,
    )
