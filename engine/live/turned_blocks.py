"""A calendar turns for whole blocks, as at a local midnight in a tick that is cut into slices.

Who passes the beginning of a day or a month is then about everybody with events, and to list them
costs more than to evaluate. So nobody is listed:

1. each segment that reads a window of that calendar is evaluated over the block as of each instant
   at which it turns, and compared with who was in before (engine.live.whole_blocks);
2. rows that flip at other instants too, of which there are few, and rows that are ahead of their
   block stand apart, and are judged one by one at all their flips;
3. the other segments are judged as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.live.finder_cursors import among
from engine.live.flip_outcome import FlipOutcome, judge_flips, judged_as_few
from engine.live.moving_plan import LeafFlips, MovingPlan
from engine.live.row_places import union_of_rows
from engine.live.rows_read import BlockRead
from engine.live.time_span import Span
from engine.live.whole_blocks import Massed, WholeBlocks, marks_of, massed, packed
from engine.store.snapshot import Snapshot

__all__ = ["judge_turned"]

_NO_ROWS = np.zeros(0, np.uint32)


def judge_turned(
    plan: MovingPlan,
    snapshot: Snapshot,
    read: BlockRead,
    turning: Mapping[int, Sequence[int]],  # finder -> when its calendar turned
    found: Sequence[LeafFlips],
    outcome: FlipOutcome,
    whole: WholeBlocks,
    span: Span,
) -> None:
    """Judges a block at the instants at which a calendar turned. `found` are its flips without
    those of rows that flip when it turns and at no other instant, but for the finders that are
    not `turning`: of these they are all."""
    leaves_of = plan.parts.leaves_of
    segments = [i for i, leaves in enumerate(leaves_of) if not turning.keys().isdisjoint(leaves)]
    read_by = {number for i in segments for number in leaves_of[i]}
    block, mine = read.block, [flips for flips in found if flips[0] in read_by]
    instants = {at for of_finder in turning.values() for at in of_finder}
    more = massed([flips[1:] for flips in mine]) if mine else None
    instants.update(() if more is None else more.instants[block])
    at = np.array(sorted(instants), np.int64)
    pieces = [rows[~np.isin(of_rows, at)] for _, rows, of_rows in mine]
    if span.clocks is not None:
        pieces.append(span.clocks.of_block(block))
    rows = union_of_rows(pieces) if any(map(len, pieces)) else _NO_ROWS
    apart = packed(marks_of(rows))
    one = Massed({block: at.tolist()}, {block: apart}, (rows[:0], at[:0]))
    moves, evaluated = whole.moves(block, dict.fromkeys(segments, one))
    outcome.add_together(moves)
    outcome.rows_evaluated += evaluated
    own: list[LeafFlips] = []
    if len(rows):
        # Whoever does not flip when the calendar turns is judged for nothing.
        turns = [
            (number, np.tile(rows, len(of_finder)), np.repeat(np.array(of_finder), len(rows)))
            for number, of_finder in turning.items()
        ]
        own = span.ahead([*among(rows, mine), *turns])
    turned = set(segments)
    others = [i for i in range(len(leaves_of)) if i not in turned]
    if judged_as_few(plan, snapshot, [(segments, own), (others, found)], outcome):
        return
    if own:
        judge_flips(plan, snapshot, own, outcome, segments=segments)
    judge_flips(plan, snapshot, found, outcome, whole=whole, apart=span.clocks, segments=others)
