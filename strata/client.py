"""The client: typed calls, plain answers.

with Client("127.0.0.1:7411") as client:
    print(client.count("city = 'Oslo'").count)
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from google.protobuf import json_format

from strata import answers, messages
from strata.member_list import MemberList
from strata.updates import Update, batch_message
from strata.v1 import (
    admin_pb2,
    audience_pb2,
    frozen_pb2,
    ingest_pb2,
    list_pb2,
    model_pb2,
    profile_pb2,
    value_pb2,
)

if TYPE_CHECKING:
    from strata.transport import Transport

__all__ = ["Client", "MemberList"]

# The listings that come in pages.
_PagedRequest = (
    frozen_pb2.ListFrozenRequest | list_pb2.ListListsRequest | profile_pb2.ListEventsRequest
)
_PagedResponse = TypeVar(
    "_PagedResponse",
    frozen_pb2.ListFrozenResponse,
    list_pb2.ListListsResponse,
    profile_pb2.ListEventsResponse,
)

# Enough values per message that its cost disappears, few enough for a message of text.
UPLOAD_VALUES = 10_000

FORMS = {
    "identifiers": audience_pb2.MEMBER_FORM_IDENTIFIERS,
    "uids": audience_pb2.MEMBER_FORM_UIDS,
    "roaring": audience_pb2.MEMBER_FORM_ROARING,
}


def _over_grpc(address: str, timeout_s: float | None) -> Transport:
    # gRPC takes as long to import as the rest, and a store opened in process has no use for it.
    from strata.transport import GrpcTransport

    return GrpcTransport(address, timeout_s)


class Client:
    """Calls one server. Every method raises StrataError; instants need a time zone.

    Reads that take `min_offset` wait until the data contain that offset of an acknowledgement.

    `timeout_s` bounds each call as a whole, None waits as long as the server works. Calls may
    be made from several threads.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:7411",
        *,
        timeout_s: float | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._transport = transport or _over_grpc(address, timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def transport(self) -> Transport:
        """What carries the calls, for the modules beside this one."""
        return self._transport

    def close(self) -> None:
        """Closes the connection."""
        self._transport.close()

    def count(
        self,
        expression: str | answers.Frozen,
        *,
        as_of: datetime.datetime | None = None,
        nodes: bool = False,
        group_by: str | None = None,
        among: answers.Frozen | None = None,
        min_offset: int = 0,
    ) -> answers.CountAnswer:
        """The exact number of profiles for which an expression holds, with `among` only those of a
        frozen audience; or of those of a frozen audience that are still profiles, which takes no
        nodes, and an instant only beside a `group_by`."""
        response = self._transport.one(
            "/strata.v1.AudienceService/Count",
            audience_pb2.CountRequest(
                audience=_audience(expression),
                as_of=messages.timestamp(as_of),
                include_nodes=nodes,
                group_by=group_by or "",
                among_frozen=among.name if among is not None else "",
                min_offset=min_offset,
            ),
            audience_pb2.CountResponse,
        )
        return messages.count_answer(response.size)

    def count_many(
        self,
        expressions: Sequence[str],
        *,
        as_of: datetime.datetime | None = None,
        nodes: bool = False,
        min_offset: int = 0,
    ) -> list[answers.CountAnswer]:
        """The counts of many expressions, in order, at one instant and data version."""
        response = self._transport.one(
            "/strata.v1.AudienceService/CountMany",
            audience_pb2.CountManyRequest(
                audiences=[audience_pb2.Audience(expression=text) for text in expressions],
                as_of=messages.timestamp(as_of),
                include_nodes=nodes,
                min_offset=min_offset,
            ),
            audience_pb2.CountManyResponse,
        )
        return [messages.count_answer(size) for size in response.sizes]

    def members(
        self,
        expression: str | answers.Frozen,
        *,
        form: str = "identifiers",
        identifier_kind: str = "",
        attributes: Sequence[str] = (),
        as_of: datetime.datetime | None = None,
        limit: int | None = None,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
        page: tuple[int, int] | None = None,
        min_offset: int = 0,
    ) -> MemberList:
        """The profiles for which an expression holds, or those of a frozen audience, as a stream.

        `form` is "identifiers" (then `identifier_kind` says which), "uids" or "roaring". `page`,
        of a frozen audience alone, is the first place wanted, from 0, and how many.
        """
        stream = self._transport.many(
            "/strata.v1.AudienceService/ListMembers",
            audience_pb2.ListMembersRequest(
                audience=_audience(expression),
                page=None if page is None else audience_pb2.Page(first=page[0], size=page[1]),
                form=FORMS[form],
                identifier_kind=identifier_kind,
                attributes=attributes,
                as_of=messages.timestamp(as_of),
                limit=limit,
                salt=salt,
                order_by=order_by or "",
                descending=descending,
                min_offset=min_offset,
            ),
            audience_pb2.ListMembersResponse,
        )
        return MemberList(stream)

    def compare(
        self,
        left: str | answers.Frozen,
        right: str | answers.Frozen,
        *,
        as_of: datetime.datetime | None = None,
        min_offset: int = 0,
    ) -> answers.Comparison:
        """How two audiences overlap, each an expression or a frozen audience."""
        response = self._transport.one(
            "/strata.v1.AudienceService/CompareAudiences",
            audience_pb2.CompareAudiencesRequest(
                left=_audience(left),
                right=_audience(right),
                as_of=messages.timestamp(as_of),
                min_offset=min_offset,
            ),
            audience_pb2.CompareAudiencesResponse,
        )
        return answers.Comparison(
            left=response.left,
            right=response.right,
            both=response.both,
            as_of=messages.instant(response.as_of),
            data_version=response.data_version,
        )

    def freeze(
        self,
        name: str,
        expression: str,
        *,
        as_of: datetime.datetime | None = None,
        limit: int | None = None,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
        made_by: str = "",
        expires_at: datetime.datetime | None = None,
        min_offset: int = 0,
    ) -> answers.FrozenAudience:
        """Keeps the members of an expression under a name that is free."""
        response = self._transport.one(
            "/strata.v1.FrozenService/Freeze",
            frozen_pb2.FreezeRequest(
                name=name,
                audience=_audience(expression),
                as_of=messages.timestamp(as_of),
                limit=limit,
                salt=salt,
                order_by=order_by or "",
                descending=descending,
                made_by=made_by,
                expires_at=messages.timestamp(expires_at),
                min_offset=min_offset,
            ),
            frozen_pb2.FreezeResponse,
        )
        return messages.frozen_audience(response.frozen)

    def frozen(self, name: str, *, min_offset: int = 0) -> answers.FrozenAudience:
        """The description of a frozen audience."""
        response = self._transport.one(
            "/strata.v1.FrozenService/GetFrozen",
            frozen_pb2.GetFrozenRequest(name=name, min_offset=min_offset),
            frozen_pb2.GetFrozenResponse,
        )
        return messages.frozen_audience(response.frozen)

    def frozen_audiences(self, *, min_offset: int = 0) -> list[answers.FrozenAudience]:
        """The descriptions of all frozen audiences, in the order of their names."""
        pages = self._pages(
            "/strata.v1.FrozenService/ListFrozen",
            frozen_pb2.ListFrozenRequest(min_offset=min_offset),
            frozen_pb2.ListFrozenResponse,
        )
        return [messages.frozen_audience(one) for page in pages for one in page.frozen]

    def drop_frozen(self, name: str) -> None:
        """Removes a frozen audience."""
        self._transport.one(
            "/strata.v1.FrozenService/DropFrozen",
            frozen_pb2.DropFrozenRequest(name=name),
            frozen_pb2.DropFrozenResponse,
        )

    def format(self, expression: str) -> answers.Formatted:
        """An expression in its canonical text and as a tree."""
        response = self._transport.one(
            "/strata.v1.AudienceService/Format",
            audience_pb2.FormatRequest(expression=expression),
            audience_pb2.FormatResponse,
        )
        tree = json_format.MessageToDict(response.tree, preserving_proto_field_name=True)
        return answers.Formatted(response.expression, tree)

    def profile(
        self,
        identifier_kind: str,
        value: str,
        *,
        as_of: datetime.datetime | None = None,
        min_offset: int = 0,
    ) -> answers.Profile:
        """The profile that owns an identifier (of kind "uid": 32 hexadecimal digits), with its
        last events, now or at another instant."""
        response = self._transport.one(
            "/strata.v1.ProfileService/GetProfile",
            profile_pb2.GetProfileRequest(
                identifier=value_pb2.Identifier(kind=identifier_kind, value=value),
                as_of=messages.timestamp(as_of),
                min_offset=min_offset,
            ),
            profile_pb2.GetProfileResponse,
        )
        return messages.profile(response.profile, response, response.recent_events)

    def profiles(
        self,
        identifiers: Sequence[tuple[str, str]],
        *,
        as_of: datetime.datetime | None = None,
        min_offset: int = 0,
    ) -> list[answers.Profile | None]:
        """The profiles that own (kind, value) pairs, now or at another instant, in order; None
        where nobody does today."""
        response = self._transport.one(
            "/strata.v1.ProfileService/BatchGetProfiles",
            profile_pb2.BatchGetProfilesRequest(
                identifiers=[value_pb2.Identifier(kind=k, value=v) for k, v in identifiers],
                as_of=messages.timestamp(as_of),
                min_offset=min_offset,
            ),
            profile_pb2.BatchGetProfilesResponse,
        )
        return [
            messages.profile(one.profile, response) if one.HasField("profile") else None
            for one in response.profiles
        ]

    def events(
        self,
        identifier_kind: str,
        value: str,
        *,
        types: Sequence[str] = (),
        since: datetime.datetime | None = None,
        until: datetime.datetime | None = None,
        as_of: datetime.datetime | None = None,
        page_size: int = 0,
        min_offset: int = 0,
    ) -> Iterator[answers.ProfileEvent]:
        """What the profile that owns an identifier did, the latest first, page by page as they
        are read; without types all of them, from `since` on and before `until`."""
        pages = self._pages(
            "/strata.v1.ProfileService/ListEvents",
            profile_pb2.ListEventsRequest(
                identifier=value_pb2.Identifier(kind=identifier_kind, value=value),
                types=types,
                since=messages.timestamp(since),
                until=messages.timestamp(until),
                as_of=messages.timestamp(as_of),
                page_size=page_size,
                min_offset=min_offset,
            ),
            profile_pb2.ListEventsResponse,
        )
        return (messages.profile_event(one) for page in pages for one in page.events)

    def ingest_batch(
        self,
        updates: Iterable[Update] | bytes,
        *,
        source: str,
        partition: str = "",
        owner_epoch: int = 0,
        first_offset: int | None = None,
        offsets: Sequence[int] | None = None,
        giver: str = "",
    ) -> answers.BatchAck:
        """Writes one batch: updates, or the bytes of Arrow as the contract describes them.

        With numbers (`first_offset`, or `offsets`) a batch that is sent twice is taken once. For
        many batches see strata.ingesting.Ingestor.
        """
        response = self._transport.one(
            "/strata.v1.IngestService/IngestBatch",
            ingest_pb2.IngestBatchRequest(
                origin=ingest_pb2.Origin(
                    source=source, partition=partition, owner_epoch=owner_epoch
                ),
                batch=batch_message(
                    updates, first_offset=first_offset, offsets=offsets, giver=giver
                ),
            ),
            ingest_pb2.IngestBatchResponse,
        )
        return messages.batch_ack(response.ack)

    def upload_list(
        self, name: str, identifier_kind: str, values: Iterable[str]
    ) -> answers.UploadedList:
        """Stores a list of identifiers under a name, in place of any list of that name."""
        response = self._transport.gather(
            "/strata.v1.ListService/UploadList",
            _upload(name, identifier_kind, values),
            list_pb2.UploadListResponse,
        )
        return messages.uploaded_list(response.list, response.ignored)

    def lists(self, *, min_offset: int = 0) -> list[answers.UploadedList]:
        """Every uploaded list, in the order of their names."""
        pages = self._pages(
            "/strata.v1.ListService/ListLists",
            list_pb2.ListListsRequest(min_offset=min_offset),
            list_pb2.ListListsResponse,
        )
        return [messages.uploaded_list(one) for page in pages for one in page.lists]

    def delete_list(self, name: str) -> None:
        """Removes an uploaded list."""
        self._transport.one(
            "/strata.v1.ListService/DeleteList",
            list_pb2.DeleteListRequest(name=name),
            list_pb2.DeleteListResponse,
        )

    def apply_model(
        self, files: Mapping[str, str], *, validate_only: bool = False
    ) -> answers.ModelChange:
        """Puts a model (file name -> YAML text) in force, or only checks it."""
        response = self._transport.one(
            "/strata.v1.ModelService/ApplyModel",
            model_pb2.ApplyModelRequest(
                files=[model_pb2.ModelFile(name=n, text=t) for n, t in files.items()],
                validate_only=validate_only,
            ),
            model_pb2.ApplyModelResponse,
        )
        return answers.ModelChange(
            version=response.version,
            changed=response.changed,
            added_keys=tuple(response.added_keys),
            removed_keys=tuple(response.removed_keys),
            changed_keys=tuple(response.changed_keys),
            not_yet_keys=tuple(response.not_yet_keys),
            changes=tuple(map(messages.definition_change, response.changes)),
        )

    def plan_model(self, files: Mapping[str, str]) -> answers.ModelPlan:
        """What putting a model in force would do, exactly; nothing is changed."""
        response = self._transport.one(
            "/strata.v1.ModelService/PlanModel",
            model_pb2.PlanModelRequest(
                files=[model_pb2.ModelFile(name=n, text=t) for n, t in files.items()]
            ),
            model_pb2.PlanModelResponse,
        )
        return answers.ModelPlan(
            added_keys=tuple(response.added_keys),
            removed_keys=tuple(response.removed_keys),
            changed_keys=tuple(response.changed_keys),
            changes=tuple(map(messages.definition_change, response.changes)),
        )

    def model(self) -> answers.ModelText:
        """The model in force."""
        response = self._transport.one(
            "/strata.v1.ModelService/GetModel",
            model_pb2.GetModelRequest(),
            model_pb2.GetModelResponse,
        )
        files = {file.name: file.text for file in response.files}
        return answers.ModelText(response.version, files, response.time_zone)

    def verify(self) -> answers.Verified:
        """Reads and checks every stored record."""
        response = self._transport.one(
            "/strata.v1.AdminService/Verify", admin_pb2.VerifyRequest(), admin_pb2.VerifyResponse
        )
        return answers.Verified(
            data_version=response.data_version,
            record_count=response.record_count,
            payload_bytes=response.payload_bytes,
            faults=tuple(response.faults),
        )

    def checkpoint(self) -> int:
        """Saves what is visible, so that an opening has nothing to replay; the data version."""
        return self._transport.one(
            "/strata.v1.AdminService/Checkpoint",
            admin_pb2.CheckpointRequest(),
            admin_pb2.CheckpointResponse,
        ).data_version

    def stats(self) -> dict[str, int]:
        """Sizes and counts of the store, by name."""
        response = self._transport.one(
            "/strata.v1.AdminService/Stats", admin_pb2.StatsRequest(), admin_pb2.StatsResponse
        )
        return dict(sorted(response.figures.items()))

    def _pages(
        self, path: str, request: _PagedRequest, answer: type[_PagedResponse]
    ) -> Iterator[_PagedResponse]:
        """Every page of one listing, in order."""
        while True:
            page = self._transport.one(path, request, answer)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


def _audience(given: str | answers.Frozen) -> audience_pb2.Audience:
    if isinstance(given, answers.Frozen):
        return audience_pb2.Audience(frozen=given.name)
    return audience_pb2.Audience(expression=given)


def _upload(
    name: str, identifier_kind: str, values: Iterable[str]
) -> Iterator[list_pb2.UploadListRequest]:
    yield list_pb2.UploadListRequest(
        header=list_pb2.UploadListHeader(name=name, identifier_kind=identifier_kind)
    )
    batch: list[str] = []
    for value in values:
        batch.append(value)
        if len(batch) == UPLOAD_VALUES:
            yield list_pb2.UploadListRequest(chunk=list_pb2.UploadListChunk(values=batch))
            batch = []
    if batch:
        yield list_pb2.UploadListRequest(chunk=list_pb2.UploadListChunk(values=batch))
