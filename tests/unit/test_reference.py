"""The reference evaluator against answers worked out by hand, and against published hashes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.rules import tree
from engine.rules.bind import bind
from engine.rules.parse import parse
from engine.rules.reference import (
    ReferenceContext,
    ReferenceUnsupported,
    bucket,
    evaluate,
    xxh64,
)
from tests.property.bound_evaluator import BoundEvaluation
from tests.unit.bind_model import ATTRIBUTES, SEGMENTS, model

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOW_US = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}
UID = bytes(range(16))
LISTS = {"mine": {UID}, "theirs": {bytes(16)}}


def holds(text: str, profile: dict[str, Any], zone: str = "Asia/Shanghai") -> bool:
    """The answer of the reference, after making sure that binding gives the same."""
    expr = parse(text)
    segments = {name: parse(SEGMENTS[name]) for name in ("adults", "local")}
    context = ReferenceContext(TYPES, ZoneInfo(zone), NOW_US, LISTS, segments)
    answer = evaluate(expr, profile, context, uid=UID)
    bound = bind(expr, model(zone), text=text)
    found = BoundEvaluation(profile, ZoneInfo(zone), NOW_US, UID, LISTS).holds(bound)
    assert found is answer, "the bound tree says otherwise"
    return answer


HOLDS = [
    # A missing value makes every predicate false; `not` is plain negation.
    ("city != 'A'", {"city": "B"}),
    ("not city != 'A'", {"city": "A"}),
    ("not city != 'A'", {}),
    ("not city = 'A'", {}),
    ("city is missing and age is missing and tag is missing", {"tag": set()}),
    ("not (age > 1 or age <= 1 or age not in (5) or age not between 1 and 2)", {}),
    ("not (age not between 5 and size)", {"age": 1}),
    ("not age - age = 0 and not 0 * age = 0", {}),
    # Sets.
    ("tag = 'x' and tag in ('y', 'x') and tag has all ('x', 'z')", {"tag": {"x", "z"}}),
    ("not tag has all ('x', 'y')", {"tag": {"x", "z"}}),
    ("tag contains 'b' and tag starts with 'a' and not tag ends with 'b'", {"tag": {"abc"}}),
    # Strings.
    ("city not in ('a', 'b') and city <> 'a'", {"city": "c"}),
    ("city = region and not city != region", {"city": "a", "region": "a"}),
    ("not city = region and not city != region", {"city": "a"}),
    ("remark not contains '造' and remark starts with '制'", {"remark": "制"}),
    # Numbers are exact, and doubles are doubles.
    ("rev + 0.1 = 0.3", {"rev": Decimal("0.20")}),
    ("not weight + 0.1 = 0.3", {"weight": 0.2}),
    ("weight = 0.1 and weight in (0.1)", {"weight": 0.1}),
    ("age = 9007199254740993 and not age = 9007199254740992", {"age": 2**53 + 1}),
    ("weight = 9007199254740993", {"weight": 2.0**53}),
    ("weight = age", {"weight": 2.0**53, "age": 2**53 + 1}),
    ("age > 9223372036854775806 and age < 1e20", {"age": 2**63 - 1}),
    ("age + age + age > 1e19", {"age": 2**63 - 1}),
    ("4 * rev = 1", {"rev": Decimal("0.25")}),
    # inf - inf is no number, and no comparison holds for it.
    (
        "not weight + weight - weight - weight - 1 * weight + 0 * height = 0",
        {"weight": 1e308, "height": 1.0},
    ),
    (
        "not 10 * weight - 10 * weight != 0 and not 10 * weight - 10 * weight not in (0)",
        {"weight": 1e308},
    ),
    ("not 10 * weight - 10 * weight not between 1 and 2", {"weight": 1e308}),
    ("10 * weight > 1e37", {"weight": 1e308}),
    # Booleans.
    ("vip and vip = true and not listed and vip != listed", {"vip": True, "listed": False}),
    ("not vip and not vip = false and not vip != true", {}),
    # Dates and times in Shanghai.
    ("joined >= date '2026-11-01'", {"joined": datetime(2026, 10, 31, 16, tzinfo=UTC)}),
    ("joined < date '2026-11-01'", {"joined": datetime(2026, 10, 31, 15, 59, 59, tzinfo=UTC)}),
    ("joined = time '2026-11-01T08:00:00'", {"joined": datetime(2026, 11, 1, tzinfo=UTC)}),
    ("joined = time '2026-11-01T08:00:00+08:00'", {"joined": datetime(2026, 11, 1, tzinfo=UTC)}),
    ("joined > now - 1 second and joined <= now", {"joined": NOW}),
    ("now - joined = 1 day and 0.5 * 2 days = now - joined", {"joined": NOW - timedelta(days=1)}),
    (
        "born = date '2026-11-01' and born <= now and born > now - 1 day",
        {"born": date(2026, 11, 1)},
    ),
    ("due - born = 31 days", {"born": date(2026, 3, 1), "due": date(2026, 4, 1)}),
    ("born + 8 hours = time '2026-11-01T00:00:00Z'", {"born": date(2026, 11, 1)}),
    ("born < due", {"born": date(1, 1, 1), "due": date(9999, 12, 31)}),
    (
        "born - 1000 days < now and due + 1000 days > now",
        {"born": date(1, 1, 1), "due": date(9999, 12, 31)},
    ),
    # The rest.
    ("list('mine') and not list('theirs')", {}),
    ("segment('local') and segment('adults')", {"age": 18, "city": "x"}),
    ("not segment('local')", {"age": 17, "city": "x"}),
    ("bucket('exp-42') between 0 and 9999", {}),
    ("true and not false", {}),
]


@pytest.mark.parametrize(("text", "profile"), HOLDS)
def test_holds(text: str, profile: dict[str, Any]) -> None:
    assert holds(text, profile)
    assert not holds(f"not ({text})", profile)


def test_days_in_zones_with_changing_clocks() -> None:
    # Sunday, 29 March 2026 had 23 hours in London; the days between the dates are whole.
    profile = {"born": date(2026, 3, 29), "due": date(2026, 3, 30)}
    assert holds("due - born = 1 day", profile, "Europe/London")
    assert holds("born + 23 hours <= due and born + 23 hours >= due", profile, "Europe/London")
    # Until 1901 clocks in Shanghai were 8:05:43 ahead.
    midnight = datetime(1899, 12, 31, 15, 54, 17, tzinfo=UTC)
    assert holds("joined >= date '1900-01-01'", {"joined": midnight})
    assert holds("joined < date '1900-01-01'", {"joined": midnight - timedelta(microseconds=1)})
    # On 4 November 2018 the day began at one o'clock in São Paulo.
    profile = {"joined": datetime(2018, 11, 4, 3, tzinfo=UTC)}
    assert holds("joined >= date '2018-11-04'", profile, "America/Sao_Paulo")
    assert holds("joined = time '2018-11-04T00:30:00' - 30 minutes", profile, "America/Sao_Paulo")
    profile = {"joined": datetime(2018, 11, 4, 2, 59, 59, tzinfo=UTC)}
    assert holds("joined < date '2018-11-04'", profile, "America/Sao_Paulo")


@pytest.mark.parametrize(
    ("data", "seed", "expected"),
    [
        # From the specification's test program and from python-xxhash's documentation.
        (b"", 0, 0xEF46DB3751D8E999),
        (b"a", 0, 0xD24EC4F1A98C6E5B),
        (b"abc", 0, 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0, 0xFBCEA83C8A378BF1),
        (b"", 2654435761, 0xAC75FDA2929B17EF),
        (b"xxhash", 0, 0x32DD38952C4BC720),
        (b"xxhash", 20141025, 0xB559B98D844E0635),
    ],
)
def test_published_hashes(data: bytes, seed: int, expected: int) -> None:
    assert xxh64(data, seed) == expected


def test_bucket_is_the_hash_of_the_uid_seeded_by_the_hash_of_the_salt() -> None:
    assert bucket(UID, "实验") == xxh64(UID, xxh64("实验".encode(), 0)) % 10_000
    buckets = {bucket(bytes([at] * 16), "s") for at in range(256)}
    assert len(buckets) > 200 and all(0 <= one < 10_000 for one in buckets)


@pytest.mark.parametrize(
    "text",
    [
        "score('lead') > 1",
        "band('lead') = 'hot'",
        "consent('marketing')",
    ],
)
def test_what_it_cannot_answer_it_refuses(text: str) -> None:
    context = ReferenceContext(TYPES, ZoneInfo("UTC"), NOW_US)
    with pytest.raises(ReferenceUnsupported):
        evaluate(parse(text), {}, context)


def test_a_value_of_another_type_is_a_mistake_of_the_test() -> None:
    context = ReferenceContext(TYPES, ZoneInfo("UTC"), NOW_US)
    with pytest.raises(AssertionError, match="age is no int"):
        evaluate(parse("age > 1"), {"age": "1"}, context)
    with pytest.raises(KeyError):
        evaluate(tree.Presence(tree.Name("cty"), True), {}, context)
