"""Dictionaries of Arrow kept as such: each value is read once, however many cells have it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conversion.texts import plain_column, strings_of, text_column
from engine.columns.coded import CodedStrings

__all__ = ["coded_strings", "is_coded"]


def is_coded(column: pa.Array) -> bool:
    """Whether the column is a dictionary of strings."""
    if not pa.types.is_dictionary(column.type):
        return False
    kind = column.type.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def coded_strings(column: pa.Array) -> CodedStrings:
    """Such a column as the engine's strings; empty ones are missing. Raises ArrowInvalid where an
    index is beyond the dictionary."""
    indices = column.indices
    if indices.null_count:
        indices = pc.fill_null(pc.cast(indices, pa.int64()), -1)
    values = strings_of(text_column(plain_column(column.dictionary)))
    try:
        return CodedStrings.of(values, np.asarray(indices))
    except ValueError as error:
        raise pa.ArrowInvalid(str(error)) from None
