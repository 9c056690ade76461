"""Rows judged at their flips, one after the other: what the passing of time does to segments.

Between two flips of a row nothing changes, but for points that halve, of which
`engine.live.fading_stretches` says when that makes a difference. So a row is judged at each of
these instants in the order of time, against what it was in before; each difference is an entry,
and the last one says what is different in the end. The order in which rows, blocks and leaves come
makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.live.change import Flips
from engine.live.fading_stretches import fading_instants
from engine.live.flip_order import FlipRun, all_flips
from engine.live.moving_plan import LeafFlips, MovingPlan, RowsJudged
from engine.live.row_places import places_among, union_of_rows
from engine.live.rows_read import RowsRead
from engine.live.time_span import RowClocks
from engine.live.whole_blocks import (
    BlockMoves,
    FlipsOfRows,
    Massed,
    WholeBlocks,
    are_few,
    massed,
)
from engine.store.snapshot import Snapshot

__all__ = ["Fading", "FlipOutcome", "Passed", "judge_flips", "judged_as_few"]

_NO_ROWS = np.zeros(0, np.uint32)
_NO_INSTANTS = np.zeros(0, np.int64)

# Segments, one for all or one for each; rows; instants; and whether they entered.
_Piece = tuple[int | NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64], NDArray[np.bool_]]

# To ask a program and to find events takes about as long for so many rows as for one.
_FEW_ROWS = 256

# And to judge them at so many flips by all segments takes less time than segment by segment.
_FEW_FLIPS = 1024

# Numbers below this many bits are no less than 0 as int64.
_SIGNED_BITS = 64


@dataclass(frozen=True, slots=True)
class Passed:
    """What the passing of time does to some segments: every entering and leaving, in any order, one
    by one in `single`, the others in `runs`; definitions are the numbers of segments. And what is
    different in the end, of each."""

    single: Flips
    runs: Sequence[FlipRun]
    entered: Sequence[NDArray[np.uint32]]
    left: Sequence[NDArray[np.uint32]]
    rows_evaluated: int
    blocks_read: int

    @property
    def flips(self) -> Flips:
        """Every entering and leaving, one by one in any order."""
        return all_flips(self.single, self.runs)


@dataclass(frozen=True, slots=True)
class Fading:
    """Scores by number, whose points halve in the rows `read` after one instant and up to another.
    What is found of their flips is when events come and go."""

    scores: Sequence[int]
    read: RowsRead
    after_us: int
    through_us: int


def judge_flips(
    plan: MovingPlan,
    snapshot: Snapshot,
    found: Sequence[LeafFlips],
    outcome: FlipOutcome,
    *,
    after_us: int | None = None,
    fading: Fading | None = None,
    whole: WholeBlocks | None = None,
    apart: RowClocks | None = None,
    segments: Iterable[int] | None = None,
) -> None:
    """Judges rows at their flips by the segments (None: all) that read the leaves that flip.

    All flips of a row must come in one call. Who was in what before is what is stored, or with
    `after_us` what was true at that instant. With `whole` all flips of a block come in one call,
    and nothing fades; where many of its rows flip together it is evaluated instead, but for those
    that stand `apart`.
    """
    leaves_of = plan.parts.leaves_of
    flipping = {number for number, _, _ in found}
    all_rows = [of_leaf for _, of_leaf, _ in found]
    if fading is not None:
        for number in fading.scores:
            score = plan.parts.scores[number]
            fades = score.fades(fading.read, fading.after_us, fading.through_us)
            if fades.any():
                flipping.add(number)
                all_rows.append(fading.read.rows[fades])
    if not flipping:
        return
    asked = range(len(leaves_of)) if segments is None else segments
    segments = [i for i in asked if not flipping.isdisjoint(leaves_of[i])]
    if not segments:
        return
    is_plain = fading is None and after_us is None
    if is_plain and judged_as_few(plan, snapshot, [(segments, found)], outcome):
        return
    chosen_of = {i: [flips[1:] for flips in found if flips[0] in leaves_of[i]] for i in segments}
    if whole is not None:
        chosen_of, together = _judge_together(plan, whole, chosen_of, outcome, apart)
        if together:
            segments = list(chosen_of)
            all_rows = [of_some for chosen in chosen_of.values() for of_some, _ in chosen]
            if not any(map(len, all_rows)):
                return
    rows = union_of_rows(all_rows)
    with plan.moved(snapshot, rows):
        if fading is None:
            # Segments with the same flips are asked about the rows of these alone.
            alike: dict[tuple[int, ...], list[int]] = {}
            for i in segments:
                key = tuple(number for number in leaves_of[i] if number in flipping)
                alike.setdefault(key, []).append(i)
            # Few rows are asked about once, by all.
            judged = plan.judged(snapshot, rows, segments) if len(rows) <= _FEW_ROWS else None
            for some in alike.values():
                chosen = chosen_of[some[0]]
                if not any(len(of_rows) for of_rows, _ in chosen):
                    continue
                of_some = judged
                if of_some is None:
                    mine = union_of_rows([of_rows for of_rows, _ in chosen])
                    of_some = plan.judged(snapshot, mine, some)
                _judge_alike(of_some, some, chosen, outcome, after_us)
            return
        read = fading.read if len(fading.read.rows) == len(rows) else None
        judged = plan.judged(snapshot, rows, segments, read)
    for i in segments:
        scores = [plan.parts.scores[n] for n in fading.scores if n in leaves_of[i]]
        flips = _flips_among(rows, chosen_of[i])
        more = fading_instants(judged, i, scores, flips, fading.after_us, fading.through_us)
        outcome.rows_evaluated += more[2]
        places, instants = _each_once(
            np.concatenate([flips[0], more[0]]), np.concatenate([flips[1], more[1]])
        )
        if len(places):
            before = _before(judged, i, after_us)
            outcome.add(i, judged, before, places, instants)


def judged_as_few(
    plan: MovingPlan,
    snapshot: Snapshot,
    asked: Sequence[tuple[Sequence[int], Sequence[LeafFlips]]],
    outcome: FlipOutcome,
) -> bool:
    """Judges rows at their flips where both are few; says whether they are, and else does nothing.

    `asked` are segments, each once, with flips of leaves, of which they are judged at those that
    they read. All are worked out at all of the flips: that takes a call for each leaf, and not for
    each leaf and group of segments, and of so few the calls are what takes time.
    """
    leaves_of = plan.parts.leaves_of
    found = [flips for _, of_leaves in asked for flips in of_leaves]
    count = sum(len(rows) for _, rows, _ in found)
    if not 0 < count <= _FEW_FLIPS or not are_few(count):
        return False
    rows = union_of_rows([rows for _, rows, _ in found])
    if len(rows) > _FEW_ROWS:
        return False
    instants = np.concatenate([instants for _, _, instants in found])
    places = places_among(rows, np.concatenate([rows for _, rows, _ in found]))
    order = np.lexsort((instants, places))
    places, instants = places[order], instants[order]
    fresh = np.append(True, (places[1:] != places[:-1]) | (instants[1:] != instants[:-1]))
    # Of each flip of a leaf its place among the different ones.
    at = np.empty(len(order), np.intp)
    at[order] = np.cumsum(fresh) - 1
    places, instants = places[fresh], instants[fresh]
    segments, own, start = [], [], 0
    for some, of_leaves in asked:
        flips_at: dict[int, list[NDArray[np.intp]]] = {}
        for number, of_rows, _ in of_leaves:
            flips_at.setdefault(number, []).append(at[start : start + len(of_rows)])
            start += len(of_rows)
        for i in some:
            mine = [one for n in leaves_of[i] for one in flips_at.get(n, ())]
            if mine:
                marks = np.zeros(len(places), np.bool_)
                marks[np.concatenate(mine)] = True
                segments.append(i)
                own.append(marks)
    if segments:
        judged = plan.rows(snapshot, rows, segments)
        outcome.add_few(segments, judged, places, instants, np.array(own))
    return True


def _judge_alike(
    judged: RowsJudged,
    segments: Sequence[int],
    chosen: Sequence[FlipsOfRows],
    outcome: FlipOutcome,
    after_us: int | None,
) -> None:
    """Judges rows at their flips by segments that have the same; some at least."""
    places, instants = _flips_among(judged.read.rows, chosen)
    known: dict[int, NDArray[Any]] = {}
    for i in segments:
        outcome.add(i, judged, _before(judged, i, after_us), places, instants, known)


def _before(judged: RowsJudged, segment: int, after_us: int | None) -> NDArray[np.bool_]:
    """Which rows were in a segment before their flips."""
    if after_us is None:
        return judged.stored[segment]
    count = len(judged.read.rows)
    return judged.truth(segment, np.arange(count), np.full(count, after_us))


def _flips_among(
    rows: NDArray[np.uint32], chosen: Sequence[FlipsOfRows]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Flips as places among rows, with instants: by place, then instant, each pair once."""
    of_rows = np.concatenate([_NO_ROWS, *(rows for rows, _ in chosen)])
    instants = np.concatenate([_NO_INSTANTS, *(instants for _, instants in chosen)])
    return _each_once(places_among(rows, of_rows), instants)


