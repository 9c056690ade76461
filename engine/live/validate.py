"""What a batch may hold, checked once, at the door.

A wrong shape or an unknown name is the caller's fault and refuses the batch. A value that no
attribute can keep is the record's: it refuses that row, with a reason.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.limits import (
    GIVER_BYTES,
    IDENTIFIER_BYTES,
    SET_VALUES_PER_CELL,
    STRING_BYTES,
    TIME_US,
)
from engine.live.batch import ProfileBatch, SetColumn
from engine.live.cell_checks import (
    Refusals,
    check_column,
    check_strings,
    need_length,
    rows_of_bytes,
)
from engine.live.update import NO_TIME
from engine.live.validate_events import check_events
from engine.model.definitions import Attribute, Model

__all__ = ["refusals"]


def refusals(batch: ProfileBatch, model: Model, now_us: int | None = None) -> dict[int, str]:
    """Rows of the batch that cannot be kept, with reasons.

    `now_us` is the clock that events may not be far ahead of; None: this machine's. Raises
    InputInvalid where the batch does not fit the model or its own row count.
    """
    refused = Refusals()
    for kind, identifiers in batch.identifiers.items():
        if kind not in model.identifiers:
            raise InputInvalid(f"the model has no identifier kind {kind}")
        need_length(len(identifiers.valid), batch.count, kind)
        _check_identifiers(kind, identifiers, refused)
    for name, column in batch.attributes.items():
        type_ = _attribute(model, name).type
        check_column("attribute", name, type_, column, batch.count, refused)
    for columns in (batch.sets, batch.removed, batch.added):
        for name, cells in columns.items():
            if _attribute(model, name).type != "set":
                raise InputInvalid(f"attribute {name} is not a set, and the batch brings it as one")
            if cells.unset is not None and columns is not batch.sets:
                raise InputInvalid(f"{name} is unset among values that are added or removed")
            _check_set(name, cells, batch.count, refused)
    if batch.times is not None:
        need_length(len(batch.times), batch.count, "the event time")
        _check_times(batch.times, refused)
    if batch.giver is not None:
        need_length(len(batch.giver.valid), batch.count, "giver")
        check_strings("giver", batch.giver, GIVER_BYTES, refused)
    if batch.events:
        clock_us = time.time_ns() // 1000 if now_us is None else now_us
        check_events(batch.events, batch.count, model, clock_us, refused)
    return refused.reasons


def _attribute(model: Model, name: str) -> Attribute:
    attribute = model.attributes.get(name)
    if attribute is None:
        raise InputInvalid(f"the model has no attribute {name}")
    if attribute.computed is not None:
        raise InputInvalid(f"attribute {name} is computed, and cannot be loaded")
    return attribute


def _check_set(name: str, cells: SetColumn, count: int, refused: Refusals) -> None:
    need_length(len(cells.offsets) - 1, count, name)
    sizes = np.diff(cells.offsets)
    if cells.offsets[0] != 0 or (sizes < 0).any() or cells.offsets[-1] != len(cells.values.valid):
        raise InputInvalid(f"the cells of {name} do not cover its values")
    if not cells.values.valid.all():
        raise InputInvalid(f"{name} has a missing value inside a cell")
    if cells.unset is not None:
        need_length(len(cells.unset), count, name)
    refused.add(
        np.flatnonzero(sizes > SET_VALUES_PER_CELL),
        f"{name} has more than {SET_VALUES_PER_CELL:,} values",
    )
    in_values = Refusals()
    check_strings(name, cells.values, STRING_BYTES, in_values)
    for value, reason in in_values.reasons.items():
        row = int(np.searchsorted(cells.offsets, value, side="right")) - 1
        refused.reasons.setdefault(row, reason)


def _check_times(times: NDArray[np.int64], refused: Refusals) -> None:
    bad = (times != NO_TIME) & ((times < TIME_US[0]) | (times > TIME_US[1]))
    refused.add(np.flatnonzero(bad), "the event time is outside the years 1 to 9999")


def _check_identifiers(kind: str, values: Strings, refused: Refusals) -> None:
    check_strings(kind, values, IDENTIFIER_BYTES, refused)
    data = values.data
    control = (data < 0x20) | (data == 0x7F)
    # U+0080 to U+009F, in UTF-8 the byte C2 and one below A0.
    control[:-1] |= (data[:-1] == 0xC2) & (data[1:] < 0xA0)
    refused.add(rows_of_bytes(values, control), f"{kind} has a control character")
