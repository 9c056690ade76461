"""The names of the structured form: which word of the tree each enum value stands for.

The structured form is message `Expr` of proto/strata/v1/expression.proto, or the same as
plain dicts and lists: protobuf's JSON mapping with the field names of the .proto file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from engine.rules import tree
from engine.rules.literals import CALENDAR_UNITS, UNITS

__all__ = [
    "AGGREGATES",
    "CALENDAR_UNIT_NAMES",
    "CALLS",
    "MATCHES",
    "PROPERTY_AGGREGATES",
    "RELATIONS",
    "STEP_AGGREGATES",
    "UNIT_NAMES",
]

_Word = TypeVar("_Word", bound=str)


def _prefixed(prefix: str, *words: _Word) -> Mapping[_Word, str]:
    """Each word with its enum name: `starts with` becomes `MATCH_KIND_STARTS_WITH`."""
    return {word: f"{prefix}_{word.upper().replace(' ', '_')}" for word in words}


RELATIONS: Final[Mapping[str, str]] = {
    "=": "RELATION_EQUAL",
    "!=": "RELATION_NOT_EQUAL",
    "<": "RELATION_LESS",
    "<=": "RELATION_LESS_OR_EQUAL",
    ">": "RELATION_GREATER",
    ">=": "RELATION_GREATER_OR_EQUAL",
}
MATCHES: Final = _prefixed("MATCH_KIND", "contains", "starts with", "ends with")
CALLS: Final = _prefixed("CALL_FUNCTION", "score", "band", "tier", "bucket")
STEP_AGGREGATES: Final = _prefixed("AGGREGATE_FUNCTION", "count", "days", "first", "last")
PROPERTY_AGGREGATES: Final = _prefixed(
    "AGGREGATE_FUNCTION", "sum", "avg", "min", "max", "distinct", "first_value", "last_value"
)
AGGREGATES: Final[Mapping[str, str]] = {**STEP_AGGREGATES, **PROPERTY_AGGREGATES}
UNIT_NAMES: Final[Mapping[tree.Unit, str]] = _prefixed("UNIT", *UNITS)
CALENDAR_UNIT_NAMES: Final[Mapping[tree.CalendarUnit, str]] = _prefixed(
    "CALENDAR_UNIT", *CALENDAR_UNITS
)
