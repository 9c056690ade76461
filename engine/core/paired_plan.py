"""Two comparisons of the same events, how many they are and what they come to, made one.

`count(order in last 90 days) >= 2 and sum(order.amount in last 90 days) > 500` reads two columns
that are folded from the same events. Where nothing else reads either, the two leaves become one, of
a set that is folded from those events once (`PairColumn`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.core import operations as ops
from engine.core.operations import Node, Plan

__all__ = ["paired"]

# The more is asked for, the less room is left for sums beside it: 28 bits.
_MOST_ASKED = 15


def paired(plan: Plan, roots: Iterable[int]) -> Plan:
    """A plan in which the same roots mean the same; it is the one given where nothing is to do.

    What stands for a node that became a part of another is true, and read by none.
    """
    functions = {column.function for column in plan.columns if isinstance(column, ops.EventColumn)}
    if "sum" not in functions or not functions & {"few", "mark"}:
        return plan
    readers = Counter(child for node in plan.nodes for child in node.children)
    readers.update(set(roots))
    readers.update(
        rule.node
        for column in plan.columns
        if isinstance(column, ops.ScoreColumn)
        for rule in column.rules
        if isinstance(rule, ops.ScoreWhen)
    )
    made = Plan(list(plan.nodes), list(plan.columns))
    for place, node in enumerate(plan.nodes):
        if node.kind == "and":
            _pair_parts(made, place, [child for child in node.children if readers[child] == 1])
    return made


def _pair_parts(plan: Plan, place: int, candidates: Sequence[int]) -> None:
    """Joins the parts of an `and`, of which it may have `candidates`, as far as they are pairs."""
    counts = [(child, found) for child in candidates if (found := _counted(plan, child))]
    for child in candidates:
        summed = _summed(plan, child)
        if summed is None:
            continue
        leaf, column = summed
        for counted in counts:
            number, (least, events) = counted
            if not _of_the_same(events, column):
                continue
            counts.remove(counted)
            pair = ops.PairColumn(
                column.sources, column.from_us, column.to_us, least, leaf.low, leaf.high
            )
            plan.columns.append(pair)
            plan.nodes[child] = Node("leaf", leaf=ops.SetLeaf(-len(plan.columns), (0,)))
            plan.nodes[number] = Node("true")
            _leave_out(plan, place, number)
            break


def _leave_out(plan: Plan, place: int, child: int) -> None:
    """Takes a part from an `and`; one that has only one other is what that is."""
    left = tuple(other for other in plan.nodes[place].children if other != child)
    if len(left) > 1:
        plan.nodes[place] = replace(plan.nodes[place], children=left)
    else:
        plan.nodes[place] = plan.nodes[left[0]]
        if not plan.nodes[place].children:
            plan.nodes[left[0]] = Node("true")


def _counted(plan: Plan, place: int) -> tuple[int, ops.EventColumn] | None:
    """How many events a leaf asks for at least, where that is all, and which."""
    leaf = plan.nodes[place].leaf
    if isinstance(leaf, ops.IntRangeLeaf):
        column = _made_by("few", plan, leaf.field)
        few = not leaf.negated and leaf.high == ops.FEW_MOST and 1 <= leaf.low <= _MOST_ASKED
        return (leaf.low, column) if column is not None and few else None
    if isinstance(leaf, ops.SetLeaf):
        column = _made_by("mark", plan, leaf.field)
        return None if column is None else (1, column)
    return None


def _summed(plan: Plan, place: int) -> tuple[ops.IntRangeLeaf, ops.EventColumn] | None:
    """A leaf about a sum of integers of one scale, and the sum."""
    leaf = plan.nodes[place].leaf
    if not isinstance(leaf, ops.IntRangeLeaf) or leaf.negated:
        return None
    column = _made_by("sum", plan, leaf.field)
    if column is None or any(source.factor != 1 for source in column.sources):
        return None
    return leaf, column


def _made_by(function: str, plan: Plan, field: int) -> ops.EventColumn | None:
    """The column that a field of a plan is, where it is folded by that function."""
    column = plan.columns[-1 - field] if field < 0 else None
    made = isinstance(column, ops.EventColumn) and column.function == function
    return column if made and isinstance(column, ops.EventColumn) else None


def _of_the_same(counted: ops.EventColumn, summed: ops.EventColumn) -> bool:
    events = tuple(replace(source, property=0) for source in summed.sources)
    span = (summed.from_us, summed.to_us)
    return counted.sources == events and (counted.from_us, counted.to_us) == span
