"""The members of an audience: rows chosen once, handed out in any of several forms."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.portable import portable
from engine.columns.floats import decode_floats
from engine.columns.hashing import xxh64, xxh64_many16
from engine.columns.ints import decode_ints
from engine.columns.uids import decode_uids
from engine.columns.values import decode_values
from engine.errors import InputInvalid, NotFound
from engine.live.profiles import ProfileRecord, read_profiles
from engine.model.definitions import Model
from engine.nearest import nearest
from engine.store.catalog import UIDS, identifier_field
from engine.store.snapshot import Snapshot

__all__ = ["Members"]

BLOCK_BITS = 16
# Profiles decoded at a time where whole records are asked for: enough to share the work of a
# block, and little memory.
RECORDS_AT_A_TIME = 2048


class Members:
    """The profiles that an expression holds for, at one instant and data version.

    `masks` is uint64 of shape (blocks, 1024). `matched` counts all of them; `rows` (uint32)
    are the chosen ones in the order they are listed, all in row order unless `choose` was
    called. Every form below reads the snapshot that the members were found in, which stays
    open until `close`, or the end of a `with` block.
    """

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        model: Model,
        expression: str,
        as_of_us: int,
        masks: NDArray[np.uint64],
        waiting: int = 0,
        read_as_of_today: tuple[str, ...] = (),
    ) -> None:
        self.expression = expression
        self.as_of_us = as_of_us
        self.waiting = waiting
        self.read_as_of_today = read_as_of_today
        self.data_version = snapshot.data_version
        # Rows are never given out again so far, so one epoch covers every bitmap exported.
        self.row_epoch = 1
        self.matched = int(np.bitwise_count(masks).sum())
        self._snapshot = snapshot
        self._model = model
        self._masks = masks
        self._chosen: NDArray[np.uint32] | None = None

    def close(self) -> None:
        """Let go of the snapshot; harmless when done before."""
        self._snapshot.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def count(self) -> int:
        """How many are listed."""
        return self.matched if self._chosen is None else len(self._chosen)

    @cached_property
    def _all_rows(self) -> NDArray[np.uint32]:
        bits = np.unpackbits(self._masks.view(np.uint8).reshape(-1), bitorder="little")
        return np.flatnonzero(bits).astype(np.uint32)

    @property
    def rows(self) -> NDArray[np.uint32]:
        """Row numbers in the order listed."""
        return self._all_rows if self._chosen is None else self._chosen

    def choose(
        self,
        limit: int | None,
        *,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
    ) -> None:
        """Keep `limit` of them, all where it is None.

        `order_by` an int, decimal, float, date or time attribute: the first in its order,
        those without a value last, equal values by row. Otherwise a random choice that is
        the same for the same salt and stays nearly the same while the audience changes: the
        smallest hashes of the uids, listed in row order.
        """
        if order_by is not None:
            self._chosen = self._ordered(order_by, descending)[:limit]
        elif limit is not None and limit < self.matched:
            hashes = xxh64_many16(self._uids_of(self._all_rows), xxh64(salt.encode(), 0))
            smallest = np.argpartition(hashes, limit)[:limit] if limit else np.zeros(0, np.intp)
            self._chosen = np.sort(self._all_rows[smallest])

    def _ordered(self, name: str, descending: bool) -> NDArray[np.uint32]:
        declared = self._model.attributes.get(name)
        if declared is None:
            close = nearest(name, self._model.attributes)
            hint = f" Did you mean {close}?" if close else ""
            raise NotFound(f"There is no attribute {name} to order by.{hint}")
        if declared.type not in ("int", "decimal", "float", "date", "time"):
            raise InputInvalid(f"{name} is of type {declared.type}, which has no order.")
        decode = decode_floats if declared.type == "float" else decode_ints
        field = self._snapshot.fields[name].id
        values, present = [], []
        for block, inside in self._by_block(self._all_rows):
            parts = self._snapshot.payloads(field, block)
            column, there = decode(parts) if parts else (np.zeros(0, np.int64), np.zeros(0, bool))
            known = inside < len(column)
            safe = np.where(known, inside, 0)
            present.append(known & there[safe] if len(column) else np.zeros(len(inside), bool))
            values.append(column[safe] if len(column) else np.zeros(len(inside), np.int64))
        if not values:
            return self._all_rows
        numbers, has = np.concatenate(values), np.concatenate(present)
        with_value = np.flatnonzero(has)
        order = np.argsort(numbers[with_value], kind="stable")
        if descending:
            # Stable from the other end: equal values stay in row order.
            order = len(order) - 1 - np.argsort(numbers[with_value][::-1], kind="stable")[::-1]
        ordered: NDArray[np.uint32] = self._all_rows[
            np.concatenate([with_value[order], np.flatnonzero(~has)])
        ]
        return ordered

    def _by_block(self, rows: NDArray[np.uint32]) -> Iterator[tuple[int, NDArray[np.integer[Any]]]]:
        """Stretches of one block with their rows inside it, in the order given."""
        blocks = rows >> BLOCK_BITS
        edges = np.flatnonzero(np.diff(blocks)) + 1
        for stretch in np.split(rows, edges):
            if len(stretch):
                yield int(stretch[0] >> BLOCK_BITS), stretch & 0xFFFF

    def _uids_of(self, rows: NDArray[np.uint32]) -> NDArray[np.uint8]:
        field = self._snapshot.fields[UIDS.name].id
        pieces = [
            decode_uids(self._snapshot.payloads(field, block))[inside]
            for block, inside in self._by_block(rows)
        ]
        return np.concatenate(pieces) if pieces else np.zeros((0, 16), np.uint8)

    # ------------------------------------------------------------------------- forms

    def roaring(self) -> bytes:
        """Row numbers as one bitmap in the portable roaring format."""
        masks = self._masks
        if self._chosen is not None:
            bits = np.zeros(masks.size * 64, np.uint8)
            bits[self._chosen] = 1
            masks = np.packbits(bits, bitorder="little").view(np.uint64).reshape(masks.shape)
        return portable((block, mask) for block, mask in enumerate(masks) if mask.any())

    def uids(self) -> Iterator[bytes]:
        """Uids in listed order, 16 bytes each, joined; a chunk for each stretch of a block."""
        field = self._snapshot.fields[UIDS.name].id
        for block, inside in self._by_block(self.rows):
            yield decode_uids(self._snapshot.payloads(field, block))[inside].tobytes()

    def identifiers(self, kind: str) -> Iterator[list[str]]:
        """All identifiers of a kind that the profiles own, in listed order, in chunks.

        A profile without one is left out, one with several is there several times. Raises
        NotFound for a kind that the model does not declare.
        """
        if kind not in self._model.identifiers:
            close = nearest(kind, self._model.identifiers)
            hint = f" Did you mean {close}?" if close else ""
            raise NotFound(f"There is no kind of identifier {kind}.{hint}")
        return self._identifiers(self._snapshot.fields[identifier_field(kind)].id)

    def _identifiers(self, field: int) -> Iterator[list[str]]:
        for block, inside in self._by_block(self.rows):
            parts = self._snapshot.payloads(field, block)
            if not parts:
                continue
            owners, values = decode_values(parts)
            first = np.searchsorted(owners, inside, side="left")
            counts = np.searchsorted(owners, inside, side="right") - first
            starts = np.repeat(first - (np.cumsum(counts) - counts), counts)
            chosen = starts + np.arange(int(counts.sum()))
            yield [value for value in values.take(chosen).to_list() if value is not None]

    def profiles(self) -> Iterator[list[ProfileRecord]]:
        """Whole records in listed order, in chunks."""
        rows = self.rows
        for start in range(0, len(rows), RECORDS_AT_A_TIME):
            chunk = rows[start : start + RECORDS_AT_A_TIME]
            records = read_profiles(self._snapshot, self._model, chunk.tolist())
            yield [record for record in records if record is not None]
