"""Mentions of set values, and what is left of them once their order no longer matters.

A mention says that a giver replaces, adds or takes away values of a row. Of the mentions of
one row and giver nothing before the last replacement counts; of what follows, the last word
about each value does. So any sequence of mentions comes down to
1. pairs (row, giver) whose values, as they stood, are gone, and
2. triples (row, value, giver) that are there, or are not, whatever was said before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.live.update import REMOVE, REPLACE, SetCells

__all__ = ["Mentions", "Settled", "join_mentions", "mentions_of", "settle", "stretches"]

# Rows and givers together: the row in the upper half.
_Pairs = NDArray[np.uint64]


class Mentions(NamedTuple):
    """Mentions in the order of the updates.

    Mention i is by giver `givers[i]` (uint32) about `rows[i]` (uint32), names the values
    `values[offsets[i]:offsets[i + 1]]` (uint32; offsets int64 (m + 1,)) and does `modes[i]`
    (uint8: REPLACE, ADD or REMOVE) with them.
    """

    rows: NDArray[np.uint32]
    givers: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    values: NDArray[np.uint32]
    modes: NDArray[np.uint8]

    def take(self, at: NDArray[np.intp]) -> Mentions:
        """The mentions at some places."""
        sizes = np.diff(self.offsets)[at]
        return Mentions(
            self.rows[at],
            self.givers[at],
            np.append(np.int64(0), np.cumsum(sizes)),
            self.values[stretches(self.offsets[at], sizes)],
            self.modes[at],
        )

    def between(self, start: int, stop: int) -> Mentions:
        """The mentions from one place to before another."""
        first, last = int(self.offsets[start]), int(self.offsets[stop])
        return Mentions(
            self.rows[start:stop],
            self.givers[start:stop],
            self.offsets[start : stop + 1] - first,
            self.values[first:last],
            self.modes[start:stop],
        )


class Settled(NamedTuple):
    """What mentions come down to; see the head of this file.

    `replaced` uint64 (k,), sorted, are pairs (row << 32 | giver). The triples `rows`, `givers`,
    `values` uint32 (t,) with `held` bool (t,) are sorted by row, giver and value, each once.
    """

    replaced: _Pairs
    rows: NDArray[np.uint32]
    givers: NDArray[np.uint32]
    values: NDArray[np.uint32]
    held: NDArray[np.bool_]

    def of_blocks(self, blocks: Sequence[int]) -> Settled:
        """What is settled in some blocks."""
        of_pairs = np.isin((self.replaced >> np.uint64(48)).astype(np.uint32), blocks)
        chosen = np.isin(self.rows >> np.uint32(16), blocks)
        return Settled(
            self.replaced[of_pairs],
            self.rows[chosen],
            self.givers[chosen],
            self.values[chosen],
            self.held[chosen],
        )

    def each_block(self) -> Iterator[tuple[int, Settled]]:
        """(block, what is settled there); rows still count from the first one of the store."""
        of_pairs = (self.replaced >> np.uint64(48)).astype(np.int64)
        of_triples = (self.rows >> 16).astype(np.int64)
        blocks = np.union1d(of_pairs, of_triples)
        pair_ends = np.searchsorted(of_pairs, blocks, side="right").tolist()
        triple_ends = np.searchsorted(of_triples, blocks, side="right").tolist()
        pair = triple = 0
        for block, pair_end, triple_end in zip(
            blocks.tolist(), pair_ends, triple_ends, strict=True
        ):
            triples = slice(triple, triple_end)
            yield (
                block,
                Settled(
                    self.replaced[pair:pair_end],
                    self.rows[triples],
                    self.givers[triples],
                    self.values[triples],
                    self.held[triples],
                ),
            )
            pair, triple = pair_end, triple_end


def mentions_of(cells: SetCells) -> Mentions:
    """The mentions that are cells of a field."""
    return Mentions(cells.rows, cells.givers, cells.offsets, cells.values, cells.modes)


def join_mentions(pieces: Sequence[Mentions]) -> Mentions:
    """All mentions, one piece after the other."""
    sizes = np.concatenate([np.diff(piece.offsets) for piece in pieces])
    return Mentions(
        np.concatenate([piece.rows for piece in pieces]),
        np.concatenate([piece.givers for piece in pieces]),
        np.append(np.int64(0), np.cumsum(sizes)),
        np.concatenate([piece.values for piece in pieces]),
        np.concatenate([piece.modes for piece in pieces]),
    )


def settle(mentions: Mentions) -> Settled:
    """What the mentions, carried out one after the other, do to anything."""
    pairs = mentions.rows.astype(np.uint64) << np.uint64(32) | mentions.givers
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    starts = np.flatnonzero(np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)])
    group_sizes = np.diff(np.append(starts, len(pairs)))
    replaced, counts = _after_the_replacement(mentions.modes[order], starts, group_sizes)
    group = np.repeat(np.arange(len(starts)), group_sizes)[counts]
    order = order[counts]

    sizes = np.diff(mentions.offsets)[order]
    values = mentions.values[stretches(mentions.offsets[order], sizes)]
    keys = np.repeat(group, sizes).astype(np.uint64) << np.uint64(32) | values
    last = np.argsort(keys, kind="stable")
    keys = keys[last]
    final = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
    keys, last = keys[final], last[final]
    of_group = pairs[starts]
    triples = of_group[(keys >> np.uint64(32)).astype(np.intp)]
    return Settled(
        of_group[replaced],
        (triples >> np.uint64(32)).astype(np.uint32),
        triples.astype(np.uint32),
        keys.astype(np.uint32),
        np.repeat(mentions.modes[order] != REMOVE, sizes)[last],
    )


def _after_the_replacement(
    modes: NDArray[np.uint8], starts: NDArray[np.intp], sizes: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(which groups of mentions have a replacement, which mentions have none after them)."""
    places = np.arange(len(modes))
    if not len(modes):
        return np.zeros(0, np.bool_), np.zeros(0, np.bool_)
    last = np.maximum.reduceat(np.where(modes == REPLACE, places, -1), starts)
    return last >= 0, places >= np.repeat(last, sizes)


def stretches(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The positions start, start + 1, ... of several stretches, one after the other."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()), dtype=np.int64)
