"""AudienceService: how many, and who."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from engine.rules.canonical import format_expression
from engine.rules.parse import parse
from server import convert
from server.call import Call
from server.lanes import Lane
from server.members import ListRequest, pieces
from server.visibility import Visibility
from strata.v1 import audience_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database

__all__ = ["AudienceService"]

# As many expressions as one pass over the data is allowed to answer.
MANY_MOST = 10_000


class AudienceService:
    """Counts and lists, one method per call of the contract."""

    def __init__(self, database: Database, reads: Lane, visible: Visibility) -> None:
        self._database = database
        self._reads = reads
        self._visible = visible

    async def count(self, request: pb.CountRequest, call: Call) -> pb.CountResponse:
        """Counts one audience."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        await self._visible.wait(request.min_offset, call)
        call.field = "audience"

        def work() -> pb.AudienceSize:
            expression = convert.definition(request.audience, "audience")
            return convert.audience_size(
                self._database.count(
                    expression,
                    as_of_us=as_of_us,
                    nodes=request.include_nodes,
                    group_by=request.group_by or None,
                    control=call.control,
                )
            )

        return pb.CountResponse(size=await self._reads.run(work, call.control))

    async def count_many(self, request: pb.CountManyRequest, call: Call) -> pb.CountManyResponse:
        """Counts many audiences in one pass."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        if not 1 <= len(request.audiences) <= MANY_MOST:
            raise convert.invalid(
                "audiences",
                f"has {len(request.audiences)} entries",
                f"give 1 to {MANY_MOST:,} audiences",
            )
        await self._visible.wait(request.min_offset, call)
        call.field = "audiences"

        def work() -> pb.CountManyResponse:
            expressions = [
                convert.definition(audience, f"audiences[{index}]")
                for index, audience in enumerate(request.audiences)
            ]
            results = self._database.count_many(
                expressions,
                as_of_us=as_of_us,
                nodes=request.include_nodes,
                where="audiences[{}]",
                control=call.control,
            )
            return pb.CountManyResponse(sizes=map(convert.audience_size, results))

        return await self._reads.run(work, call.control)

    async def list_members(
        self, request: pb.ListMembersRequest, call: Call
    ) -> AsyncIterator[pb.ListMembersResponse]:
        """Lists the members of an audience."""
        asked = ListRequest.read(request)
        await self._visible.wait(request.min_offset, call)
        call.field = "audience"

        def work() -> pb.ListMembersResponse | None:
            return next(answers, None)

        # A generator: the first step evaluates, later ones each read one chunk.
        answers = pieces(self._database, asked, call.control)
        try:
            while (answer := await self._reads.run(work, call.control)) is not None:
                yield answer
        finally:
            answers.close()

    async def format(self, request: pb.FormatRequest, call: Call) -> pb.FormatResponse:
        """Both forms of an expression."""
        form = request.WhichOneof("source")
        if form is None:
            raise convert.invalid("expression", "is missing", "give a text or a tree")
        call.field = form

        def work() -> pb.FormatResponse:
            expression = (
                parse(request.expression)
                if form == "expression"
                else convert.expr_tree(request.tree)
            )
            return pb.FormatResponse(
                expression=format_expression(expression), tree=convert.expr_message(expression)
            )

        return await self._reads.run(work, call.control)
