"""Whether stored payloads mean something: the checked reading behind `verify`.

A checksum proves that bytes are what was written; these prove that what was written is a
payload. They read any bytes, and answer with the end of a sentence about the part that is
wrong, or '' where all parts are sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer, containers, directory
from engine.bitmaps.containers import BLOCK_ROWS
from engine.bitmaps.directory import PART_BYTES
from engine.columns import column, givers, texts, values
from engine.columns.alignment import aligned
from engine.columns.presence import Entry, read_presence
from engine.columns.strings import Strings

__all__ = ["check_column", "check_givers", "check_set", "check_texts", "check_values"]

_WIDTHS = {
    column.INTS: (0, 1, 2, 4, 8),
    column.FLOATS: (8,),
    column.CODES: (1, 2, 4),
    column.UIDS: (16,),
}


def check_set(parts: Sequence[Buffer]) -> str:
    """Sets, bools and live rows: every container, the order of codes, presence, sizes."""
    return next(_faults_of_set(parts), "")


def check_column(parts: Sequence[Buffer]) -> str:
    """Ints, floats, codes and uids: heads, presence, counts, bounds and zeroed gaps."""
    return next(_faults_of_column(parts), "")


def check_texts(parts: Sequence[Buffer]) -> str:
    """Texts: heads, presence, offsets, UTF-8."""
    return next(_faults_of_texts(parts), "")


def check_values(parts: Sequence[Buffer]) -> str:
    """Identifier values: heads, order of rows, offsets, UTF-8."""
    return next(_faults_of_values(parts), "")


def check_givers(parts: Sequence[Buffer]) -> str:
    """Givers: heads and the order of the triples."""
    return next(_faults_of_givers(parts), "")


# Each generator yields a fault and is not asked again: what follows a yield may rely on the
# fault not being there.


def _faults_of_size(parts: Sequence[Buffer], least: int) -> Iterator[str]:
    if not parts:
        yield "has no part"
    for part in parts:
        if not least <= len(part) <= PART_BYTES:
            yield "has a part that is too short or too long"


def _faults_of_set(parts: Sequence[Buffer]) -> Iterator[str]:
    yield from _faults_of_size(parts, 16)
    last_code = -1
    present = np.zeros(containers.BLOCK_WORDS, np.uint64)
    held = np.zeros(containers.BLOCK_WORDS, np.uint64)
    for part in parts:
        fault = directory.check(part)
        if fault:
            yield fault
        codes, starts, rows = directory.unpack(part)
        if len(codes) == 0 or int(codes[0]) <= last_code:
            yield "has codes out of order"
        if last_code == -1:
            if codes[0] != 0:
                yield "has no presence"
            present = containers.mask_of_rows(rows[: starts[1]])
            rows = rows[starts[1] :]
        held |= containers.mask_of_rows(rows)
        last_code = int(codes[-1])
    if last_code > 0 and not np.array_equal(present, held):
        yield "has a presence that is not the union of its values"


def _faults_of_column(parts: Sequence[Buffer]) -> Iterator[str]:
    yield from _faults_of_size(parts, column.HEAD_BYTES)
    next_row, kind = 0, column.read_head(parts[0]).column_kind
    for part in parts:
        head = column.read_head(part)
        if head.column_kind != kind or head.width not in _WIDTHS.get(kind, ()):
            yield "has a width or a kind that does not exist"
        if head.first_row != next_row or not 0 <= head.row_count <= BLOCK_ROWS - next_row:
            yield "has parts whose rows do not follow each other"
        next_row += head.row_count
        end = head.values_offset + aligned(head.row_count, 64) * head.width
        if head.values_offset < column.HEAD_BYTES or head.values_offset % 64 or end > len(part):
            yield "has values past its end"
        if next_row < BLOCK_ROWS and part is not parts[-1] and head.row_count % 64:
            yield "has a part that ends inside of a word of rows"
        padding = memoryview(part)[end - (-head.row_count % 64) * head.width : end]
        if any(padding):
            yield "has rows after its last one"
        yield from _faults_of_entry(part, head.presence, (head.first_row, head.row_count))
        yield from _faults_of_stored(part, head)


def _faults_of_entry(part: Buffer, entry: Entry, rows: tuple[int, int]) -> Iterator[str]:
    """A presence of `rows`, which are (first row, row count)."""
    if entry.code or entry.reserved or entry.offset % entry.aligned_to:
        yield "has a presence that is not one"
    fault = containers.check(entry.kind, entry.bytes_in(part), entry.cardinality)
    if fault:
        yield f"has a presence that {fault}"
    first_row, row_count = rows
    found = containers.decode(entry.kind, entry.bytes_in(part), entry.cardinality)
    if len(found) and not first_row <= found[0] <= found[-1] < first_row + row_count:
        yield "has a presence outside of its rows"


def _faults_of_stored(part: Buffer, head: column.Head) -> Iterator[str]:
    stored = column.read_stored(part, head)
    if head.column_kind in (column.CODES, column.UIDS):
        held = stored != np.zeros((), stored.dtype)
        if head.presence.kind != containers.EMPTY:
            yield "has a presence that its kind does not have"
    else:
        held = column.read_present(part, head)
        if np.any(stored.view(f"u{max(head.width, 1)}")[~held]):
            yield "has a value in a missing row"
    if np.count_nonzero(held) != head.present_count:
        yield "states another number of present rows than it has"
    yield from _faults_of_frame(stored, head)


def _faults_of_frame(stored: NDArray[Any], head: column.Head) -> Iterator[str]:
    if head.column_kind in (column.INTS, column.CODES):
        greatest = int(stored.max()) if len(stored) else 0
        if head.max_stored != greatest or head.step < 1:
            yield "states another greatest value than it has"
        if head.base + head.step * head.max_stored >= 1 << 63:
            yield "has a value beyond 64 bits"
    elif head.max_stored or head.step != 1:
        yield "states a greatest value that its kind does not have"
    if head.column_kind != column.INTS and head.base:
        yield "has a base that its kind does not have"
    if head.column_kind == column.FLOATS and not np.isfinite(stored.view(np.float64)).all():
        yield "has a value that is not a number"


def _faults_of_texts(parts: Sequence[Buffer]) -> Iterator[str]:
    yield from _faults_of_size(parts, texts.HEAD_BYTES)
    next_row = 0
    for part in parts:
        head = texts.read_head(part)
        if head.first_row != next_row or not 0 <= head.row_count <= BLOCK_ROWS - next_row:
            yield "has parts whose rows do not follow each other"
        next_row += head.row_count
        yield from _faults_of_entry(part, head.presence, (head.first_row, head.row_count))
        if head.present_count != head.presence.cardinality:
            yield "states another number of present rows than it has"
        yield from _faults_of_strings(part, head.row_count, head.offsets_offset, head.bytes_offset)
        present = read_presence(part, head.presence, head.first_row, head.row_count)
        offsets = np.frombuffer(part, np.uint32, head.row_count + 1, head.offsets_offset)
        if np.any(np.diff(offsets)[~present]):
            yield "has a text in a missing row"


def _faults_of_strings(part: Buffer, count: int, offsets_at: int, bytes_at: int) -> Iterator[str]:
    if offsets_at % 8 or offsets_at + 4 * (count + 1) > len(part):
        yield "has offsets past its end"
    offsets = np.frombuffer(part, np.uint32, count + 1, offsets_at).astype(np.int64)
    if offsets[0] != 0 or np.any(np.diff(offsets) < 0) or bytes_at + offsets[-1] > len(part):
        yield "has strings past its end or out of order"
    data = np.frombuffer(part, np.uint8, int(offsets[-1]), bytes_at)
    try:
        Strings.from_buffers(offsets, data, None).to_list()
    except UnicodeDecodeError:
        yield "has a string that is not UTF-8"


def _faults_of_values(parts: Sequence[Buffer]) -> Iterator[str]:
    yield from _faults_of_size(parts, values.HEAD_BYTES)
    for part in parts:
        head = values.read_head(part)
        if head.rows_offset % 8 or head.rows_offset + 2 * head.pair_count > len(part):
            yield "has rows past its end"
        yield from _faults_of_strings(part, head.pair_count, head.offsets_offset, head.bytes_offset)
    rows, strings = values.decode_values(parts)
    content = [text or "" for text in strings.to_list()]
    pairs = list(zip(rows.tolist(), content, strict=True))
    # Python compares by code point, which for UTF-8 is the order of the bytes.
    if any(a >= b for a, b in pairwise(pairs)):
        yield "has values out of order, or one twice"


def _faults_of_givers(parts: Sequence[Buffer]) -> Iterator[str]:
    yield from _faults_of_size(parts, givers.HEAD_BYTES)
    for part in parts:
        head = givers.read_head(part)
        places = (
            (head.rows_offset, 2),
            (head.values_offset, 4),
            (head.givers_offset, 4),
        )
        if any(at % 8 or at + head.triple_count * size > len(part) for at, size in places):
            yield "has columns past its end"
    triples = givers.decode_givers(parts)
    keys = list(zip(*(column.tolist() for column in triples), strict=True))
    if any(a >= b for a, b in pairwise(keys)):
        yield "has triples out of order"
