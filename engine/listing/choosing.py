"""Some members instead of all: a random choice that salt and uids decide, or the first in the
order of an attribute.

Neither sorts everybody. Blocks are looked at one by one against a bound that only few pass, and
what passed is settled at the end; so memory follows the limit and not the audience.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.bitmaps.containers import rows_of_mask
from engine.columns.floats import decode_floats
from engine.columns.hashing import xxh64
from engine.columns.ints import decode_ints
from engine.errors import InputInvalid, NotFound, about_field
from engine.listing.picking import hashes_of_mask
from engine.model.definitions import Model
from engine.nearest import nearest
from engine.store.catalog import UIDS
from engine.store.snapshot import Snapshot

__all__ = ["check_order", "choose_at_random", "choose_in_order"]

BLOCK_BITS = 16
ORDERED_TYPES = ("int", "decimal", "float", "date", "time")

_HIGHEST = 2**64 - 1
_NOTHING = np.zeros(0, np.int64), np.zeros(0, np.bool_)
# Candidates beyond the limit that may gather before they are brought down to it: a few blocks'
# worth, so that this happens rarely and costs little memory.
_SLACK = 4 << BLOCK_BITS


def choose_at_random(
    snapshot: Snapshot, masks: NDArray[np.uint64], limit: int, salt: str
) -> NDArray[np.uint64]:
    """The masks of `limit` of the rows of uint64 (blocks, 1024), all where there are no more.

    Those whose uids have the smallest XXH64 under the salt, of equal hashes the earlier rows.
    So the same salt draws the same members, and who joins or leaves the audience changes the
    choice by as many at most.
    """
    size = int(np.bitwise_count(masks).sum())
    if limit >= size:
        return masks
    chosen = np.zeros_like(masks)
    if limit:
        rows = _smallest(snapshot, masks, size, limit, xxh64(salt.encode(), 0))
        words = chosen.reshape(-1)
        np.bitwise_or.at(words, rows >> 6, np.uint64(1) << (rows & 63).astype(np.uint64))
    return chosen


def _smallest(
    snapshot: Snapshot, masks: NDArray[np.uint64], size: int, limit: int, seed: int
) -> NDArray[np.uint32]:
    """The rows with the `limit` smallest hashes, in no order.

    Hashes are spread evenly, so what share of them is below a bound is known beforehand up to
    chance: the first bound lets eight standard deviations more pass than are wanted. Where that
    was too low after all, the next one lets everything pass.
    """
    table = snapshot.addresses(snapshot.fields[UIDS.name].id)
    share = (limit + 8 * math.isqrt(limit) + 64) / size
    for most in (min(int(share * 2**64), _HIGHEST), _HIGHEST):
        found = [
            hashes_of_mask(table, block, masks[block], seed, most)
            for block in np.flatnonzero(masks.any(axis=1)).tolist()
        ]
        hashes = np.concatenate([part for part, _ in found])
        if len(hashes) >= limit:
            rows = np.concatenate([part for _, part in found])
            return rows[_first(hashes, limit)]
    raise AssertionError("as many hashes as rows")


def _first(keys: NDArray[np.uint64], limit: int) -> NDArray[np.intp]:
    """Places of the `limit` smallest keys, ascending; of equal ones the earlier."""
    if len(keys) <= limit:
        return np.arange(len(keys))
    bound = np.partition(keys, limit - 1)[limit - 1]
    below = np.flatnonzero(keys < bound)
    at = np.flatnonzero(keys == bound)[: limit - len(below)]
    return np.sort(np.concatenate([below, at]))


def check_order(model: Model, name: str) -> None:
    """Refuses an attribute that has no order: NotFound, InputInvalid."""
    declared = model.attributes.get(name)
    if declared is None:
        close = nearest(name, model.attributes)
        hint = f" Did you mean {close}?" if close else ""
        message = f"There is no attribute {name} to order by.{hint}"
        raise about_field(NotFound, "order_by", message)
    if declared.type not in ORDERED_TYPES:
        message = f"{name} is of type {declared.type}, which has no order."
        raise about_field(InputInvalid, "order_by", message)


def choose_in_order(
    snapshot: Snapshot,
    model: Model,
    masks: NDArray[np.uint64],
    limit: int | None,
    name: str,
    *,
    descending: bool,
) -> NDArray[np.uint32]:
    """The rows of the first `limit` members in the order of an attribute (None: of all), uint32.

    Members without a value come last; equal values, and those without, stand in row order. Raises
    what `check_order` raises.
    """
    check_order(model, name)
    size = int(np.bitwise_count(masks).sum())
    wanted = size if limit is None else min(limit, size)
    if not wanted:
        return np.zeros(0, np.uint32)
    first = _FirstByValue(snapshot, name, wanted, descending=descending)
    for block in np.flatnonzero(masks.any(axis=1)).tolist():
        first.add(block, masks[block])
    return first.rows()


class _FirstByValue:
    """The first `wanted` members by value, kept while blocks are looked at in turn.

    Values are brought to uint64 keys whose order is the one wanted. Once `wanted` are known, a
    later member must come before the last of them: if equal, it stands behind.
    """

    def __init__(self, snapshot: Snapshot, name: str, wanted: int, *, descending: bool) -> None:
        self._snapshot = snapshot
        field = snapshot.fields[name]
        self._field = field.id
        self._is_float = field.type == "float"
        self._decode: Callable[[Sequence[Buffer]], tuple[NDArray[Any], NDArray[np.bool_]]]
        self._decode = decode_floats if self._is_float else decode_ints
        self._wanted = wanted
        self._descending = descending
        self._pieces: list[tuple[NDArray[np.uint64], NDArray[np.uint32]]] = []
        self._held = 0
        self._missing: list[NDArray[np.uint32]] = []
        self._missing_count = 0
        self._bound: np.uint64 | None = None

    def add(self, block: int, mask: NDArray[np.uint64]) -> None:
        """Looks at the members of a block."""
        if self._is_hopeless(block):
            return
        inside = rows_of_mask(mask)
        first = np.uint32(block << BLOCK_BITS)
        parts = self._snapshot.payloads(self._field, block)
        values, present = self._decode(parts) if parts else _NOTHING
        stored = inside[: np.searchsorted(inside, len(values))]
        has = present[stored]
        rows = stored[has]
        keys = self._keys(values[rows])
        if self._bound is not None:
            near = keys < self._bound
            keys, rows = keys[near], rows[near]
        elif self._missing_count < self._wanted:
            without = np.concatenate([stored[~has], inside[len(stored) :]])
            self._missing.append(without + first)
            self._missing_count += len(without)
        self._pieces.append((keys, rows + first))
        self._held += len(rows)
        if self._held > 2 * self._wanted + _SLACK:
            self._settle()

    def rows(self) -> NDArray[np.uint32]:
        """The rows of the first `wanted`, in order."""
        self._settle()
        ((keys, rows),) = self._pieces
        in_order = rows[np.argsort(keys, kind="stable")]
        return np.concatenate([in_order, *self._missing])[: self._wanted]

    def _settle(self) -> None:
        """Keeps the first `wanted` of what is held, in row order."""
        keys = np.concatenate([part for part, _ in self._pieces])
        rows = np.concatenate([part for _, part in self._pieces])
        if len(keys) >= self._wanted:
            kept = _first(keys, self._wanted)
            keys, rows = keys[kept], rows[kept]
            self._bound = keys.max()
            self._missing = []
        self._pieces = [(keys, rows)]
        self._held = len(rows)

    def _keys(self, values: NDArray[Any]) -> NDArray[np.uint64]:
        """Unsigned integers in the order of the values, or against it."""
        bits = values.view(np.uint64)
        top = np.uint64(1 << 63)
        # The sign the other way round; and negative doubles, of which none is -0.0, grow downwards.
        flipped = np.where(bits >= top, ~bits, bits | top) if self._is_float else bits ^ top
        return ~flipped if self._descending else flipped

    def _is_hopeless(self, block: int) -> bool:
        """Whether the bounds of a block's values say that none can be among the first."""
        zone = self._snapshot.zone(self._field, block)
        if self._bound is None or zone is None:
            return False
        best = zone.maximum if self._descending else zone.minimum
        if best is None:
            return True
        bound = np.array([best], np.float64 if self._is_float else np.int64)
        return bool(self._keys(bound)[0] >= self._bound)
