"""Between messages of the wire and values of the engine."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from engine.errors import ExpressionInvalid, InputInvalid, Issue
from engine.rules import tree
from engine.rules.structured import from_structured, to_structured
from strata.v1 import audience_pb2, expression_pb2, profile_pb2, value_pb2

if TYPE_CHECKING:
    from engine.audience import CountResult
    from engine.live.profile_event import ProfileEvent

__all__ = [
    "as_of_us",
    "definition",
    "expr_message",
    "expr_tree",
    "frozen_name",
    "identifier",
    "invalid",
    "profile_event",
    "timestamp",
    "value",
    "write_size",
]

# The first instant of year 1 and the last microsecond of year 9999, as Timestamp bounds them.
LEAST_S = -62_135_596_800
MOST_S = 253_402_300_799
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)


def invalid(field: str, message: str, hint: str = "") -> InputInvalid:
    """The refusal of one field of a request."""
    issue = Issue(message, where=field, hint=hint)
    return InputInvalid(str(issue), issues=(issue,))


def identifier(given: value_pb2.Identifier, field: str = "identifier") -> tuple[str, str]:
    """The kind and value of what finds a profile; InputInvalid where the value is empty, which no
    profile can own. `field` is its place in the request."""
    if not given.value:
        raise invalid(f"{field}.value", "is empty", "give a value of the kind")
    return given.kind, given.value


def as_of_us(stamp: Timestamp | None, field: str = "as_of") -> int | None:
    """An instant in microseconds from 1970, cut down; None stays None (the clock). `field` is its
    place in the request."""
    if stamp is None:
        return None
    if not (LEAST_S <= stamp.seconds <= MOST_S and 0 <= stamp.nanos < 1_000_000_000):
        raise invalid(field, "is no instant", "give a time in the years 1 to 9999")
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


def timestamp(instant_us: int) -> Timestamp:
    """A message for an instant in microseconds from 1970."""
    stamp = Timestamp()
    _write_us(instant_us, stamp)
    return stamp


def _write_us(microseconds: int, message: Timestamp | Duration) -> None:
    """Writes an instant, in microseconds from 1970, or a time that is not negative into a message,
    in place."""
    message.seconds, rest_us = divmod(microseconds, 1_000_000)
    message.nanos = rest_us * 1000


def definition(audience: audience_pb2.Audience, field: str) -> str | tree.Expr:
    """The expression that an audience means; `field` is its place in the request."""
    form = audience.WhichOneof("definition")
    if form == "expression":
        return audience.expression
    if form == "tree":
        try:
            return expr_tree(audience.tree)
        except ExpressionInvalid as error:
            issues = (replace(one, where=f"{field}.tree.{one.where}") for one in error.issues)
            raise ExpressionInvalid(*issues) from None
    if form == "segment":
        return tree.Segment(audience.segment)
    if form == "frozen":
        raise invalid(field, "is a frozen audience, which this call does not take")
    if form == "step":
        raise invalid(field, "is a step of a waterfall, which this call does not take")
    raise invalid(field, "is missing", "give an expression, a tree or the name of a segment")


def frozen_name(audience: audience_pb2.Audience) -> str | None:
    """The name of the frozen audience that an audience means; None where it means another."""
    return audience.frozen if audience.WhichOneof("definition") == "frozen" else None


def expr_tree(message: expression_pb2.Expr) -> tree.Expr:
    """The tree of an Expr message; ExpressionInvalid where it is none."""
    return from_structured(json_format.MessageToDict(message, preserving_proto_field_name=True))


def expr_message(expression: tree.Expr) -> expression_pb2.Expr:
    """The Expr message of a tree."""
    return json_format.ParseDict(to_structured(expression), expression_pb2.Expr())


def write_size(result: CountResult, size: audience_pb2.AudienceSize) -> None:
    """Writes a count into an empty message, in place, which takes a fifth of making one."""
    size.expression = result.expression
    size.count = result.count
    _write_us(result.as_of_us, size.as_of)
    size.data_version = result.data_version
    for node in result.nodes or ():
        size.nodes.add(text=node.text, depth=node.depth, count=node.count)
    if result.groups:
        for name, count in ranked(result.groups):
            size.groups.add(value=name, count=count)
    size.waiting = result.waiting
    if result.read_as_of_today:
        size.read_as_of_today.extend(result.read_as_of_today)
    if result.notes:
        size.notes.extend(result.notes)
    size.gone = result.gone
    _write_us(result.elapsed_us, size.elapsed)


def ranked(groups: dict[str | None, int]) -> Iterable[tuple[str | None, int]]:
    """Groups as the contract orders them: largest first, then by value, the nameless last."""
    return sorted(groups.items(), key=lambda item: (item[0] is None, -item[1], item[0] or ""))


def value(given: Any) -> value_pb2.Value:
    """The message of an attribute's value; of None, one with no kind set."""
    match given:
        case None:
            return value_pb2.Value()
        case bool():
            return value_pb2.Value(bool_value=given)
        case int():
            return value_pb2.Value(int_value=given)
        case float():
            return value_pb2.Value(float_value=given)
        case str():
            return value_pb2.Value(string_value=given)
        case Decimal():
            return value_pb2.Value(decimal_value=f"{given:f}")
        case datetime.datetime():
            return value_pb2.Value(time_value=timestamp((given - EPOCH) // MICROSECOND))
        case datetime.date():
            return value_pb2.Value(date_value=given.isoformat())
        case _:
            return value_pb2.Value(set_value=value_pb2.StringSet(values=sorted(given)))


def _named_value(name: str, given: Any) -> value_pb2.NamedValue:
    """The message of a value with its name; of short strings and flags, which come again and again,
    it is made once."""
    if isinstance(given, bool) or (isinstance(given, str) and len(given) <= _SHORT):
        return _known_value(name, given)
    return value_pb2.NamedValue(name=name, value=value(given))


# Names of categories; texts are longer, and no two alike.
_SHORT = 64


@lru_cache(maxsize=4096)
def _known_value(name: str, given: str | bool) -> value_pb2.NamedValue:
    return value_pb2.NamedValue(name=name, value=value(given))


def profile_event(event: ProfileEvent) -> profile_pb2.ProfileEvent:
    """The message of an event."""
    return profile_pb2.ProfileEvent(
        type=event.type,
        time=timestamp(event.time_us),
        properties=[_named_value(name, given) for name, given in event.properties.items()],
    )
