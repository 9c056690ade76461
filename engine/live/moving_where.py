"""A condition on events with `now` in it: which events pass at an instant, and when that changes.

Of an event nothing changes but the time. So a condition is taken apart once:

1. parts without `now` are masks over the events, worked out once by the loops that the evaluator
   has for them;
2. a comparison with `now` is a linear form (`engine.live.linear_forms`): a sum over properties of
   each event, which passes on some stretches of time;
3. `and`, `or` and `not` join both for each event and instant asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.live.linear_forms import LinearTest
from engine.model.definitions import Attribute
from engine.rules import bound
from engine.rules.time_dependence import moves, moves_anywhere

__all__ = ["MovingForm", "MovingWhere", "PassingTimes", "split_where"]


def split_where(
    where: bound.BoundExpr | None,
) -> tuple[bound.BoundExpr | None, bound.BoundExpr | None]:
    """A condition as two that must both hold: one without `now`, and one that reads it."""
    if where is None or not moves_anywhere(where):
        return where, None
    if not isinstance(where, bound.BoundAnd):
        return None, where
    return _joined(where, moving=False), _joined(where, moving=True)


def _joined(joint: bound.BoundAnd | bound.BoundOr, *, moving: bool) -> bound.BoundExpr | None:
    """What moves of the items that `and` or `or` joins, or what does not."""
    chosen = tuple(item for item in joint.items if moves_anywhere(item) == moving)
    if len(chosen) < 2:
        return chosen[0] if chosen else None
    return type(joint)(chosen, None)


class MovingForm:
    """A comparison with `now`: `sources` are properties of the event, whose sum with the factors of
    `test` it is about."""

    def __init__(self, predicate: bound.BoundCompare | bound.BoundIn) -> None:
        self.sources: list[bound.AttributeSource | bound.DateStartSource] = []
        for term in predicate.form.terms:
            assert isinstance(term.source, bound.AttributeSource | bound.DateStartSource)
            self.sources.append(term.source)
        scales = [10**source.attribute.scale for source in self.sources]
        self.test = LinearTest(predicate, scales)


@dataclass(frozen=True, slots=True)
class _Node:
    """`index` is that of a part or a form."""

    kind: Literal["part", "form", "and", "or", "not"]
    index: int = 0
    children: tuple[_Node, ...] = ()


class MovingWhere:
    """One condition, of which something reads `now`. `parts` are without it."""

    def __init__(self, where: bound.BoundExpr) -> None:
        self.parts: list[bound.BoundExpr] = []
        self.forms: list[MovingForm] = []
        self._root = self._taken_apart(where)

    @property
    def properties(self) -> list[Attribute]:
        """The properties that the forms read."""
        read = (source.attribute for form in self.forms for source in form.sources)
        return list(dict.fromkeys(read))

    def _taken_apart(self, item: bound.BoundExpr) -> _Node:
        """Recursion follows brackets and `not`."""
        if not moves_anywhere(item):
            self.parts.append(item)
            return _Node("part", len(self.parts) - 1)
        match item:
            case bound.BoundNot(item=inner):
                return _Node("not", children=(self._taken_apart(inner),))
            case bound.BoundAnd(items=items) | bound.BoundOr(items=items):
                children = [self._taken_apart(one) for one in items if moves_anywhere(one)]
                still = _joined(item, moving=False)
                if still is not None:
                    children.append(self._taken_apart(still))
                kind: Literal["and", "or"] = "and" if isinstance(item, bound.BoundAnd) else "or"
                return _Node(kind, children=tuple(children))
            case _:
                assert isinstance(item, bound.BoundCompare | bound.BoundIn) and moves(item)
                self.forms.append(MovingForm(item))
                return _Node("form", len(self.forms) - 1)

    def passing(
        self, truths: PassingTimes, events: NDArray[np.intp], instants: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which events pass, each at the instant beside it."""
        return self._holds(self._root, truths, events, instants)

    def _holds(
        self,
        node: _Node,
        truths: PassingTimes,
        events: NDArray[np.intp],
        instants: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        match node.kind:
            case "part":
                return truths.masks[node.index][events]
            case "form":
                totals, test = truths.totals[node.index][events], self.forms[node.index].test
                return truths.present[node.index][events] & test.passes(totals, instants)
        parts = [self._holds(child, truths, events, instants) for child in node.children]
        if node.kind == "not":
            return ~parts[0]
        join = np.logical_and if node.kind == "and" else np.logical_or
        found: NDArray[np.bool_] = join.reduce(parts)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class PassingTimes:
    """What a condition comes to for some events: whether each part holds of them, and the sum of
    each form, and where it is there."""

    where: MovingWhere
    masks: Sequence[NDArray[np.bool_]]
    totals: Sequence[NDArray[Any]]
    present: Sequence[NDArray[np.bool_]]

    def passing(self, events: NDArray[np.intp], instants: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which events pass, each at the instant beside it; an event may come several times."""
        return self.where.passing(self, events, instants)

    def flips(self) -> list[NDArray[np.int64]]:
        """When events come to pass and cease to: arrays with one element for each event, NEVER
        where there is none."""
        found = []
        for form, totals, present in zip(self.where.forms, self.totals, self.present, strict=True):
            found += form.test.instants(totals, present)
        return found
