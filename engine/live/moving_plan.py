"""Segments that move with the clock, judged for single rows at instants of their own.

What a row is in at an instant depends on its data, which stands still while only time passes, and
on the leaves that move with it. So a definition is taken apart once:

1. its greatest parts that stand still become roots of one program over the blocks
   (`engine.live.segment_plan`), asked once for each row, however many instants it is judged at;
2. its leaves with `now`, or over events, are finders of flips (`engine.live.flips`), which say what
   holds when;
3. a score is a step that makes a number of its rules (`engine.live.score_flips`): its children are
   what its `when` rules ask, and the leaves that compare it have it for a child;
4. what joins all this is a flat list of steps, children first, worked off over arrays with one
   element for each (row, instant).

Equal leaves, equal parts and scores of several segments are there once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.core.memberships import holds_row
from engine.core.row_tests import test_many
from engine.live.change import Touched
from engine.live.event_chains import EventChains
from engine.live.event_flips import EventFlips, EventSources
from engine.live.flips import FlipFinder, FlipLeaf
from engine.live.linear_flips import LinearFlips
from engine.live.rows_read import RowsRead
from engine.live.score_flips import ScoreFlips
from engine.live.segment_plan import SegmentPlan
from engine.live.sequence_flips import SequenceFlips
from engine.live.standing_list import StandingList
from engine.model.definitions import Model
from engine.rules import bound
from engine.rules.bound_events import BoundSequence
from engine.rules.bound_scores import BoundScore
from engine.rules.half_life import HOUR_US
from engine.rules.time_dependence import moves
from engine.store.catalog import LIVE
from engine.store.snapshot import Snapshot

__all__ = [
    "FADING_ROWS",
    "FADING_US",
    "Bounds",
    "LeafFlips",
    "MovingParts",
    "MovingPlan",
    "RowsJudged",
    "flip_leaf",
]

# A finder by number, and rows with an instant each at which it flips.
LeafFlips = tuple[int, NDArray[np.uint32], NDArray[np.int64]]

# Whether something may be true, and whether it may not.
Bounds = tuple[NDArray[np.bool_], NDArray[np.bool_]]

# Of how long a stretch of time the changes of points that halve are listed, and each is judged.
FADING_US = 8 * HOUR_US

# Rows that are looked through at a time where it is longer: each may flip often meanwhile.
FADING_ROWS = 8192

# The part that holds for every live row.
_ALIVE = bound.BoundConstant(True, None)


@dataclass(frozen=True, slots=True)
class _Step:
    """`index` is that of a part or a finder, `children` are earlier steps: of a leaf the scores it
    reads, of a score its conditions."""

    kind: Literal["part", "leaf", "score", "and", "or", "not"]
    index: int = 0
    children: tuple[int, ...] = ()


def flip_leaf(leaf: bound.BoundExpr, sources: EventSources, model: Model) -> FlipLeaf:
    """The finder of a predicate that moves."""
    if isinstance(leaf, BoundSequence):
        return SequenceFlips(leaf, sources, model)
    if bound.aggregates_of(leaf) or bound.scores_of(leaf):
        return EventFlips(leaf, sources, model)
    assert isinstance(leaf, bound.BoundCompare | bound.BoundIn)
    return LinearFlips(leaf)


class MovingParts:
    """Definitions taken apart; follows from the model alone.

    Of segment i in the order of `bodies`: `roots[i]` is its step, `steps_of[i]` the steps that it
    needs, `leaves_of[i]` its finders and `parts_of[i]` its parts, all by number and in order.
    `leaves` are the finders of leaves and of scores. Behind the roots of the bodies stand those of
    `scores`, which are numbers.
    `parts` are the expressions that stand still, the first of which holds for every live row.
    """

    def __init__(
        self,
        model: Model,
        bodies: Mapping[str, bound.BoundExpr],
        scores: Sequence[BoundScore] = (),
    ) -> None:
        self.leaves: list[FlipFinder] = []
        self.judges: dict[int, FlipLeaf] = {}
        self.scores: dict[int, ScoreFlips] = {}
        self.parts: list[bound.BoundExpr] = [_ALIVE]
        self.zone = model.time_zone
        self._model = model
        self._sources = EventSources(model)
        self._steps: list[_Step] = []
        self._known_steps: dict[_Step, int] = {}
        self._known_leaves: dict[object, int] = {}
        self._known_parts: dict[object, int] = {}
        self._placed: dict[int, int] = {}
        self._moving: dict[int, bool] = {}
        self.roots = [self._add(body) for body in bodies.values()]
        self.roots += [self._add_score(score) for score in scores]
        self.steps_of = [self._needed(root) for root in self.roots]
        self.leaves_of = [self._indexes(steps, "leaf", "score") for steps in self.steps_of]
        self.parts_of = [self._indexes(steps, "part") for steps in self.steps_of]

    def step_at(self, number: int) -> _Step:
        """One step."""
        return self._steps[number]

    def score_name(self, number: int) -> str:
        """The name of the score of a step."""
        return self.scores[self._steps[number].index].name

    def fading(self, finders: Iterable[int], after_us: int, through_us: int) -> list[int]:
        """Those of some finders whose points halve so often within a stretch of time that it is
        cheaper to look for what follows from it than at each hour."""
        if through_us - after_us <= FADING_US:
            return []
        return [n for n in finders if n in self.scores and self.scores[n].fading_us]

    def flips(
        self,
        read: RowsRead,
        finders: Iterable[int],
        after_us: int,
        through_us: int,
        fading: Sequence[int] = (),
    ) -> list[LeafFlips]:
        """The flips of some rows after one instant and up to another, finder by finder; those that
        have none are left out. Of the `fading` only those at which events come and go."""
        found = []
        for number in finders:
            if number in fading:
                one = self.scores[number].edges(read, after_us, through_us)
            else:
                one = self.leaves[number].between(read, after_us, through_us)
            if len(one.rows):
                found.append((number, one.rows, one.instants))
        return found

    def _add(self, expression: bound.BoundExpr) -> int:
        self._mark(expression)
        waiting = [expression]
        while waiting:
            item = waiting[-1]
            if id(item) in self._placed:
                waiting.pop()
                continue
            children = self._children(item)
            missing = [child for child in children if id(child) not in self._placed]
            if missing:
                waiting.extend(reversed(missing))
                continue
            waiting.pop()
            self._placed[id(item)] = self._place(item)
        return self._placed[id(expression)]

    def _add_score(self, score: BoundScore) -> int:
        for condition in score.conditions:
            self._add(condition)
        return self._score(score)

    def _mark(self, expression: bound.BoundExpr) -> None:
        """Finds out which parts move; a chain of segments may be too deep for recursion."""
        waiting = [expression]
        while waiting:
            item = waiting[-1]
            parts = bound.parts_of(item)
            missing = [part for part in parts if id(part) not in self._moving]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            self._moving[id(item)] = moves(item) or any(self._moves(part) for part in parts)

    def _children(self, item: bound.BoundExpr) -> tuple[bound.BoundExpr, ...]:
        """What of an item has to be placed first: what moves in it, and of scores that move with
        it all that they ask."""
        parts = bound.parts_of(item)
        if self._moves(item) and bound.scores_of(item):
            return parts
        return tuple(part for part in parts if self._moves(part))

    def _moves(self, item: bound.BoundExpr) -> bool:
        return self._moving[id(item)]

    def _place(self, item: bound.BoundExpr) -> int:
        if not self._moves(item):
            return self._part(item)
        match item:
            case bound.BoundSegment(body=body):
                return self._placed[id(body)]
            case bound.BoundNot(item=inner):
                return self._step(_Step("not", children=(self._placed[id(inner)],)))
            case bound.BoundAnd(items=items) | bound.BoundOr(items=items):
                moving = [self._placed[id(one)] for one in items if self._moves(one)]
                still = tuple(one for one in items if not self._moves(one))
                if still:
                    joined = type(item)(still, None) if len(still) > 1 else still[0]
                    moving.append(self._part(joined))
                if len(moving) == 1:
                    return moving[0]
                kind: Literal["and", "or"] = "and" if isinstance(item, bound.BoundAnd) else "or"
                return self._step(_Step(kind, children=tuple(dict.fromkeys(moving))))
            case _:
                return self._leaf(item)

    def _step(self, step: _Step) -> int:
        number = self._known_steps.get(step)
        if number is None:
            number = self._known_steps[step] = len(self._steps)
            self._steps.append(step)
        return number

    def _part(self, part: bound.BoundExpr) -> int:
        # By identity: a part that is equal becomes one node of the program anyhow.
        number = self._known_parts.get(id(part))
        if number is None:
            number = self._known_parts[id(part)] = len(self.parts)
            self.parts.append(part)
        return self._step(_Step("part", number))

    def _leaf(self, leaf: bound.BoundExpr) -> int:
        # Where it came from makes no difference.
        key = replace(leaf, node=None)
        number = self._known_leaves.get(key)
        if number is None:
            number = self._known_leaves[key] = len(self.leaves)
            self.judges[number] = flip_leaf(leaf, self._sources, self._model)
            self.leaves.append(self.judges[number])
        scores = tuple(self._score(score) for score in bound.scores_of(leaf))
        return self._step(_Step("leaf", number, scores))

    def _score(self, score: BoundScore) -> int:
        number = self._known_leaves.get(score)
        if number is None:
            number = self._known_leaves[score] = len(self.leaves)
            self.scores[number] = ScoreFlips(score, self._sources, self._model)
            self.leaves.append(self.scores[number])
        conditions = tuple(self._placed[id(one)] for one in score.conditions)
        return self._step(_Step("score", number, conditions))

    def _needed(self, root: int) -> list[int]:
        needed, waiting = set[int](), [root]
        while waiting:
            number = waiting.pop()
            if number not in needed:
                needed.add(number)
                waiting.extend(self._steps[number].children)
        return sorted(needed)

    def _indexes(self, steps: Sequence[int], *kinds: str) -> list[int]:
        found = {self._steps[n].index for n in steps if self._steps[n].kind in kinds}
        return sorted(found)


class MovingPlan:
    """The parts of moving segments, bound to one state of the store after the other.

    `stored` are the membership fields of the segments, in their order; with none of them, who is
    stored as a member cannot be asked. `reads[i]` has the numbers of the fields that segment i
    reads. `kept`: for the states to come, too. Raises NotFound for a list that is not there.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        model: Model,
        parts: MovingParts,
        *,
        stored: Sequence[int] = (),
        lists: Mapping[str, StandingList] | None = None,
        kept: bool = True,
        chains: EventChains | None = None,
    ) -> None:
        self.parts = parts
        self._chains = chains
        self._stored = tuple(stored)
        bodies = {str(number): part for number, part in enumerate(parts.parts)}
        memberships = {f"stored {field}": field for field in stored}
        bodies |= {name: bound.BoundSegment(name, _ALIVE, None) for name in memberships}
        self.still = SegmentPlan(
            snapshot, model, bodies, stored=memberships, lists=lists, kept=kept
        )
        self._part_roots = self.still.roots[: len(parts.parts)]
        self._stored_roots = self.still.roots[len(parts.parts) :]
        self.leaf_fields = [leaf.fields(snapshot) for leaf in parts.leaves]
        self.reads = [
            frozenset({LIVE.id}).union(
                *(self.still.reads[number] for number in parts.parts_of[i]),
                *(self.leaf_fields[number] for number in parts.leaves_of[i]),
            )
            for i in range(len(parts.roots))
        ]

    def fits(self, snapshot: Snapshot, touched: Touched) -> bool:
        """Whether the plan still says the same of a later state, whose changes are `touched`."""
        return self.still.fits(snapshot, touched)

    def rows(
        self,
        snapshot: Snapshot,
        rows: NDArray[np.uint32],
        segments: Sequence[int],
        read: RowsRead | None = None,
    ) -> RowsJudged:
        """Everything that is asked of rows (uint32, sorted, each once) for some segments; `read` is
        what was read of them already."""
        with self.moved(snapshot, rows):
            return self.judged(snapshot, rows, segments, read)

    @contextlib.contextmanager
    def moved(self, snapshot: Snapshot, rows: NDArray[np.uint32]) -> Iterator[None]:
        """Inside, some of these rows can be asked about with `judged`."""
        self.still.move(snapshot, rows)
        try:
            yield
        finally:
            self.still.program.unbind()  # pins no pages until the next record

    def judged(
        self,
        snapshot: Snapshot,
        rows: NDArray[np.uint32],
        segments: Sequence[int],
        read: RowsRead | None = None,
    ) -> RowsJudged:
        """As `rows`, of some of those that the plan was moved to."""
        numbers = sorted({0}.union(*(self.parts.parts_of[i] for i in segments)))
        chosen = [self._part_roots[number] for number in numbers]
        if self._stored_roots:
            chosen += [self._stored_roots[i] for i in segments]
        truths = test_many(self.still.program, chosen, rows)
        parts = dict(zip(numbers, truths, strict=False))
        stored = dict(zip(segments, truths[len(numbers) :], strict=False))
        if self._stored:
            self._look_up_dead(snapshot, rows, parts[0], stored)
        read = read or RowsRead(snapshot, rows, self.parts.zone, self._chains)
        return RowsJudged(self.parts, read, parts, stored)

    def _look_up_dead(
        self,
        snapshot: Snapshot,
        rows: NDArray[np.uint32],
        alive: NDArray[np.bool_],
        stored: Mapping[int, NDArray[np.bool_]],
    ) -> None:
        """Whether rows that have just died are stored as members; a program says no of them."""
        for place in np.flatnonzero(~alive).tolist():
            row = int(rows[place])
            for i, members in stored.items():
                members[place] = holds_row(snapshot.addresses(self._stored[i]), row)


