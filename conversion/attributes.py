"""Columns as cells of an attribute, by the type that the model declares."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pyarrow as pa

from conversion.cell_by_cell import Faults
from conversion.coded import coded_strings, is_coded
from conversion.moments import date_cells, time_cells
from conversion.numbers import bool_cells, decimal_cells, float_cells, int_cells
from conversion.texts import (
    identifier_column,
    plain_column,
    strings_of,
    text_column,
    trimmed,
)
from engine.columns.strings import Strings
from engine.live.batch import Column, Texts
from engine.model.definitions import Attribute, EventProperty

__all__ = ["attribute_cells", "giver_cells", "identifier_cells"]


def attribute_cells(
    declared: Attribute | EventProperty, column: pa.Array, zone: ZoneInfo
) -> tuple[Column, Faults]:
    """A plain column (texts.plain_column) of single cells, or a dictionary of strings, as those of
    any attribute but a set, or of any property of events.

    `zone` is where times without one are. Raises pyarrow's ArrowException for a type that no
    cell can come from.
    """
    if is_coded(column):
        if declared.type == "category":
            return Texts(coded_strings(column)), {}
        column = plain_column(column)
    match declared.type:
        case "category" | "text":
            return Texts(strings_of(text_column(column))), {}
        case "int":
            return int_cells(column)
        case "decimal":
            return decimal_cells(column, declared.scale)
        case "float":
            return float_cells(column)
        case "bool":
            return bool_cells(column)
        case "date":
            return date_cells(column, zone)
        case _:
            return time_cells(column, zone)


def identifier_cells(column: pa.Array) -> tuple[Strings, Faults]:
    """A plain column, or a dictionary of strings, as identifiers."""
    return strings_of(identifier_column(plain_column(column))), {}


def giver_cells(column: pa.Array) -> tuple[Strings, Faults]:
    """A plain column, or a dictionary of strings, as names of givers."""
    return strings_of(trimmed(text_column(plain_column(column)))), {}
