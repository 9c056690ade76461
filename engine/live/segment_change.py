"""What becomes of stored definitions: by a record of the log or an evaluation of everything, and by
the passing of time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from engine.live.change import NO_MOVES, FieldBlocks, Flips, Moves, Numbered, Transition
from engine.live.fact_changes import FactEvents
from engine.live.kept_names import NamesChange
from engine.live.kept_points import PointsChange

__all__ = ["SegmentChange", "TimeChange"]


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """What one record of the log, or one evaluation of everything, does to stored definitions.

    `moves` are the rows that change after a record, `points` the scores, and `names` the tags that
    properties name; `memberships` are the blocks after an evaluation of everything, by field.
    `transitions` are what the feed tells, in model order, and none is empty; `count_deltas` says by
    how much each definition grew that changed its size; `rows_evaluated` sums over the definitions
    the rows that each was evaluated for.

    After an evaluation of everything `facts` are to be written, and `stale` to be evaluated then;
    the members of `gone` have left, and are stored for nobody any more.
    """

    moves: Moves = NO_MOVES
    points: PointsChange = field(default_factory=PointsChange)
    names: NamesChange = field(default_factory=NamesChange)
    memberships: FieldBlocks = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
    count_deltas: Mapping[str, int] = field(default_factory=dict)
    rows_evaluated: int = 0
    facts: Sequence[FactEvents] = ()
    stale: Sequence[str] = ()
    gone: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class TimeChange:
    """What the passing of time does to stored definitions.

    `definitions` are the (key path, version) that `flips` number; `moves` are the rows that are
    somewhere else in the end. `rows_evaluated` counts a row once for each definition and instant
    that it was judged at, `blocks_read` the blocks looked through for a leaf.
    """

    definitions: Numbered
    flips: Flips
    moves: Moves
    points: PointsChange
    names: NamesChange
    rows_evaluated: int
    blocks_read: int
