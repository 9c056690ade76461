"""Columns of a file as ids of events: one column, or several that make an id between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from conversion.cell_by_cell import Faults
from conversion.texts import strings_of, valid_cells
from engine.columns.strings import Strings

__all__ = ["event_id_cells", "id_parts", "joined_ids"]

# Between the parts of an id; no part has it, because control characters are refused.
_BETWEEN = "\x1f"
_CONTROL = r"[\x00-\x1f\x7f]"


def event_id_cells(parts: Sequence[pa.Array]) -> tuple[Strings, Faults]:
    """Columns of identifiers (texts.identifier_column) as one id for each record.

    A part may be missing, but not all: a record without an id, where its source says that there is
    one, would be another event each time it is loaded.
    """
    there = np.zeros(len(parts[0]), np.bool_)
    faults: Faults = {}
    for part in parts:
        there |= valid_cells(part)
        if _has_control(part):
            bad = np.asarray(pc.fill_null(pc.match_substring_regex(part, _CONTROL), False))
            told = "an id has no control characters"
            faults.update(dict.fromkeys(np.flatnonzero(bad).tolist(), told))
    missing = dict.fromkeys(np.flatnonzero(~there).tolist(), "the id is empty")
    whole = parts[0]
    if len(parts) > 1:
        whole = pc.binary_join_element_wise(
            *parts, _BETWEEN, null_handling="replace", null_replacement=""
        )
    return strings_of(whole), faults | missing


def joined_ids(lists: pa.Array) -> pa.Array:
    """Lists of the parts of an id as one id each, as event_id_cells makes them; a list whose parts
    are all empty has none. A part is a string as it stands."""
    flat = pc.fill_null(pc.list_flatten(lists).cast(pa.string()), "")
    lengths = pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int32())
    ends = np.append(np.int32(0), np.cumsum(np.asarray(lengths), dtype=np.int32))
    whole = pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), flat), _BETWEEN)
    nothing = pc.equal(pc.ascii_trim(whole, _BETWEEN), "")
    return pc.if_else(nothing, pa.scalar(None, pa.string()), whole)


def id_parts(ids: pa.Array) -> pa.Array:
    """Ids of event_id_cells as lists of their parts; the other way round of joined_ids."""
    return pc.split_pattern(ids, _BETWEEN)


def _has_control(part: pa.Array) -> bool:
    data = part.buffers()[2] if len(part) else None
    if data is None:
        return False
    content = np.frombuffer(data, np.uint8)
    return bool(((content < 0x20) | (content == 0x7F)).any())
