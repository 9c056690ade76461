"""numpy, one thread, block by block so that intermediate results stay in the cache.

Layouts: `bytes` has a byte for each tag and row, `bits` packed words. A rare tag is looked at
first, and the other columns only in its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.people import VALUES
from bench.questions import RARE, Answer, AnyOf, Audience, Between, Condition, Draw, Has
from bench.rivals.rival import ASKED_TAGS, Columns, Rival, bit_of, codes_of, read_columns

__all__ = ["NumpyRival", "holds"]

BLOCK = 1 << 17
WORD = 64


class NumpyRival(Rival):
    """Plain arrays."""

    def load(self, files: Sequence[Path]) -> None:
        """The arrays, each in one stretch."""
        parts: dict[str, list[NDArray[Any]]] = {}
        for columns in read_columns(files):
            for name, column in self._laid_out(columns).items():
                parts.setdefault(name, []).append(column)
        self._columns: Columns = {}
        for name in list(parts):
            column = np.concatenate(parts.pop(name))
            self._columns[name] = self._packed(column) if name in ASKED_TAGS else column
        self._count = len(self._columns["age"])

    @staticmethod
    def _laid_out(columns: Columns) -> Columns:
        bits = columns.pop("tag_bits")
        tags = {tag: (bits >> np.uint64(bit_of(tag))) & 1 for tag in ASKED_TAGS}
        return columns | {tag: has.astype(np.bool_) for tag, has in tags.items()}

    def _packed(self, has: NDArray[np.bool_]) -> NDArray[Any]:
        if self.layout == "bytes":
            return has
        padded = np.zeros(-(-len(has) // WORD) * WORD, np.bool_)
        padded[: len(has)] = has
        return np.packbits(padded, bitorder="little").view(np.uint64)

    def ask(self, draw: Draw) -> Answer:
        """Counts, or counts by value."""
        (audience,) = draw.audiences
        by = draw.group_by
        rare = next((c for c in audience if isinstance(c, Has) and c.tag in RARE), None)
        if rare is not None:
            others = [c for c in audience if c != rare]
            return sum(
                self._among(rare.tag, others, start, min(start + BLOCK, self._count))
                for start in range(0, self._count, BLOCK)
            )
        if self.layout == "bits" and all(isinstance(c, Has) for c in audience):
            return self._by_words(audience)
        totals = np.zeros(256, np.int64)
        count = 0
        for start in range(0, self._count, BLOCK):
            hits = self._block(audience, start, min(start + BLOCK, self._count))
            if by is None:
                count += int(np.count_nonzero(hits))
            else:
                totals += np.bincount(self._columns[by][start : start + BLOCK][hits], minlength=256)
        if by is None:
            return count
        names: list[str | None] = [*VALUES[by], *[None] * (256 - len(VALUES[by]))]
        return {names[code]: int(totals[code]) for code in np.flatnonzero(totals).tolist()}

    def _among(self, tag: str, conditions: list[Condition], start: int, end: int) -> int:
        """Of the few rows of a block that have a tag."""
        if self.layout == "bytes":
            rows = np.flatnonzero(self._columns[tag][start:end])
        else:
            block = self._columns[tag][start // WORD : -(-end // WORD)]
            words = np.flatnonzero(block)
            word, bit = np.nonzero(
                np.unpackbits(_as_bytes(block[words]), axis=1, bitorder="little")
            )
            rows = words[word] * WORD + bit
        for condition in conditions:
            assert isinstance(condition, AnyOf | Between)
            rows = rows[holds(self._columns[condition.column][start:end][rows], condition)]
        return len(rows)

    def _by_words(self, audience: Audience) -> int:
        words = BLOCK // WORD
        count = 0
        for start in range(0, -(-self._count // WORD), words):
            hits: Any = None
            for condition in sorted(audience, key=lambda c: not getattr(c, "wanted", True)):
                assert isinstance(condition, Has)
                block = self._columns[condition.tag][start : start + words]
                if hits is None:
                    hits = block if condition.wanted else ~block
                else:
                    hits = hits & (block if condition.wanted else ~block)
            count += int(np.bitwise_count(hits).sum())
        return count

    def _block(self, audience: Audience, start: int, end: int) -> NDArray[np.bool_]:
        hits: Any = None
        for condition in audience:
            if isinstance(condition, Has):
                held = self._tag(condition.tag, start, end)
                found = held if condition.wanted else ~held
            else:
                assert isinstance(condition, AnyOf | Between)
                found = holds(self._columns[condition.column][start:end], condition)
            # Not in place: what came first may be a view of the column itself.
            hits = found if hits is None else hits & found
        result: NDArray[np.bool_] = hits
        return result

    def _tag(self, tag: str, start: int, end: int) -> NDArray[np.bool_]:
        column = self._columns[tag]
        if self.layout == "bytes":
            return column[start:end]
        words = column[start // WORD : -(-end // WORD)].view(np.uint8)
        held = np.unpackbits(words, bitorder="little", count=end - start)
        return held.view(np.bool_)


def _as_bytes(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    return words.view(np.uint8).reshape(-1, WORD // 8)


def holds(column: NDArray[Any], condition: AnyOf | Between) -> NDArray[np.bool_]:
    """Which values of a column satisfy a condition."""
    if isinstance(condition, Between):
        held = column >= column.dtype.type(condition.low)
        if condition.high is not None:
            held &= column <= column.dtype.type(condition.high)
        return np.asarray(held)
    # Comparisons of bytes are faster than a look-up of each.
    first, *others = codes_of(condition)
    held = column == np.uint8(first)
    for code in others:
        held |= column == np.uint8(code)
    return np.asarray(held)
