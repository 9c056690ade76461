"""Bytes that somebody calls Arrow -> sound columns, or a refusal; never anything else.

1. The messages of the stream are walked by their headers: none may be compressed (a few bytes
   could then stand for gigabytes) or claim more rows than a batch has.
2. The schema may hold plain types, dictionaries of strings and lists of strings. Other types are
   refused before their data are looked at: views and runs let few bytes stand for many cells, and
   extensions could bring code of their own.
3. Each column is validated whole: offsets inside their data, in order, UTF-8 where it must be.
4. What a dictionary stands for is measured before it is written out.

Arrow's own words never leave: they name its classes.
"""

from __future__ import annotations

import struct
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import InputInvalid
from engine.limits import BATCH_COLUMN_BYTES, BATCH_ROWS
from server.convert import invalid

__all__ = ["arrow_columns"]

_FIELD = "batch.arrow"
# More columns than this are no batch of updates.
_COLUMNS = 10_000
_MESSAGES = 2 + _COLUMNS
# As many digits as the widest decimal has; Arrow itself takes any number for a scale.
_DECIMAL_SCALE = 76

# The union of message headers in Arrow's Message.fbs, and places in its tables.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_MESSAGE_HEADER_TYPE, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA = 1
_BATCH_LENGTH, _BATCH_COMPRESSION = 0, 3


def arrow_columns(raw: bytes) -> tuple[int, dict[str, pa.Array]]:
    """The number of rows and the columns by name; columns without any type are left out.

    InputInvalid for whatever is not one record batch as the contract describes it.
    """
    try:
        _check_headers(raw)
        batch = _read(raw)
    except InputInvalid:
        raise
    except Exception:
        # Foreign bytes: whatever the decoder stumbles over, they are not sound.
        raise invalid(
            _FIELD,
            "is no sound Arrow IPC stream",
            "write it with an Arrow library: a schema and one record batch",
        ) from None
    return batch.num_rows, {
        name: _sound(name, batch.column(place), batch.num_rows)
        for place, name in enumerate(batch.schema.names)
        if not pa.types.is_null(batch.schema.field(place).type)
    }


def _read(raw: bytes) -> pa.RecordBatch:
    options = pa.ipc.IpcReadOptions(
        ensure_alignment=pa.ipc.Alignment.DataTypeSpecific, use_threads=False
    )
    with pa.ipc.open_stream(pa.py_buffer(raw), options=options) as reader:
        _check_schema(reader.schema)
        batches = list(reader)
    if len(batches) != 1:
        raise invalid(
            _FIELD, f"holds {len(batches)} record batches", "send each as a batch of its own"
        )
    (batch,) = batches
    if batch.num_rows > BATCH_ROWS:
        _too_long(batch.num_rows)
    return batch


def _check_headers(raw: bytes) -> None:
    """Walks the messages; refuses compressed ones and those that claim too much."""
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(pa.py_buffer(raw))):
        if number > _MESSAGES:
            raise invalid(_FIELD, "holds too many messages", "send one record batch")
        _check_header(memoryview(message.metadata))


def _check_header(header: memoryview) -> None:
    root = struct.unpack_from("<I", header)[0]
    kind_at = _slot(header, root, _MESSAGE_HEADER_TYPE)
    kind = header[kind_at] if kind_at is not None else 0
    if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH):
        return
    table = _child(header, root, _MESSAGE_HEADER)
    if kind == _DICTIONARY_BATCH:
        table = _child(header, table, _DICTIONARY_DATA)
    elif (length_at := _slot(header, table, _BATCH_LENGTH)) is not None:
        (length,) = struct.unpack_from("<q", header, length_at)
        if length > BATCH_ROWS:
            _too_long(length)
    if _slot(header, table, _BATCH_COMPRESSION) is not None:
        raise invalid(_FIELD, "is compressed", "write it without compression")


def _slot(header: memoryview, table: int, place: int) -> int | None:
    """Where a field of a flatbuffers table lies; None where it has its default.

    The layout is that of the FlatBuffers internals: a table begins with the distance back to its
    vtable, which has its own size, the table's, and the distance of each field.
    """
    (back,) = struct.unpack_from("<i", header, table)
    vtable = table - back
    (size,) = struct.unpack_from("<H", header, vtable)
    at = 4 + 2 * place
    if at + 2 > size:
        return None
    (distance,) = struct.unpack_from("<H", header, vtable + at)
    return table + distance if distance else None


def _child(header: memoryview, table: int, place: int) -> int:
    """The table that a field of a table refers to; ValueError where it refers to none."""
    at = _slot(header, table, place)
    if at is None:
        raise ValueError("the header lacks its table")
    distance: int = struct.unpack_from("<I", header, at)[0]
    return at + distance


def _check_schema(schema: pa.Schema) -> None:
    names = schema.names
    if len(names) > _COLUMNS:
        raise invalid(_FIELD, f"has {len(names):,} columns", f"bring at most {_COLUMNS:,}")
    if len(set(names)) < len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise invalid(_FIELD, f"has column {repeated} twice", "bring each column once")
    for name, kind in zip(names, schema.types, strict=True):
        if not _is_plain(kind):
            raise invalid(
                _FIELD,
                f"column {name} has a type that is not taken",
                "convert it to numbers, bools, dates, timestamps, strings or lists of strings",
            )


def _is_plain(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_string(kind.value_type)
    if pa.types.is_dictionary(kind):
        return _is_string(kind.value_type)
    return bool(
        _is_string(kind)
        or pa.types.is_null(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_float32(kind)
        or pa.types.is_float64(kind)
        or (pa.types.is_decimal(kind) and abs(kind.scale) <= _DECIMAL_SCALE)
        or pa.types.is_date(kind)
        # The name of a zone is text of its own, which nothing has looked at so far.
        or (pa.types.is_timestamp(kind) and (kind.tz is None or kind.tz.isprintable()))
    )


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _sound(name: str, column: pa.Array, count: int) -> pa.Array:
    """The column of `count` cells, validated whole, dictionaries written out."""
    try:
        if len(column) != count:
            raise ValueError("a column of another length")
        column.validate(full=True)
        if not pa.types.is_dictionary(column.type):
            return column
        # A dictionary lies apart from the array and may be of any soundness.
        column.dictionary.validate(full=True)
        if _written_bytes(column) > BATCH_COLUMN_BYTES:
            raise invalid(
                _FIELD,
                f"column {name} stands for more than {BATCH_COLUMN_BYTES >> 20} MiB of strings",
                "send fewer records at a time",
            )
        return column.dictionary_decode()
    except InputInvalid:
        raise
    except Exception:
        raise invalid(
            _FIELD, f"column {name} is damaged: its parts do not fit each other"
        ) from None


def _written_bytes(column: pa.DictionaryArray) -> int:
    lengths = pc.binary_length(column.dictionary)
    if lengths.null_count:
        lengths = pc.fill_null(lengths, 0)
    lengths = np.asarray(lengths).astype(np.int64)
    codes = np.asarray(column.indices.drop_null()).astype(np.int64)
    uses = np.bincount(codes, minlength=len(lengths))
    return int((uses * lengths).sum())


def _too_long(length: int) -> NoReturn:
    raise invalid(_FIELD, f"has {length:,} rows", f"send at most {BATCH_ROWS:,} at a time")
