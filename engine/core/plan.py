"""From bound expressions to a flat program for one snapshot and one instant.

1. Walk each bound tree once, children before parents, without recursion: a chain of segment
   references may be deeper than the interpreter's stack.
2. Every predicate becomes a leaf over stored integers and codes (`engine.core.leaf_plan`), or
   true or false where the dictionaries decide it alone.
3. Equal nodes become one, so that what several expressions share is evaluated once a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from weakref import WeakMethod

import numpy as np
from numpy.typing import NDArray

from engine.core.leaf_plan import LeafPlanner
from engine.core.operations import IntRangeLeaf, LeafLogic, Node, Plan, RowsLeaf, SetLeaf
from engine.core.score_plan import plan_score
from engine.rules import bound
from engine.rules.bound_scores import BoundScore

__all__ = ["Planner"]


# Predicates that no other is a part of, nor of a score that they read.
_ALONE = frozenset({bound.BoundCategory, bound.BoundSet, bound.BoundBool, bound.BoundText})


class Planner:
    """Adds expressions to one plan; what they share is planned once.

    `node_of` maps each tree node of the expressions added (by `id`) to its place in the plan.
    A segment in `memberships` (name -> number of its membership field) is read from there, and
    not planned.
    """

    def __init__(self, leaves: LeafPlanner, memberships: Mapping[str, int] | None = None) -> None:
        self.plan = Plan(columns=leaves.columns)
        self.node_of: dict[int, int] = {}
        self._leaves = leaves
        # Weakly: a circle of references would hold the snapshot until it is collected.
        leaves.numbers.score_field = WeakMethod(self._score_field)
        self._scores: dict[int, tuple[BoundScore, int]] = {}
        # Not a copy: the caller may add to it before the next expression.
        self._memberships = {} if memberships is None else memberships
        self._known: dict[Node, int] = {}
        self._planned: dict[int, int] = {}
        self._alive: list[bound.BoundExpr] = []  # keeps the ids in `_planned` from being reused

    def add(self, expression: bound.BoundExpr) -> int:
        """Node of the expression. Raises NotYet for constructs without an evaluator."""
        self._alive.append(expression)
        waiting = [expression]
        while waiting:
            item = waiting[-1]
            if id(item) in self._planned:
                waiting.pop()
                continue
            missing = []
            for part in self._children(item):
                if type(part) in _ALONE or _is_between(part):
                    self._plan(part)
                elif id(part) not in self._planned:
                    missing.append(part)
            if missing:
                waiting.extend(reversed(missing))
                continue
            waiting.pop()
            self._plan(item)
        return self._planned[id(expression)]

    def rows(self, rows: NDArray[np.uint32]) -> int:
        """Node of some profiles, by their rows: sorted, without repeats."""
        return self._node(Node("leaf", leaf=RowsLeaf(rows)))

    def both(self, one: int, other: int) -> int:
        """Node of the profiles that are in two others."""
        return one if one == other else self._node(Node("and", (one, other)))

    def _plan(self, item: bound.BoundExpr) -> None:
        """Plans an item whose parts are planned, unless it is."""
        if id(item) in self._planned:
            return
        place = self._planned[id(item)] = self._place(item)
        if item.node is not None:
            self.node_of[id(item.node)] = place

    def _place(self, item: bound.BoundExpr) -> int:
        match item:
            case bound.BoundConstant(value=value):
                return self._node(Node("true" if value else "false"))
            case bound.BoundSegment(name=name) if name in self._memberships:
                return self._node(Node("leaf", leaf=SetLeaf(self._memberships[name], (0,))))
            case bound.BoundSegment(body=body):
                return self._planned[id(body)]
            case bound.BoundNot(item=inner):
                return self._node(Node("not", (self._planned[id(inner)],)))
            case bound.BoundAnd(items=items) if _is_between(item):
                return self._logic(_in_both(*(self._leaves.plan(part) for part in items)))
            case bound.BoundAnd(items=items):
                return self._join("and", items)
            case bound.BoundOr(items=items):
                return self._join("or", items)
            case _:
                return self._logic(self._leaves.plan(item))

    def _score_field(self, score: BoundScore) -> int:
        """The field of a score's points, whose conditions are nodes of this plan."""
        # Kept with what it was planned for, so that the address is not given to another.
        known = self._scores.get(id(score))
        if known is None:
            # Where a leaf reads it they are planned by now, and nothing recurses.
            nodes = [self.add(condition) for condition in score.conditions]
            known = score, plan_score(score, nodes, self._leaves.numbers.events)
            self._scores[id(score)] = known
        return known[1]

    def _join(self, kind: Literal["and", "or"], items: tuple[bound.BoundExpr, ...]) -> int:
        # Repeats add nothing: `a and a` is `a`.
        children = tuple(dict.fromkeys(self._planned[id(item)] for item in items))
        if len(children) == 1:
            return children[0]
        return self._node(Node(kind, children))

    def _logic(self, planned: LeafLogic) -> int:
        """Place of a leaf, of true or false, or of leaves joined, or of the complement of one."""
        if isinstance(planned, bool):
            return self._node(Node("true" if planned else "false"))
        if isinstance(planned, tuple):
            kind, leaves = planned
            if kind == "not":
                (inner,) = leaves
                return self._node(Node(kind, (self._logic(inner),)))
            children = tuple(dict.fromkeys(self._logic(leaf) for leaf in leaves))
            return children[0] if len(children) == 1 else self._node(Node(kind, children))
        return self._node(Node("leaf", leaf=planned))

    def _node(self, node: Node) -> int:
        nodes = self.plan.nodes
        # Once, since the hash of a node costs as much as the rest.
        place = self._known.setdefault(node, len(nodes))
        if place == len(nodes):
            nodes.append(node)
        return place

    def _children(self, item: bound.BoundExpr) -> tuple[bound.BoundExpr, ...]:
        if isinstance(item, bound.BoundSegment) and item.name in self._memberships:
            return ()
        return () if _is_between(item) else bound.parts_of(item)


def _is_between(item: bound.BoundExpr) -> bool:
    """Whether it is two comparisons that no text says by themselves, of what needs nothing planned
    before it: the ends of a `between`."""
    return (
        isinstance(item, bound.BoundAnd)
        and len(item.items) == 2
        and all(isinstance(part, bound.BoundCompare) for part in item.items)
        and all(part.node is None and not bound.parts_of(part) for part in item.items)
    )


def _in_both(one: LeafLogic, other: LeafLogic) -> LeafLogic:
    """Both of two leaves: a single range where they are ranges of one field, so that its column is
    read once."""
    if (
        isinstance(one, IntRangeLeaf)
        and isinstance(other, IntRangeLeaf)
        and one.field == other.field
        and not (one.negated or other.negated)
    ):
        low, high = max(one.low, other.low), min(one.high, other.high)
        return low <= high and IntRangeLeaf(one.field, low, high, negated=False)
    if isinstance(one, bool) or isinstance(other, bool):
        return (one and other) if isinstance(one, bool) else (other and one)
    return "and", (one, other)
