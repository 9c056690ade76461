"""What settled mentions do to the givers of a set in one block, and to the set itself.

The (row, value, giver) triples of a block are sorted by row. So only the rows that are
mentioned are worked on, and come back into the gaps that they left; the rest is copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps import Buffer
from engine.columns.giver_pieces import encode_giver_pieces
from engine.columns.givers import Givers, decode_givers
from engine.columns.zone import Encoded
from engine.live.mentions import Settled, stretches

__all__ = ["GiverChange", "change_givers", "decode_or_none"]

# Up to this many mentioned rows the stretches between them are copied one by one; from there
# on it is cheaper to sort all triples by row.
_FEW_ROWS = 2_000


class GiverChange(NamedTuple):
    """A change to one block.

    `encoded` is how the givers stand now. The set itself changed in the pairs `rows` uint16
    (n,), `codes` uint32 (n,): by row, each once, `held` bool (n,) tells which are new and
    which are gone.
    """

    encoded: Encoded
    rows: NDArray[np.uint16]
    codes: NDArray[np.uint32]
    held: NDArray[np.bool_]


def change_givers(parts: Sequence[Buffer], settled: Settled) -> GiverChange | None:
    """The givers of a block with what is settled there; None where all is as it was."""
    old = decode_or_none(parts)
    replaced_rows = (settled.replaced >> np.uint64(32)).astype(np.uint16)
    mentioned = np.union1d(replaced_rows, settled.rows.astype(np.uint16))
    starts = np.searchsorted(old.rows, mentioned)
    ends = np.searchsorted(old.rows, mentioned, side="right")
    inside = stretches(starts, ends - starts)
    before = _chosen(old, inside)
    after = _carried_out(before, settled)
    if (
        np.array_equal(before.rows, after.rows)
        and np.array_equal(before.values, after.values)
        and np.array_equal(before.givers, after.givers)
    ):
        return None
    if len(mentioned) <= _FEW_ROWS:
        encoded = encode_giver_pieces(_pieces(old, mentioned, starts, ends, after))
    else:
        encoded = encode_giver_pieces([_merged(old, inside, after)])
    return GiverChange(encoded, *_pairs_changed(before, after))


def decode_or_none(parts: Sequence[Buffer]) -> Givers:
    """The triples of a block, none where it has no parts."""
    if not parts:
        empty = np.zeros(0, np.uint32)
        return Givers(np.zeros(0, np.uint16), empty, empty)
    return decode_givers(parts)


def _chosen(givers: Givers, at: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Givers:
    return Givers(givers.rows[at], givers.values[at], givers.givers[at])


def _carried_out(before: Givers, settled: Settled) -> Givers:
    """The triples of the mentioned rows, sorted as they are stored."""
    keys = before.rows.astype(np.uint64) << np.uint64(32) | before.givers
    kept = ~np.isin(keys, settled.replaced & np.uint64(0xFFFF_FFFF_FFFF))
    rows = np.concatenate((before.rows[kept], settled.rows.astype(np.uint16)))
    values = np.concatenate((before.values[kept], settled.values))
    givers = np.concatenate((before.givers[kept], settled.givers))
    held = np.append(np.ones(int(np.count_nonzero(kept)), np.bool_), settled.held)
    order = np.lexsort((givers, values, rows))
    rows, values, givers = rows[order], values[order], givers[order]
    # The sort is stable: what is settled stands after what stood there.
    last = np.ones(len(rows), np.bool_)
    last[:-1] = (rows[1:] != rows[:-1]) | (values[1:] != values[:-1]) | (givers[1:] != givers[:-1])
    last &= held[order]
    return Givers(rows[last], values[last], givers[last])


def _pieces(
    old: Givers,
    mentioned: NDArray[np.uint16],
    starts: NDArray[np.intp],  # where the triples of each mentioned row begin and end
    ends: NDArray[np.intp],
    after: Givers,
) -> Iterator[Givers]:
    """The stretches between mentioned rows, and what these have now, in order."""
    stops = np.searchsorted(after.rows, mentioned, side="right")
    copied = taken = 0
    for start, end, stop in zip(starts.tolist(), ends.tolist(), stops.tolist(), strict=True):
        yield _chosen(old, slice(copied, start))
        yield _chosen(after, slice(taken, stop))
        copied, taken = end, stop
    yield _chosen(old, slice(copied, None))


def _merged(old: Givers, inside: NDArray[np.int64], after: Givers) -> Givers:
    """The triples with those `inside` gone and others of the same rows in their place."""
    kept = np.ones(len(old.rows), np.bool_)
    kept[inside] = False
    rows = np.concatenate((old.rows[kept], after.rows))
    # Rows of 16 bits are sorted by radix.
    order = np.argsort(rows, kind="stable")
    return Givers(
        rows[order],
        np.concatenate((old.values[kept], after.values))[order],
        np.concatenate((old.givers[kept], after.givers))[order],
    )


def _pairs_changed(
    before: Givers, after: Givers
) -> tuple[NDArray[np.uint16], NDArray[np.uint32], NDArray[np.bool_]]:
    """The (row, value) pairs that only one of two states has, and whether it is the later."""
    old, new = _pairs(before), _pairs(after)
    differing = np.setxor1d(old, new, assume_unique=True)
    rows = (differing >> np.uint64(32)).astype(np.uint16)
    return rows, differing.astype(np.uint32), np.isin(differing, new)


def _pairs(givers: Givers) -> NDArray[np.uint64]:
    pairs = givers.rows.astype(np.uint64) << np.uint64(32) | givers.values
    distinct: NDArray[np.uint64] = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]]
    return distinct