def _judge_together(
    plan: MovingPlan,
    whole: WholeBlocks,
    chosen_of: dict[int, list[FlipsOfRows]],
    outcome: FlipOutcome,
    apart: RowClocks | None,
) -> tuple[dict[int, list[FlipsOfRows]], bool]:
    """Judges by whole blocks what flips together; what is left of the flips of each segment, and
    whether that is less."""
    # Segments that read the same leaves have the same flips.
    known: dict[tuple[int, ...], Massed | None] = {}
    of_block: dict[int, dict[int, Massed]] = {}
    left = {}
    for i, chosen in chosen_of.items():
        key = tuple(plan.parts.leaves_of[i])
        if key not in known:
            known[key] = massed(chosen, apart)
        one = known[key]
        if one is None:
            left[i] = chosen
            continue
        if len(one.rest[0]):
            left[i] = [one.rest]
        for block in one.instants:
            of_block.setdefault(block, {})[i] = one
    for block, segments in of_block.items():
        moves, evaluated = whole.moves(block, segments)
        outcome.add_together(moves)
        outcome.rows_evaluated += evaluated
    return left, bool(of_block)


def _each_once(
    places: NDArray[np.intp], instants: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """By place, then instant, each pair once."""
    same = places[1:] == places[:-1]
    if ((places[1:] > places[:-1]) | (same & (instants[1:] > instants[:-1]))).all():
        return places, instants
    first_us = int(instants.min())
    bits = (int(instants.max()) - first_us).bit_length()
    if bits + int(places.max()).bit_length() < _SIGNED_BITS:
        # Both in one number are sorted without an order that is carried along.
        pairs = np.sort((places << bits) | (instants - first_us))
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
        return pairs >> bits, (pairs & ((1 << bits) - 1)) + first_us
    order = np.lexsort((instants, places))
    places, instants = places[order], instants[order]
    fresh = np.ones(len(places), np.bool_)
    fresh[1:] = (places[1:] != places[:-1]) | (instants[1:] != instants[:-1])
    return places[fresh], instants[fresh]


class FlipOutcome:
    """Collects what happens to the segments on the way."""

    def __init__(self, segment_count: int) -> None:
        self.rows_evaluated = self.blocks_read = 0
        self._pieces: list[_Piece] = []
        self._runs: list[FlipRun] = []
        self._entered: list[list[NDArray[np.uint32]]] = [[] for _ in range(segment_count)]
        self._left: list[list[NDArray[np.uint32]]] = [[] for _ in range(segment_count)]

    def add(
        self,
        segment: int,
        judged: RowsJudged,
        before: NDArray[np.bool_],
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        known: dict[int, NDArray[Any]] | None = None,
    ) -> None:
        """Judges the rows at some places by a segment at their flips, by place, then instant; some
        at least. `before` says which of the rows judged were in it before the first; `known` keeps
        what other segments of the same flips came to."""
        rows = judged.read.rows[places]
        truth = judged.truth(segment, places, instants, known)
        was = before[places]
        first = np.ones(len(rows), np.bool_)
        first[1:] = places[1:] != places[:-1]
        before_each = was.copy()
        np.copyto(before_each[1:], truth[:-1], where=~first[1:])
        moved = truth != before_each
        self.rows_evaluated += len(rows)
        if not moved.any():
            return
        self._pieces.append((segment, rows[moved], instants[moved], truth[moved]))
        last = np.append(first[1:], True)
        self._entered[segment].append(rows[last & truth & ~was])
        self._left[segment].append(rows[last & ~truth & was])

    def add_few(
        self,
        segments: Sequence[int],
        judged: RowsJudged,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        own: NDArray[np.bool_],  # of each segment which of the flips are its own
    ) -> None:
        """The same by several segments for the flips of all, of which each row has one."""
        known: dict[int, NDArray[Any]] = {}
        truth = np.array([judged.truth(i, places, instants, known) for i in segments])
        was = np.array([judged.stored[i] for i in segments])
        first = np.append(True, places[1:] != places[:-1])
        starts = np.flatnonzero(first)
        before = np.empty_like(truth)
        before[:, 1:] = truth[:, :-1]
        before[:, starts] = was
        moved = (truth != before) & own
        self.rows_evaluated += int(np.count_nonzero(own))
        numbers = np.array(segments, np.uint32)
        which, flips = np.nonzero(moved)
        if not len(which):
            return
        rows = judged.read.rows
        self._pieces.append(
            (numbers[which], rows[places[flips]], instants[flips], truth[which, flips])
        )
        ends = np.append(starts[1:], len(places)) - 1
        differ = np.logical_or.reduceat(moved, starts, axis=1) & (truth[:, ends] != was)
        for place in np.flatnonzero(differ.any(axis=1)).tolist():
            of_segment = differ[place]
            self._entered[segments[place]].append(rows[of_segment & ~was[place]])
            self._left[segments[place]].append(rows[of_segment & was[place]])

    def add_together(self, moves: Sequence[BlockMoves]) -> None:
        """Takes what happens in a block, segment by segment, each in the order of time."""
        at_ends: dict[int, list[BlockMoves]] = {}
        for one in moves:
            for rows, entered in ((one.entered, True), (one.left, False)):
                if len(rows):
                    self._runs.append(FlipRun(one.instant_us, one.segment, entered, rows))
            at_ends.setdefault(one.segment, []).append(one)
        for segment, of_segment in at_ends.items():
            came, went = of_segment[0].entered, of_segment[0].left
            if len(of_segment) > 1:
                came = np.concatenate([one.entered for one in of_segment])
                went = np.concatenate([one.left for one in of_segment])
                came, went = _more_often(came, went), _more_often(went, came)
            self._entered[segment].append(came)
            self._left[segment].append(went)

    def passed(self) -> Passed:
        """Everything."""
        ends = np.cumsum([0, *(len(rows) for _, rows, _, _ in self._pieces)]).tolist()
        flips = Flips(
            np.empty(ends[-1], np.int64),
            np.empty(ends[-1], np.uint32),
            np.empty(ends[-1], np.uint32),
            np.empty(ends[-1], np.bool_),
        )
        for piece, start, end in zip(self._pieces, ends, ends[1:], strict=False):
            segments, rows, instants, entered = piece
            flips.definitions[start:end] = segments
            flips.rows[start:end] = rows
            flips.instants[start:end] = instants
            flips.entered[start:end] = entered
        return Passed(
            flips,
            self._runs,
            [_joined(rows) for rows in self._entered],
            [_joined(rows) for rows in self._left],
            self.rows_evaluated,
            self.blocks_read,
        )


def _joined(pieces: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    if len(pieces) < 2:
        return pieces[0] if pieces else _NO_ROWS
    rows = np.concatenate(pieces)
    # Blocks come in order, and the rows of each piece too; but some rows of a block come apart.
    # A stable sort merges such runs.
    return rows if (rows[1:] > rows[:-1]).all() else np.sort(rows, kind="stable")


def _more_often(some: NDArray[np.uint32], others: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The rows that are once more among some than among others, sorted."""
    rows, counts = np.unique(some, return_counts=True)
    rows_of_others, less = np.unique(others, return_counts=True)
    both = np.isin(rows_of_others, rows)
    counts[np.searchsorted(rows, rows_of_others[both])] -= less[both]
    return rows[counts > 0]
