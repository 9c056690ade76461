"""Chunks of a member list as bytes of ListMembersResponse, without a message for each cell.

protobuf's objects would take longer to fill than the cells take to read. A chunk is cut when it
holds about 256 KiB: large enough that gRPC's cost per message disappears, small enough that a
slow reader holds little memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from engine.columns.uids import UID_BYTES
from server import convert
from server.string_wire import write_strings

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from engine.columns.strings import Strings
    from engine.live.stored_values import AttributeValue
    from engine.members import MemberTable

__all__ = ["CHUNK_BYTES", "bitmap_chunks", "identifier_chunks", "table_chunks", "uid_chunks"]

CHUNK_BYTES = 256 * 1024

# Tags of the fields, all of them delimited by a length: number << 3 | 2.
_RESPONSE_CHUNK = b"\x12"
_CHUNK_UIDS = b"\x12"
_CHUNK_ROARING = b"\x1a"
_CHUNK_COLUMNS = b"\x22"
_COLUMN_ATTRIBUTE = b"\x0a"
_COLUMN_VALUES = b"\x12"
_IDENTIFIERS_FIELD = 1


def uid_chunks(uids: bytes) -> Iterator[bytes]:
    """Uids, 16 bytes each, joined."""
    yield from _byte_chunks(_CHUNK_UIDS, uids)


def bitmap_chunks(bitmap: bytes) -> Iterator[bytes]:
    """A bitmap."""
    yield from _byte_chunks(_CHUNK_ROARING, bitmap)


def _byte_chunks(tag: bytes, content: bytes) -> Iterator[bytes]:
    view = memoryview(content)
    for start in range(0, len(view), CHUNK_BYTES):
        piece = view[start : start + CHUNK_BYTES]
        head = tag + _varint(len(piece))
        yield b"".join((_RESPONSE_CHUNK, _varint(len(head) + len(piece)), head, piece))


def identifier_chunks(identifiers: Strings) -> Iterator[bytes]:
    """Identifiers, of which none is missing."""
    field, ends = write_strings(identifiers, _IDENTIFIERS_FIELD)
    view = memoryview(field)
    for first, last in _cuts(ends):
        yield _response(view[_before(ends, first) : _before(ends, last)])


def table_chunks(table: MemberTable, attributes: Sequence[str]) -> Iterator[bytes]:
    """Identifiers or uids with the attributes of their profiles beside them."""
    columns = [list(map(_encoder(), column)) for column in table.columns]
    if table.identifiers is None:
        entries, ends = table.uids, np.arange(1, len(table.uids) // UID_BYTES + 1) * UID_BYTES
        wrap: Callable[[memoryview], bytes] = partial(_delimited, _CHUNK_UIDS)
    else:
        entries, ends = write_strings(table.identifiers, _IDENTIFIERS_FIELD)
        wrap = bytes
    sizes = np.diff(ends, prepend=0)
    for column in columns:
        sizes = sizes + np.fromiter(map(len, column), np.int64, len(column))
    view = memoryview(entries)
    names = [_delimited(_COLUMN_ATTRIBUTE, name.encode()) for name in attributes]
    for first, last in _cuts(np.cumsum(sizes)):
        body = [wrap(view[_before(ends, first) : _before(ends, last)])]
        for name, column in zip(names, columns, strict=True):
            body.append(_delimited(_CHUNK_COLUMNS, b"".join([name, *column[first:last]])))
        yield _response(b"".join(body))


def _encoder() -> Callable[[AttributeValue | None], bytes]:
    """Makes an entry of a column's values of each cell; what many cells have is made once."""
    made: dict[tuple[type, AttributeValue | None], bytes] = {}

    def encode(cell: AttributeValue | None) -> bytes:
        if isinstance(cell, list):
            return _delimited(_COLUMN_VALUES, convert.value(cell).SerializeToString())
        # Equal values of other types (1, 1.0 and true) are other messages.
        key = type(cell), cell
        encoded = made.get(key)
        if encoded is None:
            raw = convert.value(cell).SerializeToString()
            encoded = made[key] = _delimited(_COLUMN_VALUES, raw)
        return encoded

    return encode


def _cuts(ends: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Stretches (first, last + 1) of entries that end there, each of about one chunk."""
    first = 0
    while first < len(ends):
        room = _before(ends, first) + CHUNK_BYTES
        last = max(int(np.searchsorted(ends, room, side="right")), first + 1)
        yield first, last
        first = last


def _before(ends: NDArray[np.int64], entry: int) -> int:
    """Where an entry begins."""
    return int(ends[entry - 1]) if entry else 0


def _response(chunk: bytes | memoryview) -> bytes:
    return _delimited(_RESPONSE_CHUNK, chunk)


def _delimited(tag: bytes, content: bytes | memoryview) -> bytes:
    return b"".join((tag, _varint(len(content)), content))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
