"""pyroaring, one thread: a bitmap for each tag; the numbers of a rare tag's rows from numpy.

A bitmap for every value of a number would have to be united by the thousand for one range, so
columns are looked up for the rows that the bitmap names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.questions import Answer, AnyOf, Between, Draw, Has
from bench.rivals.in_numpy import holds
from bench.rivals.rival import ASKED_TAGS, Columns, Rival, bit_of, read_columns

__all__ = ["PyroaringRival"]


class PyroaringRival(Rival):
    """Bitmaps of row numbers."""

    def load(self, files: Sequence[Path]) -> None:
        """The bitmaps, each optimised."""
        from pyroaring import BitMap

        self._bitmaps = {tag: BitMap() for tag in ASKED_TAGS}
        kept: dict[str, list[Any]] = {}
        first = 0
        for columns in read_columns(files):
            bits = columns.pop("tag_bits")
            for tag, bitmap in self._bitmaps.items():
                rows = np.flatnonzero((bits >> np.uint64(bit_of(tag))) & 1) + first
                bitmap |= BitMap(rows.astype(np.uint32))
            for name, column in columns.items():
                kept.setdefault(name, []).append(column)
            first += len(bits)
        for bitmap in self._bitmaps.values():
            bitmap.run_optimize()
            bitmap.shrink_to_fit()
        self._columns: Columns = {name: np.concatenate(kept.pop(name)) for name in list(kept)}

    def ask(self, draw: Draw) -> Answer:
        """A count."""
        (audience,) = draw.audiences
        wanted = [self._bitmaps[c.tag] for c in audience if isinstance(c, Has) and c.wanted]
        refused = [self._bitmaps[c.tag] for c in audience if isinstance(c, Has) and not c.wanted]
        others = [c for c in audience if isinstance(c, AnyOf | Between)]
        hits = wanted[0]
        for bitmap in wanted[1:]:
            hits = hits & bitmap
        if len(refused) == 1 and not others:
            return int(hits.difference_cardinality(refused[0]))
        for bitmap in refused:
            hits = hits - bitmap
        rows = np.asarray(hits.to_array())
        for condition in others:
            rows = rows[holds(self._columns[condition.column][rows], condition)]
        return len(rows)
