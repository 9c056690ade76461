"""Set attributes, tags and live rows: directories of containers by value code.

Code 0 is the presence (rows with at least one value, or the live rows), in the first part.
The zone counts the present rows and bounds the value codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer, containers, directory
from engine.columns.cell_pairs import count_by_code, deal_rows
from engine.columns.zone import Encoded, Zone

__all__ = [
    "decode_rows",
    "decode_set",
    "decode_set_pairs",
    "encode_rows",
    "encode_set",
    "encode_set_pairs",
    "read_row",
    "rows_of_code",
]


# Pairs are dealt out where there are at most so many codes for each, and some for free.
_CODES_PER_PAIR = 4
_CODES_FREE = 4096


def encode_set_pairs(rows: NDArray[np.uint16], codes: NDArray[np.uint32]) -> Encoded:
    """One pair per row and value it has, in any order, repeats allowed; codes from 1."""
    assert rows.dtype == np.uint16 and codes.dtype == np.uint32 and len(rows) == len(codes)
    dealt = _dealt(rows, codes)
    if dealt is not None:
        return dealt
    keys = np.sort(codes.astype(np.uint64) << np.uint64(16) | rows)
    assert len(keys) == 0 or keys[0] >= 1 << 16, "code 0 is the presence"
    # Not np.unique: it hashes, and takes 25 times as long as this on 300,000 pairs.
    new = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    keys = keys[new]
    members, ordered = keys.astype(np.uint16), (keys >> np.uint64(16)).astype(np.uint32)
    return _encode_sorted(members, ordered)


def _dealt(rows: NDArray[np.uint16], codes: NDArray[np.uint32]) -> Encoded | None:
    """The same where the pairs are ordered by row, as those of a load are: dealt out to the codes
    one after the other, without sorting them. None where they are not, or reach too far."""
    code_count = int(codes.max()) + 1 if len(codes) else 0
    if not len(codes) or code_count > _CODES_PER_PAIR * len(codes) + _CODES_FREE:
        return None
    different, counts = count_by_code(rows, codes, code_count)
    if different < 0:
        return None
    assert counts[0] == 0, "code 0 is the presence"
    counts[0] = different
    used = np.flatnonzero(counts).astype(np.uint32)
    starts = np.zeros(len(used) + 1, np.int64)
    np.cumsum(counts[used], out=starts[1:])
    members = np.empty(int(starts[-1]), np.uint16)
    counts[used] = starts[:-1]
    deal_rows(rows, codes, counts, members)
    members[:different] = rows[np.append(True, rows[1:] != rows[:-1])]
    parts = directory.pack(used, starts, members)
    return Encoded(tuple(parts), Zone(different, int(used[1]), int(used[-1])))


def encode_set(members: Mapping[int, NDArray[np.uint16]]) -> Encoded:
    """The rows that have each value, by code from 1; in any order, repeats allowed."""
    for code, rows in members.items():
        assert 1 <= code < 1 << 32 and rows.dtype == np.uint16
    counts = [len(rows) for rows in members.values()]
    codes = np.repeat(np.array(list(members), np.uint32), counts)
    rows = np.concatenate([np.empty(0, np.uint16), *members.values()])
    return encode_set_pairs(rows, codes)


def _encode_sorted(rows: NDArray[np.uint16], codes: NDArray[np.uint32]) -> Encoded:
    """Pairs sorted by code, then by row, each once."""
    firsts = np.flatnonzero(np.diff(codes, prepend=np.uint32(0)))
    present = containers.rows_of_mask(containers.mask_of_rows(rows))
    starts = np.concatenate([[0], len(present) + firsts, [len(present) + len(rows)]])
    parts = directory.pack(
        np.concatenate([np.zeros(1, np.uint32), codes[firsts]]),
        starts.astype(np.int64, copy=False),
        np.concatenate([present, rows]),
    )
    low, high = (int(codes[0]), int(codes[-1])) if len(codes) else (None, None)
    return Encoded(tuple(parts), Zone(len(present), low, high))


def decode_set(parts: Sequence[Buffer]) -> dict[int, NDArray[np.uint16]]:
    """The sorted rows of each value, by code, without code 0."""
    members: dict[int, NDArray[np.uint16]] = {}
    for part in parts:
        codes, starts, rows = directory.unpack(part)
        for i, code in enumerate(codes.tolist()):
            if code:
                members[code] = rows[starts[i] : starts[i + 1]]
    return members


def decode_set_pairs(
    parts: Sequence[Buffer],
) -> tuple[NDArray[np.uint16], NDArray[np.uint32]]:
    """(rows uint16[n], codes uint32[n]): one pair per row and value, by code, then by row."""
    all_rows, all_codes = [], []
    for part in parts:
        codes, starts, rows = directory.unpack(part)
        skipped = int(starts[1]) if len(codes) and codes[0] == 0 else 0
        all_codes.append(np.repeat(codes, np.diff(starts))[skipped:])
        all_rows.append(rows[skipped:])
    return np.concatenate(all_rows), np.concatenate(all_codes)


def encode_rows(rows: NDArray[np.uint16]) -> Encoded:
    """Rows alone, sorted and unique, as code 0: the live rows of a block."""
    assert rows.dtype == np.uint16
    starts = np.array([0, len(rows)], np.int64)
    parts = directory.pack(np.zeros(1, np.uint32), starts, np.ascontiguousarray(rows))
    return Encoded(tuple(parts), Zone(len(rows)))


def decode_rows(parts: Sequence[Buffer]) -> NDArray[np.uint16]:
    """The rows of code 0, sorted: the live rows, or the presence of a set."""
    rows = directory.rows_of_code(parts[0], 0)
    return np.empty(0, np.uint16) if rows is None else rows


def rows_of_code(parts: Sequence[Buffer], code: int) -> NDArray[np.uint16]:
    """The sorted rows that have one value; empty where no row has it."""
    for part in parts:
        rows = directory.rows_of_code(part, code)
        if rows is not None:
            return rows
    return np.empty(0, np.uint16)


def read_row(parts: Sequence[Buffer], row: int) -> NDArray[np.uint32]:
    """The codes of the values that one row has, ascending; decodes no container."""
    return np.concatenate([directory.codes_of_row(part, row) for part in parts])
