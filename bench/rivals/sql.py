"""Conditions as SQL over codes and numbers, for the rivals that speak it."""

from __future__ import annotations

from collections.abc import Callable

from bench.data.people import VALUES
from bench.data.scoring import RULES
from bench.questions import AnyOf, Audience, Between, Condition, Has, Scored
from bench.rivals.rival import codes_of

__all__ = ["DAY_US", "by_name", "order_of", "where"]

DAY_US = 86_400_000_000


def where(audience: Audience, has: Callable[[Has], str]) -> str:
    """What follows WHERE; `has` writes the condition of a tag."""
    return " AND ".join(_sql(condition, has) for condition in audience)


def _sql(condition: Condition, has: Callable[[Has], str]) -> str:
    match condition:
        case Has():
            return has(condition)
        case AnyOf(column, _):
            return f"{column} IN ({', '.join(map(str, codes_of(condition)))})"
        case Between(column, low, None):
            return f"{column} >= {low}"
        case Between(column, low, high):
            return f"{column} BETWEEN {low} AND {high}"
        case Scored(threshold):
            points = (
                f"CASE WHEN {_sql(rule, has)} THEN {given} ELSE 0 END" for rule, given in RULES
            )
            return f"{' + '.join(points)} >= {threshold}"
        case _:
            raise AssertionError(f"no condition of one row: {condition}")


def order_of(layout: str) -> str:
    """The order of events in a layout."""
    return "row, time" if layout == "by_person" else "time, row"


def by_name(column: str, rows: list[tuple[int, int]]) -> dict[str | None, int]:
    """Counts by value from counts by code."""
    values = VALUES[column]
    return {values[code] if code < len(values) else None: int(count) for code, count in rows}
