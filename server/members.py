"""Member lists: what a request asks for, and the answer as a header and chunks."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.core.control import Control
from engine.errors import InputInvalid
from engine.listing.frozen import Page
from engine.nearest import nearest
from engine.rules import tree
from engine.waterfall import Step
from server import convert, frozen_messages, overlapping
from server.member_wire import bitmap_chunks, identifier_chunks, table_chunks, uid_chunks
from strata.v1 import audience_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database
    from engine.members import Members

__all__ = ["ListRequest", "pieces"]

FORMS = {
    pb.MEMBER_FORM_IDENTIFIERS: "identifiers",
    pb.MEMBER_FORM_UIDS: "uids",
    pb.MEMBER_FORM_ROARING: "roaring",
}


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """A step of a waterfall, by its place, whose members are wanted."""

    steps: tuple[Step, ...]
    place: int
    salt: str


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A ListMembersRequest whose fields fit together."""

    definition: str | tree.Expr | None
    frozen: str | None
    waterfall: WaterfallStep | None
    page: Page | None
    form: str
    kind: str
    attributes: tuple[str, ...]
    as_of_us: int | None
    limit: int | None
    salt: str
    order_by: str | None
    descending: bool

    @classmethod
    def read(cls, request: pb.ListMembersRequest) -> ListRequest:
        """The request as it will be answered; InputInvalid where fields do not fit together."""
        form = FORMS.get(request.form)
        if form is None:
            raise convert.invalid("form", "is missing", "ask for identifiers, uids or a bitmap")
        if (form == "identifiers") != bool(request.identifier_kind):
            raise convert.invalid(
                "identifier_kind", "belongs to a list of identifiers, and only there"
            )
        if form == "roaring" and request.attributes:
            raise convert.invalid("attributes", "cannot stand beside a bitmap")
        limit = request.limit if request.HasField("limit") else None
        if limit == 0:
            raise convert.invalid("limit", "is 0", "leave it out to list all members")
        if request.descending and not request.order_by:
            raise convert.invalid("descending", "needs an attribute to order by")
        if form == "roaring" and request.order_by and limit is None:
            raise convert.invalid("order_by", "means nothing for a bitmap without a limit")
        frozen = convert.frozen_name(request.audience)
        if frozen is not None and request.HasField("as_of"):
            raise convert.invalid("as_of", "belongs to the audience since it was frozen")
        waterfall = _waterfall(request)
        given = bool(frozen) or waterfall is not None
        return cls(
            definition=None if given else convert.definition(request.audience, "audience"),
            frozen=frozen,
            waterfall=waterfall,
            page=_page(request, frozen),
            form=form,
            kind=request.identifier_kind,
            attributes=tuple(request.attributes),
            as_of_us=convert.as_of_us(request.as_of if request.HasField("as_of") else None),
            limit=limit,
            salt=request.salt,
            order_by=request.order_by or None,
            descending=request.descending,
        )


def _page(request: pb.ListMembersRequest, frozen: str | None) -> Page | None:
    if not request.HasField("page"):
        return None
    if frozen is None:
        raise convert.invalid("page", "belongs to a frozen audience, and only there")
    if request.HasField("limit") or request.order_by:
        raise convert.invalid("page", "cannot stand beside a limit or an order")
    if not request.page.size:
        raise convert.invalid("page.size", "is 0", "leave the page out to list all members")
    return Page(request.page.first, request.page.size)


def _waterfall(request: pb.ListMembersRequest) -> WaterfallStep | None:
    if request.audience.WhichOneof("definition") != "step":
        return None
    if request.HasField("limit") or request.order_by:
        raise convert.invalid(
            "limit" if request.HasField("limit") else "order_by",
            "cannot stand beside a step of a waterfall",
            "give the step a cap",
        )
    step = request.audience.step
    steps = overlapping.steps(step.steps, "audience.step.steps")
    if step.place >= len(steps):
        raise convert.invalid(
            "audience.step.place", f"is {step.place}", f"give 0 to {len(steps) - 1}"
        )
    return WaterfallStep(tuple(steps), step.place, step.salt)


def pieces(
    database: Database, asked: ListRequest, control: Control
) -> Generator[bytes, None, None]:
    """The answer, message by message, in bytes: the first step evaluates, each later one reads a
    chunk."""
    _check_names(database, asked)
    members = _found(database, asked, control)
    with members:
        yield pb.ListMembersResponse(header=_header(members, asked.attributes)).SerializeToString()
        for chunk in _chunks(members, asked):
            control.check()
            yield chunk


def _found(database: Database, asked: ListRequest, control: Control) -> Members:
    if asked.frozen is not None:
        return database.frozen.members(
            asked.frozen,
            page=asked.page,
            limit=asked.limit,
            salt=asked.salt,
            order_by=asked.order_by,
            descending=asked.descending,
            control=control,
        )
    if asked.waterfall is not None:
        return database.waterfalls.members(
            asked.waterfall.steps,
            asked.waterfall.place,
            salt=asked.waterfall.salt,
            as_of_us=asked.as_of_us,
            where="audience.step.steps[{}]",
            control=control,
        )
    assert asked.definition is not None, "an expression, a step or a frozen audience"
    return database.members(
        asked.definition,
        as_of_us=asked.as_of_us,
        limit=asked.limit,
        salt=asked.salt,
        order_by=asked.order_by,
        descending=asked.descending,
        control=control,
    )


def _check_names(database: Database, asked: ListRequest) -> None:
    """Refuses unknown kinds and attributes before anything is evaluated or sent."""
    model = database.model
    if model is None:
        return
    if asked.kind and asked.kind not in model.identifiers:
        raise _unknown("identifier_kind", "kind of identifier", asked.kind, model.identifiers)
    for index, name in enumerate(asked.attributes):
        if name not in model.attributes:
            raise _unknown(f"attributes[{index}]", "attribute", name, model.attributes)


def _unknown(field: str, what: str, name: str, known: Iterable[str]) -> InputInvalid:
    close = nearest(name, known)
    return convert.invalid(
        field, f"there is no {what} {name}", f"did you mean {close}?" if close else ""
    )


def _header(members: Members, attributes: Sequence[str]) -> pb.MembersHeader:
    header = pb.MembersHeader(
        expression=members.expression,
        matched=members.matched,
        listed=members.count,
        as_of=convert.timestamp(members.as_of_us),
        data_version=members.data_version,
        row_epoch=members.row_epoch,
        waiting=members.waiting,
        read_as_of_today=members.read_today_with(attributes),
        notes=members.notes,
        gone=members.gone,
    )
    if members.frozen is not None:
        header.frozen.CopyFrom(frozen_messages.frozen_audience(members.frozen))
    return header


def _chunks(members: Members, asked: ListRequest) -> Iterator[bytes]:
    if asked.form == "roaring":
        bitmap = members.roaring()
        # The bitmap is all there is to send: nobody has to wait for the reader.
        members.close()
        yield from bitmap_chunks(bitmap)
    elif asked.attributes:
        for table in members.table(asked.kind or None, asked.attributes):
            yield from table_chunks(table, asked.attributes)
    elif asked.form == "uids":
        for uids in members.uids():
            yield from uid_chunks(uids)
    else:
        for identifiers in members.identifier_batches(asked.kind):
            yield from identifier_chunks(identifiers)
