"""Profiles as bytes are those that protobuf writes of messages filled field by field."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.explaining.cards import Card
from engine.explaining.evidence import EvidenceEvent
from engine.explaining.ledgers import Ledger, LedgerLine
from engine.live.profile_event import ProfileEvent
from engine.live.profiles import ProfileRecord
from engine.model.definitions import TAG
from engine.profile_cards import ProfileCard
from server import convert
from server.explaining import ledger_message
from server.profile_wire import batch_response, profile, profile_response
from strata.v1 import profile_pb2, value_pb2

# Lengths about the borders at which a length takes another byte.
texts = st.text(max_size=9) | st.sampled_from([1, 63, 126, 127, 128, 129, 16_380, 16_384]).map(
    lambda size: "行" * (size // 3) + "x" * (size % 3)
)
names = st.text(min_size=1, max_size=5)
instants_us = st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999) | st.sampled_from(
    [0, -1, 1, 999_999, 1_000_000, -1_000_000]
)
whole = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
thousandths = st.integers(-(10**15), 10**15) | st.integers(-1_100, 1_100)
values = st.one_of(
    texts,
    whole,
    st.booleans(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15)),
    st.dates(),
    st.datetimes(timezones=st.just(datetime.UTC)),
)
sets = st.lists(names, max_size=4, unique=True).map(sorted)
named = st.dictionaries(names, values | sets, max_size=5)
events = st.builds(ProfileEvent, names, instants_us, named)
evidence = st.builds(EvidenceEvent, names, instants_us, st.none() | values, st.none() | thousandths)
lines = st.builds(
    LedgerLine,
    st.sampled_from(["when", "each", "floor", "ceiling"]),
    thousandths,
    st.none() | st.integers(0, 300),
    texts,
    st.none() | thousandths,
    st.lists(evidence, max_size=3).map(tuple),
    st.integers(0, 2**33),
)
ledgers = st.builds(Ledger, names, thousandths, st.lists(lines, max_size=4).map(tuple))
records = st.builds(
    ProfileRecord,
    st.binary(min_size=16, max_size=16),
    st.just(0),
    st.dictionaries(names, st.lists(texts, min_size=1, max_size=3), max_size=3),
    st.builds(lambda attributes, tags: attributes | ({TAG: tags} if tags else {}), named, sets),
    st.lists(names, max_size=4),
    st.lists(events, max_size=3),
)
cards = st.builds(
    ProfileCard,
    records,
    st.builds(
        lambda scores, bands, tiers, tags, notes: Card(
            {one.score: one for one in scores},
            dict(zip((one.score for one in scores), bands, strict=False)),
            tiers,
            tuple(tags),
            notes,
        ),
        st.lists(ledgers, max_size=3),
        st.lists(texts, max_size=3),
        st.dictionaries(names, texts, max_size=3),
        sets,
        st.dictionaries(names, texts, max_size=2),
    ),
)


def named_values(given: Mapping[str, Any]) -> list[value_pb2.NamedValue]:
    """Values with their names."""
    return [
        value_pb2.NamedValue(name=name, value=convert.value(value)) for name, value in given.items()
    ]


def message(found: ProfileCard) -> profile_pb2.Profile:
    """A profile, field by field."""
    record, card = found.record, found.card
    return profile_pb2.Profile(
        uid=record.uid,
        identifiers=[
            value_pb2.Identifier(kind=kind, value=value)
            for kind, owned in record.identifiers.items()
            for value in sorted(owned)
        ],
        attributes=named_values({k: v for k, v in record.attributes.items() if k != TAG}),
        tags=sorted({*record.tags, *card.tags}),
        segments=record.segments,
        scores=[
            ledger_message(ledger, card.bands.get(name, "")) for name, ledger in card.scores.items()
        ],
        tiers=[profile_pb2.ProfileTier(tier=tier, name=name) for tier, name in card.tiers.items()],
        notes=[
            profile_pb2.ProfileNote(about=about, reason=reason)
            for about, reason in card.notes.items()
        ],
    )


@given(cards)
def test_a_profile_is_what_protobuf_writes(found: ProfileCard) -> None:
    assert profile(found) == message(found).SerializeToString()


@given(cards)
def test_recent_events_come_behind_it(found: ProfileCard) -> None:
    expected = profile_pb2.GetProfileResponse(
        profile=message(found),
        recent_events=[
            profile_pb2.ProfileEvent(
                type=event.type,
                time=convert.timestamp(event.time_us),
                properties=named_values(event.properties),
            )
            for event in found.record.recent_events
        ],
    )
    assert profile_response(found) == expected.SerializeToString()


@given(st.lists(st.none() | cards, max_size=3))
def test_those_that_nobody_is_have_an_empty_answer(found: list[ProfileCard | None]) -> None:
    expected = profile_pb2.BatchGetProfilesResponse(
        profiles=[
            profile_pb2.BatchProfile(profile=None if one is None else message(one)) for one in found
        ]
    )
    assert batch_response(found) == expected.SerializeToString()


def test_points_have_no_more_digits_than_they_need() -> None:
    said = {0: "0", 5: "0.005", -5: "-0.005", 120: "0.12", -72_500: "-72.5", 100_000: "100"}
    for points, text in said.items():
        raw = profile(
            ProfileCard(ProfileRecord(bytes(16), 0, {}, {}), Card({"s": Ledger("s", points, ())}))
        )
        assert profile_pb2.Profile.FromString(raw).scores[0].points == text
    assert Decimal(said[-72_500]) == Decimal("-72.5")
