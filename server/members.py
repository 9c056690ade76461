"""Member lists: what a request asks for, and the answer as a header and chunks.

A chunk is cut when it holds about 256 KiB: large enough that gRPC's cost per message
disappears, small enough that a slow reader holds little memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.core.control import Control
from engine.errors import InputInvalid
from engine.nearest import nearest
from engine.rules import tree
from server import convert
from strata.v1 import audience_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database
    from engine.members import Members

__all__ = ["CHUNK_BYTES", "ListRequest", "pieces"]

CHUNK_BYTES = 256 * 1024

FORMS = {
    pb.MEMBER_FORM_IDENTIFIERS: "identifiers",
    pb.MEMBER_FORM_UIDS: "uids",
    pb.MEMBER_FORM_ROARING: "roaring",
}


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A ListMembersRequest whose fields fit together."""

    definition: str | tree.Expr
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
        return cls(
            definition=convert.definition(request.audience, "audience"),
            form=form,
            kind=request.identifier_kind,
            attributes=tuple(request.attributes),
            as_of_us=convert.as_of_us(request.as_of if request.HasField("as_of") else None),
            limit=limit,
            salt=request.salt,
            order_by=request.order_by or None,
            descending=request.descending,
        )


def pieces(
    database: Database, asked: ListRequest, control: Control
) -> Generator[pb.ListMembersResponse, None, None]:
    """The answer, message by message: the first step evaluates, each later one reads a chunk."""
    _check_names(database, asked)
    members = database.members(
        asked.definition,
        as_of_us=asked.as_of_us,
        limit=asked.limit,
        salt=asked.salt,
        order_by=asked.order_by,
        descending=asked.descending,
        control=control,
    )
    with members:
        yield pb.ListMembersResponse(header=_header(members))
        for chunk in _chunks(members, asked):
            control.check()
            yield pb.ListMembersResponse(chunk=chunk)


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


def _header(members: Members) -> pb.MembersHeader:
    return pb.MembersHeader(
        expression=members.expression,
        matched=members.matched,
        listed=members.count,
        as_of=convert.timestamp(members.as_of_us),
        data_version=members.data_version,
        row_epoch=members.row_epoch,
        waiting=members.waiting,
        read_as_of_today=members.read_as_of_today,
    )


def _chunks(members: Members, asked: ListRequest) -> Iterator[pb.MembersChunk]:
    if asked.form == "roaring":
        bitmap = memoryview(members.roaring())
        for start in range(0, len(bitmap), CHUNK_BYTES):
            yield pb.MembersChunk(roaring=bytes(bitmap[start : start + CHUNK_BYTES]))
    elif asked.attributes:
        yield from _with_attributes(members, asked)
    elif asked.form == "uids":
        for uids in members.uids():
            for start in range(0, len(uids), CHUNK_BYTES):
                yield pb.MembersChunk(uids=uids[start : start + CHUNK_BYTES])
    else:
        for values in members.identifiers(asked.kind):
            yield from _identifier_chunks(values)


def _identifier_chunks(values: Sequence[str]) -> Iterator[pb.MembersChunk]:
    """Values cut into chunks by their size on the wire."""
    first, size = 0, 0
    for index, value in enumerate(values):
        # Two bytes for the field's number and length, and at most three per code unit.
        size += 2 + len(value.encode())
        if size >= CHUNK_BYTES:
            yield pb.MembersChunk(identifiers=values[first : index + 1])
            first, size = index + 1, 0
    if first < len(values):
        yield pb.MembersChunk(identifiers=values[first:])


def _with_attributes(members: Members, asked: ListRequest) -> Iterator[pb.MembersChunk]:
    """Chunks of identifiers or uids with the attributes of their profiles beside them."""
    chunk = _empty_chunk(asked)
    for records in members.profiles():
        for record in records:
            values = [convert.value(record.attributes.get(name)) for name in asked.attributes]
            owned = record.identifiers.get(asked.kind, [])
            if not asked.kind:
                chunk.uids += record.uid
            chunk.identifiers.extend(owned)
            for column, value in zip(chunk.columns, values, strict=True):
                column.values.extend([value] * (len(owned) if asked.kind else 1))
            if chunk.ByteSize() >= CHUNK_BYTES:
                yield chunk
                chunk = _empty_chunk(asked)
    if chunk.identifiers or chunk.uids:
        yield chunk


def _empty_chunk(asked: ListRequest) -> pb.MembersChunk:
    return pb.MembersChunk(columns=[pb.MemberColumn(attribute=name) for name in asked.attributes])
