"""Conditions on what is stored of one person, in the units of the data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AnyOf", "Between", "Has", "number_text", "row_text"]


@dataclass(frozen=True, slots=True)
class Has:
    """Who has a tag; who has it not, where `wanted` is False."""

    tag: str
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Whose category is one of the values; nobody without one."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """Whose number lies between `low` and `high`, both included; None is no bound.

    Revenue counts hundredths. Nobody without the number.
    """

    column: str
    low: int
    high: int | None = None


def row_text(condition: Has | AnyOf | Between) -> str:
    """The condition in the language of Strata."""
    match condition:
        case Has(tag, wanted):
            return f"{'' if wanted else 'not '}tag = '{tag}'"
        case AnyOf(column, values):
            return f"{column} in ({', '.join(repr(value) for value in values)})"
        case Between(column, low, None):
            return f"{column} >= {number_text(column, low)}"
        case Between(column, low, high):
            return f"{column} between {number_text(column, low)} and {number_text(column, high)}"


def number_text(column: str, value: int | None) -> str:
    """A number of a column; revenue has two decimals."""
    assert value is not None
    return f"{value // 100}.{value % 100:02}" if column == "revenue" else str(value)
