"""Rows of many blocks as one bitmap in the public portable roaring serialisation, and back.

Follows the RoaringFormatSpec of the RoaringBitmap project, 32-bit bitmaps without extensions.
A container of ours has the same bytes as one of theirs, so writing is placing heads:
1. cookie, and where there are runs one flag bit per container;
2. per container its block and cardinality - 1;
3. per container its place, left out where there are runs and fewer than four containers;
4. the containers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import containers
from engine.errors import InputInvalid

__all__ = ["blocks_of_portable", "portable"]

_COOKIE_WITHOUT_RUNS = 12346
_COOKIE_WITH_RUNS = 12347
_PLACES_FROM = 4  # containers from which a bitmap with runs gives their places
_MAX_CONTAINERS = 1 << 16
_WRONG = "The bitmap is not in the portable roaring format"


def portable(blocks: Iterable[tuple[int, NDArray[np.uint64]]]) -> bytes:
    """The bitmap of all rows: (block, mask uint64[1024]) pairs, blocks ascending.

    A row of the bitmap is block * 65536 + row of the block; blocks without rows are left out.
    """
    found = []
    last_block = -1
    for block, mask in blocks:
        assert last_block < block < _MAX_CONTAINERS, "blocks must ascend and fit 32-bit rows"
        last_block = block
        kind, body, cardinality = containers.encode_mask(mask)
        if kind != containers.EMPTY:
            found.append((block, kind, body, cardinality))
    heads = _cookie([kind == containers.RUN for _, kind, _, _ in found])
    heads += b"".join(struct.pack("<HH", block, count - 1) for block, _, _, count in found)
    bodies = [body for _, _, body, _ in found]
    if _gives_places(len(found), any(kind == containers.RUN for _, kind, _, _ in found)):
        sizes = [len(body) for body in bodies[:-1]]
        places = np.cumsum([len(heads) + 4 * len(found), *sizes], dtype=np.uint32)
        heads += places.tobytes() if found else b""
    return heads + b"".join(bodies)


def _cookie(runs: list[bool]) -> bytes:
    if not any(runs):
        return struct.pack("<II", _COOKIE_WITHOUT_RUNS, len(runs))
    flags = np.packbits(np.array(runs), bitorder="little").tobytes()
    return struct.pack("<HH", _COOKIE_WITH_RUNS, len(runs) - 1) + flags


def _gives_places(count: int, has_runs: bool) -> bool:
    return not has_runs or count >= _PLACES_FROM


class _Reader:
    """A cursor over foreign bytes that refuses to read past their end."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def take(self, size: int) -> memoryview:
        """The next `size` bytes."""
        if size > len(self._data) - self._at:
            raise InputInvalid(f"{_WRONG}: it ends too early. Send it again, whole.")
        self._at += size
        return self._data[self._at - size : self._at]

    def numbers(self, width: int, count: int) -> list[int]:
        """The next `count` little-endian unsigned numbers of `width` bytes."""
        taken: list[int] = np.frombuffer(self.take(width * count), f"<u{width}").tolist()
        return taken

    def finish(self) -> None:
        """Refuse bytes that nothing has asked for."""
        if self._at != len(self._data):
            raise InputInvalid(f"{_WRONG}: bytes follow after its end. Send the bitmap alone.")


def blocks_of_portable(data: bytes) -> Iterator[tuple[int, NDArray[np.uint64]]]:
    """The (block, mask uint64[1024]) pairs of a foreign bitmap, blocks ascending.

    Raises InputInvalid where the bytes are not one whole, well-formed bitmap. The pairs come
    one by one, so a fault may show after some: use none before all came.
    """
    reader = _Reader(data)
    runs = _read_cookie(reader)
    heads = reader.numbers(2, 2 * len(runs))
    if _gives_places(len(runs), any(runs)):
        reader.take(4 * len(runs))  # containers stand in order, so their places say nothing new
    last_block = -1
    for block, cardinality, is_run in zip(heads[::2], heads[1::2], runs, strict=True):
        if block <= last_block:
            raise InputInvalid(f"{_WRONG}: its containers are not in order.")
        last_block = block
        yield block, _read_container(reader, cardinality + 1, is_run)
    reader.finish()


def _read_cookie(reader: _Reader) -> list[bool]:
    """For each container whether it is of runs."""
    cookie, high = reader.numbers(2, 2)
    if cookie == _COOKIE_WITH_RUNS:
        count = high + 1
        flags = np.frombuffer(reader.take(-(-count // 8)), np.uint8)
        return [bool(flag) for flag in np.unpackbits(flags, bitorder="little")[:count]]
    if cookie != _COOKIE_WITHOUT_RUNS or high != 0:
        raise InputInvalid(f"{_WRONG}: it begins with other bytes.")
    (count,) = reader.numbers(4, 1)
    if count > _MAX_CONTAINERS:
        raise InputInvalid(f"{_WRONG}: it states {count} containers, and 65536 is the most.")
    return [False] * count


def _read_container(reader: _Reader, cardinality: int, is_run: bool) -> NDArray[np.uint64]:
    if is_run:
        (run_count,) = reader.numbers(2, 1)
        return _read_runs(np.array(reader.numbers(2, 2 * run_count), np.int64), cardinality)
    is_array = cardinality <= 4096
    kind = containers.ARRAY if is_array else containers.BITSET
    body = reader.take(2 * cardinality if is_array else 8192)
    fault = containers.check(kind, body, cardinality)
    if fault:
        raise InputInvalid(f"{_WRONG}: one of its containers {fault}.")
    mask = np.zeros(containers.BLOCK_WORDS, np.uint64)
    containers.decode_into_mask(kind, body, cardinality, mask)
    return mask


def _read_runs(pairs: NDArray[np.int64], cardinality: int) -> NDArray[np.uint64]:
    """Runs of a foreign container; they may touch, which ours never do."""
    first, after = pairs[::2], pairs[::2] + pairs[1::2] + 1
    if bool((first[1:] < after[:-1]).any()) or bool((after > containers.BLOCK_ROWS).any()):
        raise InputInvalid(f"{_WRONG}: the runs of one of its containers are not in order.")
    if int((after - first).sum()) != cardinality:
        raise InputInvalid(f"{_WRONG}: one of its containers miscounts its rows.")
    edges = np.zeros(containers.BLOCK_ROWS + 1, np.int8)
    edges[first] += 1
    edges[after] -= 1
    rows = np.cumsum(edges[:-1], dtype=np.int8)
    return np.packbits(rows.view(np.bool_), bitorder="little").view(np.uint64)
