"""Text columns: one string a row, kept and returned, strata_text of layout.h."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.alignment import aligned
from engine.columns.presence import (
    ENTRY_FORMAT,
    Entry,
    encode_presence,
    presence_has,
    read_presence,
)
from engine.columns.splitting import split
from engine.columns.strings import Strings, concat
from engine.columns.zone import Encoded, Zone

__all__ = ["HEAD_BYTES", "Head", "decode_texts", "encode_texts", "read_head", "read_row"]

_HEAD = struct.Struct("<IIIIII" + ENTRY_FORMAT + "II")
HEAD_BYTES = 48
assert _HEAD.size == HEAD_BYTES


class Head(NamedTuple):
    """A strata_text of layout.h without its reserved fields."""

    first_row: int
    row_count: int
    present_count: int
    offsets_offset: int
    bytes_offset: int
    presence: Entry


def encode_texts(texts: Strings) -> Encoded:
    """One string per row, n <= 65536, each at most splitting.MAX_STRING_BYTES of UTF-8."""
    assert len(texts) <= BLOCK_ROWS
    packed = texts.compact()
    parts = [_encode_part(packed, start, stop) for start, stop in split(packed.offsets, 4)]
    return Encoded(tuple(parts), Zone(int(np.count_nonzero(texts.valid))))


def _encode_part(texts: Strings, start: int, stop: int) -> bytes:
    present = np.zeros(stop, np.bool_)
    present[start:] = texts.valid[start:stop]
    entry, container = encode_presence(present, 0)
    first, last = int(texts.offsets[start]), int(texts.offsets[stop])
    presence_at = aligned(HEAD_BYTES, entry.aligned_to)
    offsets_at = presence_at + aligned(len(container), 8)
    bytes_at = offsets_at + 4 * (stop - start + 1)
    out = bytearray(aligned(bytes_at + last - first, 8))
    if container:
        entry = entry._replace(offset=presence_at)
        out[presence_at : presence_at + len(container)] = container
    offsets = (texts.offsets[start : stop + 1] - first).astype(np.uint32)
    out[offsets_at:bytes_at] = offsets.tobytes()
    out[bytes_at : bytes_at + last - first] = texts.data[first:last].tobytes()
    present_count = int(np.count_nonzero(present))
    _HEAD.pack_into(
        out,
        0,
        *(start, stop - start, present_count, offsets_at, bytes_at, 0),
        *(*entry, 0, 0),
    )
    return bytes(out)


def read_head(part: Buffer) -> Head:
    """The head of one part."""
    raw = _HEAD.unpack_from(part, 0)
    first_row, row_count, present_count, offsets_at, bytes_at = raw[:5]
    presence = Entry(*raw[6:12])
    return Head(first_row, row_count, present_count, offsets_at, bytes_at, presence)


def _offsets(part: Buffer, head: Head) -> NDArray[np.uint32]:
    return np.frombuffer(part, np.uint32, head.row_count + 1, head.offsets_offset)


def decode_texts(parts: Sequence[Buffer]) -> Strings:
    """The strings of all rows stored; bytes in place where there is one part."""
    pieces = []
    for part in parts:
        head = read_head(part)
        offsets = _offsets(part, head).astype(np.int64)
        data = np.frombuffer(part, np.uint8, int(offsets[-1]), head.bytes_offset)
        valid = read_presence(part, head.presence, head.first_row, head.row_count)
        pieces.append(Strings(offsets, data, valid))
    return pieces[0] if len(pieces) == 1 else concat(pieces)


def read_row(parts: Sequence[Buffer], row: int) -> str | None:
    """The text of one row of the block, None where missing; reads that row only."""
    for part in parts:
        head = read_head(part)
        if not head.first_row <= row < head.first_row + head.row_count:
            continue
        if not presence_has(part, head.presence, row):
            return None
        start, stop = _offsets(part, head)[row - head.first_row :][:2].tolist()
        at = head.bytes_offset
        return bytes(memoryview(part)[at + start : at + stop]).decode()
    return None
