"""AudienceService: how many, and who."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from engine.core.control import Control
from engine.errors import NotFound
from engine.frozen_audiences import FrozenName, no_nodes
from engine.rules import tree
from engine.rules.canonical import format_expression
from engine.rules.parse import parse
from server import coming, convert, measuring, overlapping, tiers
from server.call import Call
from server.lanes import Lane
from server.members import ListRequest, pieces
from server.relay import Patience, relayed
from server.visibility import Visibility
from strata.v1 import audience_pb2 as pb
from strata.v1 import coming_pb2, explain_pb2, measure_pb2, overlap_pb2, tier_pb2

if TYPE_CHECKING:
    from engine.audience import CountResult
    from engine.database import Database

__all__ = ["AudienceService"]

# As many expressions as one pass over the data is allowed to answer.
MANY_MOST = 10_000


class AudienceService:
    """Counts and lists, one method per call of the contract. Without `patience` a list waits for
    its reader however long that takes."""

    def __init__(
        self,
        database: Database,
        reads: Lane,
        visible: Visibility,
        patience: Patience | None = None,
    ) -> None:
        self._database = database
        self._reads = reads
        self._visible = visible
        self._patience = patience

    async def count(self, request: pb.CountRequest, call: Call) -> pb.CountResponse:
        """Counts one audience."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        frozen = _frozen(request)
        await self._visible.wait(request.min_offset, call)
        call.field = "audience"
        if _may_be_kept(request):
            # One look at a counter, which takes less than to hand it to a thread.
            kept = self._database.stored_count(convert.definition(request.audience, "audience"))
            if kept is not None:
                return _counted(kept)

        def work() -> pb.CountResponse:
            expression = None
            if convert.frozen_name(request.audience) is None:
                expression = convert.definition(request.audience, "audience")
            elif not request.group_by:
                return _counted(self._database.frozen.count(frozen or ""))
            how = _How(
                as_of_us=as_of_us,
                nodes=request.include_nodes,
                group_by=request.group_by or None,
                control=call.control,
            )
            if frozen is not None:
                found = self._database.frozen.count_among(frozen, expression, **how)
            else:
                assert expression is not None, "an audience or a frozen one"
                found = self._database.count(expression, **how)
            return _counted(found)

        return await self._reads.run(work, call.control)

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
            response = pb.CountManyResponse()
            for result in results:
                convert.write_size(result, response.sizes.add())
            return response

        return await self._reads.run(work, call.control)

    async def list_members(
        self, request: pb.ListMembersRequest, call: Call
    ) -> AsyncIterator[bytes]:
        """Lists the members of an audience, as bytes of ListMembersResponse."""
        asked = ListRequest.read(request)
        await self._visible.wait(request.min_offset, call)
        call.field = "audience"
        # A generator: the first step evaluates, later ones each read one chunk.
        answers = pieces(self._database, asked, call.control)
        if self._patience is not None:
            messages = relayed(self._reads, answers, call.control, self._patience)
            async with contextlib.aclosing(messages):
                async for message in messages:
                    yield message
            return
        with contextlib.closing(answers):
            while (step := await self._reads.run(partial(next, answers, None))) is not None:
                yield step

    async def compare_audiences(
        self, request: pb.CompareAudiencesRequest, call: Call
    ) -> pb.CompareAudiencesResponse:
        """Compares two audiences."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        await self._visible.wait(request.min_offset, call)

        def side(audience: pb.Audience, field: str) -> str | tree.Expr | FrozenName:
            name = convert.frozen_name(audience)
            return convert.definition(audience, field) if name is None else FrozenName(name)

        def work() -> pb.CompareAudiencesResponse:
            found = self._database.frozen.compare(
                side(request.left, "left"),
                side(request.right, "right"),
                as_of_us=as_of_us,
                control=call.control,
            )
            return pb.CompareAudiencesResponse(
                left=found.left,
                right=found.right,
                both=found.both,
                as_of=convert.timestamp(found.as_of_us),
                data_version=found.data_version,
            )

        return await self._reads.run(work, call.control)

    async def overlap(self, request: pb.OverlapRequest, call: Call) -> overlap_pb2.OverlapResponse:
        """How audiences overlap, pair by pair."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        await self._visible.wait(request.min_offset, call)
        call.field = "audiences"

        def work() -> overlap_pb2.OverlapResponse:
            found = self._database.overlaps.overlap(
                overlapping.expressions(request),
                as_of_us=as_of_us,
                where="audiences[{}]",
                control=call.control,
            )
            return overlapping.overlap(found)

        return await self._reads.run(work, call.control)

    async def waterfall(
        self, request: pb.WaterfallRequest, call: Call
    ) -> overlap_pb2.WaterfallResponse:
        """How many profiles go to each step of a waterfall."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        await self._visible.wait(request.min_offset, call)
        call.field = "steps"

        def work() -> overlap_pb2.WaterfallResponse:
            found = self._database.waterfalls.waterfall(
                overlapping.steps(request.steps, "steps"),
                salt=request.salt,
                as_of_us=as_of_us,
                control=call.control,
            )
            return overlapping.waterfall(found)

        return await self._reads.run(work, call.control)

    async def distribution(
        self, request: pb.DistributionRequest, call: Call
    ) -> measure_pb2.DistributionResponse:
        """How a value is distributed over an audience."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        value = _required(request.value, "value")
        cut = measuring.cut(request)
        await self._visible.wait(request.min_offset, call)

        def work() -> measure_pb2.DistributionResponse:
            found = self._database.measures.distribution(
                value, measuring.among(request), cut, as_of_us=as_of_us, control=call.control
            )
            return measuring.distribution(found)

        return await self._reads.run(work, call.control)

    async def summarize(
        self, request: pb.SummarizeRequest, call: Call
    ) -> measure_pb2.SummarizeResponse:
        """The totals of a value over an audience."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        value = _required(request.value, "value")
        places = measuring.mean_places(request)
        await self._visible.wait(request.min_offset, call)

        def work() -> measure_pb2.SummarizeResponse:
            found = self._database.measures.summarize(
                value,
                measuring.among(request),
                group_by=request.group_by or None,
                as_of_us=as_of_us,
                control=call.control,
            )
            return measuring.summary(found, places)

        return await self._reads.run(work, call.control)

    async def funnel(self, request: pb.FunnelRequest, call: Call) -> measure_pb2.FunnelResponse:
        """How far an audience came in a sequence."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        sequence = _required(request.sequence, "sequence")
        await self._visible.wait(request.min_offset, call)

        def work() -> measure_pb2.FunnelResponse:
            found = self._database.measures.funnel(
                sequence, measuring.among(request), as_of_us=as_of_us, control=call.control
            )
            return measuring.funnel(found)

        return await self._reads.run(work, call.control)

    async def flow(self, request: tier_pb2.FlowRequest, call: Call) -> tier_pb2.FlowResponse:
        """How profiles moved between the names of a tier."""
        tier = _required(request.tier, "tier")
        if not request.HasField("from"):
            raise convert.invalid("from", "is missing", "give the earlier instant")
        from_us = convert.as_of_us(getattr(request, "from"), "from")
        to_us = convert.as_of_us(request.to if request.HasField("to") else None, "to")
        await self._visible.wait(request.min_offset, call)
        call.field = "tier"

        def work() -> tier_pb2.FlowResponse:
            assert from_us is not None, "it is there"
            found = self._database.flows.flow(tier, from_us, to_us, control=call.control)
            return tiers.flow(found)

        return await self._reads.run(work, call.control)

    async def next_changes(
        self, request: coming_pb2.NextChangesRequest, call: Call
    ) -> coming_pb2.NextChangesResponse:
        """Who enters and leaves segments by time alone."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        within_us, limit = coming.within_us(request), coming.limit(request)
        segments = coming.segments(request.segments)
        await self._visible.wait(request.min_offset, call)

        def work() -> coming_pb2.NextChangesResponse:
            found = self._database.foresight.changes(
                segments,
                within_us=within_us,
                limit=limit,
                as_of_us=as_of_us,
                control=call.control,
            )
            return coming.changes(found)

        return await self._reads.run(work, call.control)

    async def explain(
        self, request: explain_pb2.ExplainRequest, call: Call
    ) -> explain_pb2.ExplainResponse:
        """Why one profile satisfies an expression or not."""
        as_of_us = convert.as_of_us(request.as_of if request.HasField("as_of") else None)
        if not request.HasField("identifier"):
            raise convert.invalid("identifier", "is missing", "give a kind and a value")
        wanted = convert.identifier(request.identifier)
        from server import explaining

        subject = explaining.subject(request)
        await self._visible.wait(request.min_offset, call)
        call.field, where = "identifier", request.WhichOneof("subject") or ""

        def work() -> explain_pb2.ExplainResponse:
            found = self._database.explanations.explain(
                wanted,
                subject,
                as_of_us=as_of_us,
                where=where,
                with_ways=not request.without_ways,
            )
            if found is None:
                raise NotFound(f"No profile owns the identifier {wanted[0]}:{wanted[1]}.")
            return explaining.explanation(found)

        return await self._reads.run(work, call.control)

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


def _counted(result: CountResult) -> pb.CountResponse:
    response = pb.CountResponse()
    convert.write_size(result, response.size)
    return response


def _may_be_kept(request: pb.CountRequest) -> bool:
    """Whether a count may be that of a stored segment now; a tree is not read to find that out."""
    form = request.audience.WhichOneof("definition")
    is_now = not (request.HasField("as_of") or request.include_nodes or request.group_by)
    return is_now and not request.among_frozen and form in ("segment", "expression")


def _required(text: str, field: str) -> str:
    if not text:
        raise convert.invalid(field, "is missing", f"give a {field}")
    return text


class _How(TypedDict):
    """How a count is made, of all profiles or of those of a frozen audience."""

    as_of_us: int | None
    nodes: bool
    group_by: str | None
    control: Control


def _frozen(request: pb.CountRequest) -> str | None:
    """The frozen audience that is counted, whole or in part. Raises InputInvalid for what is asked
    of an expression where there is none."""
    frozen = convert.frozen_name(request.audience)
    if frozen is None:
        return request.among_frozen or None
    if not frozen:
        raise convert.invalid("audience.frozen", "is empty", "name the frozen audience")
    if request.among_frozen:
        raise convert.invalid(
            "among_frozen",
            "cannot stand beside a frozen audience",
            "CompareAudiences says how many are in both",
        )
    if request.include_nodes:
        raise no_nodes()
    if request.HasField("as_of") and not request.group_by:
        raise convert.invalid(
            "as_of",
            "belongs to the audience since it was frozen",
            "leave it out, or give a group_by or an expression to be taken at that instant",
        )
    return frozen
