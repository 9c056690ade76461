"""The flips of a comparison of attributes with `now`, exactly: see `engine.live.linear_forms`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.number_plan import attribute_field
from engine.live.flips import NEVER, BlockFlips, Passing, first_ahead
from engine.live.linear_forms import LinearTest
from engine.live.rows_read import NumberSource, RowsRead
from engine.rules import bound
from engine.store.snapshot import Snapshot

__all__ = ["LinearFlips"]


class LinearFlips:
    """One comparison, or one `in`, of a form with `now`; see FlipLeaf."""

    def __init__(self, predicate: bound.BoundCompare | bound.BoundIn) -> None:
        assert predicate.form.now_factor, "what does not read now has no flips"
        self._sources = [_known(term.source) for term in predicate.form.terms]
        scales = [10**source.attribute.scale for source in self._sources]
        self._test = LinearTest(predicate, scales)

    @property
    def passing(self) -> Passing | None:
        """See FlipFinder."""
        return None

    def fields(self, snapshot: Snapshot) -> frozenset[int]:
        """See FlipLeaf."""
        found = (attribute_field(snapshot, source.attribute) for source in self._sources)
        return frozenset(field for field in found if field is not None)

    def between(
        self, read: RowsRead, after_us: int, through_us: int, most_ahead: int = 0
    ) -> BlockFlips:
        """See FlipLeaf."""
        found_rows, found = [], []
        ahead_rows, ahead = [read.rows[:0]], [np.zeros(0, np.int64)]
        for instants in self._test.instants(*self._totals(read)):
            is_ahead = instants > through_us
            hit = np.flatnonzero((instants > after_us) & ~is_ahead)
            found_rows.append(read.rows[hit])
            found.append(instants[hit])
            if most_ahead:
                later = np.flatnonzero(is_ahead & (instants < NEVER))
                ahead_rows.append(read.rows[later])
                ahead.append(instants[later])
        first = first_ahead(np.concatenate(ahead_rows), np.concatenate(ahead), most_ahead)
        return BlockFlips(np.concatenate(found_rows), np.concatenate(found), *first)

    def next_of(self, read: RowsRead, after_us: int) -> NDArray[np.int64]:
        """See FlipLeaf."""
        soonest = np.full(len(read.rows), NEVER, np.int64)
        for instants in self._test.instants(*self._totals(read)):
            np.minimum(soonest, np.where(instants > after_us, instants, NEVER), out=soonest)
        return soonest

    def holds(
        self,
        read: RowsRead,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        scores: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.bool_]:
        """See FlipLeaf."""
        totals, present = self._totals(read)
        return present[places] & self._test.passes(totals[places], instants)

    def _totals(self, read: RowsRead) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """N of each row, int64 or objects, and which rows have it."""
        sums, present, reach = read.sums(self._sources, self._test.factors)
        return self._test.totals(sums, reach), present


def _known(source: bound.Source) -> NumberSource:
    assert isinstance(source, NumberSource), "what is made of events has finders of its own"
    return source
