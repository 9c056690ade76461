"""A refusal of what one field says names that field, as the standard's BadRequest too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from strata.v1 import (
    audience_pb2,
    coming_pb2,
    explain_pb2,
    frozen_pb2,
    ingest_pb2,
    profile_pb2,
    tier_pb2,
)

ALL: dict[str, Any] = {"audience": {"expression": "true"}}
LISTED = ALL | {"form": audience_pb2.MEMBER_FORM_IDENTIFIERS, "identifier_kind": "member"}
WHO: dict[str, str] = {"kind": "membr", "value": "m1"}
UPDATES: dict[str, Any] = {"updates": [{"identifiers": [{"kind": "member", "value": "m1"}]}] * 2}


def _batch(*offsets: int) -> ingest_pb2.IngestBatchRequest:
    batch: dict[str, Any] = {"rows": UPDATES, "offsets": {"values": offsets}}
    return ingest_pb2.IngestBatchRequest(origin={"source": "crm"}, batch=batch)


REFUSED = [
    ("Audience/Count", audience_pb2.CountRequest(**ALL, group_by="age"), "group_by"),
    ("Audience/Count", audience_pb2.CountRequest(**ALL, group_by="vop"), "group_by"),
    ("Audience/Count", audience_pb2.CountRequest(**ALL, group_by="score('x')"), "group_by"),
    (
        "Audience/ListMembers",
        audience_pb2.ListMembersRequest(**LISTED, order_by="interests", limit=3),
        "order_by",
    ),
    (
        "Audience/ListMembers",
        audience_pb2.ListMembersRequest(**LISTED, order_by="agee", limit=3),
        "order_by",
    ),
    (
        "Audience/ListMembers",
        audience_pb2.ListMembersRequest(**LISTED | {"identifier_kind": "membr"}),
        "identifier_kind",
    ),
    *(
        (
            "Audience/ListMembers",
            audience_pb2.ListMembersRequest(**LISTED, order_by=order, limit=3),
            "order_by",
        )
        for order in ("'x'", "3", "now", "band('x')", "bucket(")
    ),
    (
        "Audience/Flow",
        tier_pb2.FlowRequest(tier="x", **{"from": {"seconds": 2}, "to": {"seconds": 1}}),
        "from",
    ),
    ("Audience/Flow", tier_pb2.FlowRequest(tier="x", **{"from": {"seconds": 1}}), "tier"),
    ("Model/Refresh", tier_pb2.RefreshRequest(tiers=["x"]), "tiers"),
    ("Frozen/Freeze", frozen_pb2.FreezeRequest(name=" x", **ALL), "name"),
    ("Frozen/Freeze", frozen_pb2.FreezeRequest(name="x", made_by="x" * 201, **ALL), "made_by"),
    (
        "Frozen/Freeze",
        frozen_pb2.FreezeRequest(name="x", expires_at={"seconds": 1}, **ALL),
        "expires_at",
    ),
    ("Frozen/GetFrozen", frozen_pb2.GetFrozenRequest(name="x"), "name"),
    ("Frozen/DropFrozen", frozen_pb2.DropFrozenRequest(name="x"), "name"),
    ("Audience/Count", audience_pb2.CountRequest(audience={"frozen": ""}), "audience.frozen"),
    ("Audience/Count", audience_pb2.CountRequest(audience={"frozen": "x"}), "audience"),
    ("Audience/Count", audience_pb2.CountRequest(**ALL, among_frozen="x"), "among_frozen"),
    (
        "Audience/CountMany",
        audience_pb2.CountManyRequest(audiences=[ALL["audience"], {"tree": {}}]),
        "audiences[1].tree.nodes",
    ),
    ("Profile/GetProfile", profile_pb2.GetProfileRequest(identifier=WHO), "identifier"),
    *(
        (path, message(identifier={"kind": "member"}), "identifier.value")
        for path, message in (
            ("Profile/GetProfile", profile_pb2.GetProfileRequest),
            ("Profile/ListEvents", profile_pb2.ListEventsRequest),
            ("Profile/NextChange", coming_pb2.NextChangeRequest),
            ("Audience/Explain", explain_pb2.ExplainRequest),
        )
    ),
    (
        "Profile/BatchGetProfiles",
        profile_pb2.BatchGetProfilesRequest(
            identifiers=[{"kind": "member", "value": "m1"}, {"kind": "member"}]
        ),
        "identifiers[1].value",
    ),
    (
        "Profile/ListEvents",
        profile_pb2.ListEventsRequest(identifier={"kind": "member", "value": "m1"}, types=["x"]),
        "types",
    ),
    ("Ingest/IngestBatch", _batch(1), "batch.offsets"),
    ("Ingest/IngestBatch", _batch(2, 1), "batch.offsets"),
]


@pytest.mark.parametrize(("path", "request_", "field"), REFUSED)
def test_the_field_is_named(
    path: str, request_: Any, field: str, served: str, connect: Callable[[str], grpc.Channel]
) -> None:
    service, method = path.split("/")
    full = f"/strata.v1.{service}Service/{method}"
    channel = connect(served)
    raw = request_.SerializeToString()
    with pytest.raises(grpc.RpcError) as caught:
        if method.startswith("ListM"):
            list(channel.unary_stream(full)(raw))
        else:
            channel.unary_unary(full)(raw)
    status = rpc_status.from_call(caught.value)
    found = error_details_pb2.BadRequest()
    assert any(detail.Unpack(found) for detail in status.details), caught.value
    assert [one.field for one in found.field_violations] == [field]
    assert found.field_violations[0].description in (caught.value.details() or "")
