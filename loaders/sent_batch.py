"""A batch of updates -> the bytes of IngestService: one record batch in an Arrow IPC stream.

The columns are those that proto/strata/v1/ingest.proto lists, in the types that hold the cells
exactly: what the server reads from them is the batch that was written.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from conversion.event_ids import id_parts
from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings
from engine.live.batch import (
    Bools,
    Column,
    EventRows,
    Floats,
    Ints,
    ProfileBatch,
    SetColumn,
    Texts,
)
from engine.model.definitions import Attribute, EventProperty, Model

__all__ = ["sent_batch"]

_UTC = pa.timestamp("us", tz="UTC")


def sent_batch(model: Model, batch: ProfileBatch) -> bytes:
    """The bytes of a batch that a source's Cells made: no `added`, no `removed`, and each record
    an event or none does."""
    columns: dict[str, pa.Array] = {
        f"id:{kind}": _strings(values) for kind, values in batch.identifiers.items()
    }
    for name, cells in batch.attributes.items():
        columns[f"attribute:{name}"] = _cells(model.attributes[name], cells)
        if cells.unset is not None:
            columns[f"unset:{name}"] = pa.array(cells.unset)
    for name, given in batch.sets.items():
        columns[f"attribute:{name}"] = _set(given)
        if given.unset is not None:
            columns[f"unset:{name}"] = pa.array(given.unset)
    if batch.giver is not None:
        columns["giver"] = _strings(batch.giver)
    for rows in batch.events:
        columns.update(_events(model, rows, batch.count))
    whole = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema) as stream:
        stream.write_batch(whole)
    return bytes(sink.getvalue())


def _events(model: Model, rows: EventRows, count: int) -> dict[str, pa.Array]:
    assert len(rows.at) == count, "every record of a source of events is one"
    declared = model.events[rows.event].properties
    columns = {
        "event": pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([rows.event])),
        "event:time": _integers(rows.times, rows.timed).cast(_UTC),
    }
    if rows.ids is not None:
        columns["event:id"] = id_parts(_strings(rows.ids))
    for name, cells in rows.properties.items():
        columns[f"property:{name}"] = _cells(declared[name], cells)
    return columns


def _cells(declared: Attribute | EventProperty, cells: Column) -> pa.Array:
    match cells:
        case Texts():
            return _texts(cells.values)
        case Floats():
            return pa.array(cells.values, mask=~cells.valid)
        case Bools():
            return pa.array(cells.values, mask=~cells.valid)
        case Ints():
            return _numbers(declared, cells)


def _numbers(declared: Attribute | EventProperty, cells: Ints) -> pa.Array:
    match declared.type:
        case "decimal":
            return _decimals(cells, declared.scale or 0)
        case "date":
            return _integers(cells.values, cells.valid).cast(pa.int32()).cast(pa.date32())
        case "time":
            return _integers(cells.values, cells.valid).cast(_UTC)
        case _:
            return _integers(cells.values, cells.valid)


def _integers(values: NDArray[np.int64], valid: NDArray[np.bool_]) -> pa.Array:
    # Whatever stands in a cell that is missing must fit the type that it is cast to.
    return pa.array(np.where(valid, values, 0), mask=~valid)


def _decimals(cells: Ints, scale: int) -> pa.Array:
    """Whole numbers of the last digit, as 128-bit decimals with a point: low word, high word."""
    words = np.empty((len(cells.values), 2), "<i8")
    words[:, 0] = cells.values
    words[:, 1] = cells.values >> 63
    bits = pa.array(cells.valid).buffers()[1] if len(words) else None
    kind = pa.decimal128(38, scale)
    return pa.Array.from_buffers(kind, len(words), [bits, pa.py_buffer(words)])


def _texts(values: Strings | CodedStrings) -> pa.Array:
    if isinstance(values, Strings):
        return _strings(values)
    codes = pa.array(values.codes, mask=values.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, _strings(values.values))


def _strings(values: Strings) -> pa.Array:
    packed = values.compact()
    bits = pa.array(packed.valid).buffers()[1] if len(packed) else None
    buffers = [bits, pa.py_buffer(packed.offsets), pa.py_buffer(packed.data)]
    return pa.Array.from_buffers(pa.large_string(), len(packed), buffers)


def _set(cells: SetColumn) -> pa.Array:
    """Lists of values; an empty one does nothing, as here."""
    values = cells.values.plain() if isinstance(cells.values, CodedStrings) else cells.values
    return pa.LargeListArray.from_arrays(pa.array(cells.offsets), _strings(values))