@dataclass(frozen=True, slots=True, eq=False)
class RowsJudged:
    """Some rows, with what does not move: the truth of each part, by number, and whether they are
    stored as members, by the number of the segment."""

    definitions: MovingParts
    read: RowsRead
    parts: Mapping[int, NDArray[np.bool_]]
    stored: Mapping[int, NDArray[np.bool_]]

    def truth(
        self,
        segment: int,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        known: dict[int, NDArray[Any]] | None = None,
    ) -> NDArray[np.bool_]:
        """Whether the rows at some places are in a segment, each at the instant beside it. `known`
        keeps what steps came to, for other segments of the same rows and instants."""
        # For live rows plain negation is right, and the others are in nothing.
        root = self._root(segment, places, instants, known)
        found: NDArray[np.bool_] = root & self.parts[0][places]
        return found

    def points(
        self, score: int, places: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The thousandths of a score, by the number of its root, of the rows at some places, each
        at the instant beside it; of rows that are no more they mean nothing."""
        return self._root(score, places, instants)

    def _root(
        self,
        segment: int,
        places: NDArray[np.intp],
        instants: NDArray[np.int64],
        known: dict[int, NDArray[Any]] | None = None,
    ) -> NDArray[Any]:
        definitions = self.definitions
        known = {} if known is None else known
        for number in definitions.steps_of[segment]:
            if number in known:
                continue
            step = definitions.step_at(number)
            match step.kind:
                case "part":
                    known[number] = self.parts[step.index][places]
                case "leaf":
                    leaf = definitions.judges[step.index]
                    scores = {definitions.score_name(n): known[n] for n in step.children}
                    known[number] = leaf.holds(self.read, places, instants, scores)
                case "score":
                    score = definitions.scores[step.index]
                    asked = [known[n] for n in step.children]
                    known[number] = score.values(self.read, places, instants, asked)
                case "not":
                    known[number] = ~known[step.children[0]]
                case "and":
                    known[number] = np.logical_and.reduce([known[n] for n in step.children])
                case "or":
                    known[number] = np.logical_or.reduce([known[n] for n in step.children])
        return known[definitions.roots[segment]]

    def bounds(
        self,
        segment: int,
        places: NDArray[np.intp],
        from_us: NDArray[np.int64],
        through_us: NDArray[np.int64],
    ) -> Bounds:
        """Whether the rows at some places may be in a segment, and whether they may not, on the
        way from each instant to the one beside it. No leaf flips there; points may halve."""
        definitions = self.definitions
        truths: dict[int, Bounds] = {}
        scores: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        for number in definitions.steps_of[segment]:
            step = definitions.step_at(number)
            asked = [truths[n] for n in step.children if n in truths]
            match step.kind:
                case "part":
                    holds = self.parts[step.index][places]
                    truths[number] = holds, ~holds
                case "leaf":
                    truths[number] = self._leaf_bounds(step, places, from_us, scores)
                case "score":
                    score = definitions.scores[step.index]
                    scores[number] = score.bounds(self.read, places, from_us, through_us, asked)
                case "not":
                    ((may, may_not),) = asked
                    truths[number] = may_not, may
                case "and":
                    truths[number] = (
                        np.logical_and.reduce([may for may, _ in asked]),
                        np.logical_or.reduce([may_not for _, may_not in asked]),
                    )
                case "or":
                    truths[number] = (
                        np.logical_or.reduce([may for may, _ in asked]),
                        np.logical_and.reduce([may_not for _, may_not in asked]),
                    )
        alive = self.parts[0][places]
        may, may_not = truths[definitions.roots[segment]]
        return may & alive, may_not | ~alive

    def _leaf_bounds(
        self,
        step: _Step,
        places: NDArray[np.intp],
        from_us: NDArray[np.int64],
        scores: Mapping[int, tuple[NDArray[np.int64], NDArray[np.int64]]],
    ) -> Bounds:
        leaf = self.definitions.judges[step.index]
        if not step.children:
            holds = leaf.holds(self.read, places, from_us)
            return holds, ~holds
        assert isinstance(leaf, EventFlips), "only such leaves read scores"
        names = [self.definitions.score_name(n) for n in step.children]
        lows = dict(zip(names, (scores[n][0] for n in step.children), strict=True))
        highs = dict(zip(names, (scores[n][1] for n in step.children), strict=True))
        return leaf.bounds(self.read, places, from_us, lows, highs)
