"""Overlaps and waterfalls over the wire: what is right, and what is refused with the field."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from google.protobuf.message import Message

from strata.client import Client
from strata.errors import StrataError
from strata.overlapping import Segment, Step, overlap, step_members, waterfall
from strata.v1 import audience_pb2 as pb
from strata.v1 import frozen_pb2, overlap_pb2

TEXTS = ["age >= 18", "vip", "城市 = 'Oslo'", "false"]


@pytest.fixture
def client(served: str) -> Iterator[Client]:
    with Client(served) as client:
        yield client


def test_overlaps_agree_with_counts(client: Client) -> None:
    answer = overlap(client, TEXTS)
    counted = client.count_many([*TEXTS, "true"])
    assert [one.count for one in answer.audiences] == [one.count for one in counted[:-1]]
    assert answer.profiles == counted[-1].count
    assert [(one.first, one.second) for one in answer.pairs] == list(combinations(range(4), 2))
    for pair in answer.pairs:
        one, other = (answer.audiences[place] for place in (pair.first, pair.second))
        first, second = TEXTS[pair.first], TEXTS[pair.second]
        assert pair.both == client.count(f"({first}) and ({second})").count
        either = one.count + other.count - pair.both
        assert pair.jaccard == (pair.both / either if either else None)
        product = one.count * other.count
        assert pair.lift == (pair.both * answer.profiles / product if product else None)


def test_a_segment_is_named_or_written(client: Client) -> None:
    answer = overlap(client, [Segment("adults"), "segment('adults')"])
    assert answer.audiences[0] == answer.audiences[1]
    assert answer.pairs[0].jaccard == 1.0


def test_a_waterfall_and_its_lists(client: Client) -> None:
    steps = [Step("vip", 100), Step(Segment("adults")), Step("true")]
    answer = waterfall(client, steps, salt="x")
    listed = [
        list(step_members(client, steps, place, salt="x", identifier_kind="member").entries())
        for place in range(3)
    ]
    assert [one.taken for one in answer.steps] == [len(one) for one in listed]
    assert [one.cap for one in answer.steps] == [100, None, None]
    assert (answer.steps[0].taken, answer.rest) == (100, 0)
    together = [name for one in listed for name in one]
    assert len(together) == len(set(together)) == answer.profiles
    assert {*listed[1]} == {*client.members("age >= 18", identifier_kind="member").entries()} - {
        *listed[0]
    }
    uids = step_members(client, steps, 0, salt="x")
    assert {*uids.entries()} == {*client.members("vip", form="uids", limit=100, salt="x").entries()}


VIP = pb.Audience(expression="vip")
FROZEN = pb.Audience(frozen="old")
STEPS = [pb.StepAudience(audience=VIP)]
STEP = pb.Audience(step=pb.WaterfallStep(steps=STEPS))


def _listed(audience: pb.Audience, **more: object) -> pb.ListMembersRequest:
    return pb.ListMembersRequest(audience=audience, form=pb.MEMBER_FORM_UIDS, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "request_", "field"),
    [
        ("Overlap", pb.OverlapRequest(), "audiences"),
        ("Overlap", pb.OverlapRequest(audiences=[VIP]), "audiences"),
        ("Overlap", pb.OverlapRequest(audiences=[VIP] * 101), "audiences"),
        ("Overlap", pb.OverlapRequest(audiences=[VIP, FROZEN]), "audiences[1]"),
        ("Overlap", pb.OverlapRequest(audiences=[STEP, VIP]), "audiences[0]"),
        ("Overlap", pb.OverlapRequest(audiences=[VIP, pb.Audience()]), "audiences[1]"),
        ("Waterfall", pb.WaterfallRequest(), "steps"),
        ("Waterfall", pb.WaterfallRequest(steps=STEPS * 101), "steps"),
        (
            "Waterfall",
            pb.WaterfallRequest(steps=[*STEPS, pb.StepAudience(audience=VIP, cap=0)]),
            "steps[1].cap",
        ),
        (
            "Waterfall",
            pb.WaterfallRequest(steps=[pb.StepAudience(audience=STEP)]),
            "steps[0].audience",
        ),
        ("Waterfall", pb.WaterfallRequest(steps=[pb.StepAudience()]), "steps[0].audience"),
        ("Count", pb.CountRequest(audience=STEP), "audience"),
        ("ListMembers", _listed(STEP, limit=3), "limit"),
        ("ListMembers", _listed(STEP, order_by="age"), "order_by"),
        ("ListMembers", _listed(STEP, page=pb.Page(size=3)), "page"),
        (
            "ListMembers",
            _listed(pb.Audience(step=pb.WaterfallStep(steps=STEPS, place=1))),
            "audience.step.place",
        ),
        ("ListMembers", _listed(pb.Audience(step=pb.WaterfallStep())), "audience.step.steps"),
    ],
)
def test_what_is_refused(client: Client, call: str, request_: Message, field: str) -> None:
    path = f"/strata.v1.AudienceService/{call}"
    with pytest.raises(StrataError) as caught:
        if call == "ListMembers":
            list(client.transport.many(path, request_, pb.ListMembersResponse))
        else:
            client.transport.one(path, request_, overlap_pb2.OverlapResponse)
    assert caught.value.reason == "INPUT_INVALID"
    assert caught.value.issues[0].field == field


def test_a_step_is_not_frozen(client: Client) -> None:
    with pytest.raises(StrataError) as caught:
        client.transport.one(
            "/strata.v1.FrozenService/Freeze",
            frozen_pb2.FreezeRequest(name="x", audience=STEP),
            frozen_pb2.FreezeResponse,
        )
    assert caught.value.issues[0].field == "audience"
