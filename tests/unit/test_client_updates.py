"""Updates as the client sends them: each value as what it is, also one that is the default of its
message; what can be no value is refused by its name, and not sent."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from strata.answers import Value
from strata.updates import Event, Update, batch_message
from strata.v1 import ingest_pb2, value_pb2

MICROSECOND = datetime.timedelta(microseconds=1)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _sent(update: Update) -> ingest_pb2.ProfileUpdate:
    (sent,) = batch_message([update]).rows.updates
    return sent


@pytest.mark.parametrize("number", [-(1 << 63), -1, 0, (1 << 63) - 1])
def test_whole_numbers_have_64_bits(number: int) -> None:
    (sent,) = _sent(Update({"member": "m"}, {"size": number})).attributes
    assert sent.value.int_value == number


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        (1 << 63, ValueError, "size: 9223372036854775808 is beyond the 64 bits of a whole number"),
        (-(1 << 63) - 1, ValueError, "size: -9223372036854775809 is beyond the 64 bits"),
        (
            ["a"],
            TypeError,
            "size: ['a'] is no value of an attribute; the values of a set are a tuple",
        ),
        (1j, TypeError, "size: 1j is no value of an attribute"),
    ],
)
def test_what_is_no_value_is_refused_by_name(
    given: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        _sent(Update({"member": "m"}, {"size": given}))
    assert str(caught.value).startswith(message)
    with pytest.raises(kind) as caught:
        _sent(Update({"member": "m"}, events=[Event("order", {"size": given})]))
    assert str(caught.value).startswith(f"order.{message}")


@pytest.mark.parametrize(
    ("given", "kind", "held"),
    [
        ("", "string_value", ""),
        ("金卡", "string_value", "金卡"),
        (False, "bool_value", False),
        (0, "int_value", 0),
        (0.0, "float_value", 0.0),
        (Decimal("1E+2"), "decimal_value", "100"),
        (Decimal("-1.50"), "decimal_value", "-1.50"),
        (datetime.date(1, 1, 1), "date_value", "0001-01-01"),
        (EPOCH, "time_value", Timestamp()),
        (EPOCH - MICROSECOND, "time_value", Timestamp(seconds=-1, nanos=999_999_000)),
        ((), "set_value", value_pb2.StringSet()),
        (("b", "a"), "set_value", value_pb2.StringSet(values=["b", "a"])),
    ],
)
def test_values_are_sent_as_what_they_are(given: Value, kind: str, held: Any) -> None:
    event = Event("order", {"size": given, "other": None})
    sent = _sent(Update({"member": "m"}, {"size": given, "other": None}, events=[event]))
    assert list(sent.unset) == ["other"]
    for named in (*sent.attributes, *sent.events[0].properties):
        assert named.name == "size" and named.value.WhichOneof("kind") == kind
        assert getattr(named.value, kind) == held


def test_times_are_sent_where_they_are_given() -> None:
    plain = _sent(Update({"member": "m"}, events=[Event("order")]))
    assert not plain.HasField("time") and not plain.events[0].HasField("time")
    dated = _sent(Update({"member": "m"}, time=EPOCH, events=[Event("order", time=EPOCH)]))
    assert dated.HasField("time") and dated.events[0].HasField("time")
    with pytest.raises(ValueError, match="needs a time zone"):
        _sent(Update({"member": "m"}, time=EPOCH.replace(tzinfo=None)))
