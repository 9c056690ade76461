"""Which scores a score needs, and how deep nodes go that read scores.

A leaf that reads a score reads what the score's conditions read, though it has no children: so for
the depth of a plan the nodes of those conditions stand below it.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.core import operations as ops

__all__ = ["score_order"]


def score_order(
    nodes: Sequence[ops.Node], reads: Sequence[Sequence[int]], columns: Sequence[ops.Column]
) -> tuple[list[int], dict[int, tuple[int, ...]]]:
    """The height of every node, and by number of a score's column the columns of the scores that
    have to be there before, each after its own.

    `reads[i]` are the columns that leaf i reads, in the order of leaves. Children stand before
    their parents, and the conditions of a score before whoever reads it.
    """
    if not any(isinstance(column, ops.ScoreColumn) for column in columns):
        return _heights(nodes), {}
    heights: list[int] = []
    below: list[frozenset[int]] = []  # by node: the scores read in it, and those that they need
    scores: dict[int, tuple[int, frozenset[int]]] = {}  # by column: height, what it needs
    leaf = 0
    for node in nodes:
        height = 1 + max((heights[child] for child in node.children), default=0)
        needs = frozenset[int]().union(*(below[child] for child in node.children))
        if node.leaf is not None:
            for number in reads[leaf]:
                column = columns[number]
                if not isinstance(column, ops.ScoreColumn):
                    continue
                if number not in scores:
                    asked = [rule.node for rule in column.rules if isinstance(rule, ops.ScoreWhen)]
                    scores[number] = (
                        max((heights[one] for one in asked), default=0),
                        frozenset[int]().union(*(below[one] for one in asked)),
                    )
                # One level more holds the rows that lack the score.
                height = max(height, 2 + scores[number][0])
                needs |= scores[number][1] | {number}
            leaf += 1
        heights.append(height)
        below.append(needs)
    # Whoever is needed was made for a leaf that stands before, and made before.
    order = {number: place for place, number in enumerate(scores)}
    return heights, {
        number: tuple(sorted(needs, key=order.__getitem__)) for number, (_, needs) in scores.items()
    }


def _heights(nodes: Sequence[ops.Node]) -> list[int]:
    heights: list[int] = []
    for node in nodes:
        heights.append(1 + max([heights[child] for child in node.children]) if node.children else 1)
    return heights
