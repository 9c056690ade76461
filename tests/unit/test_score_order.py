"""How deep nodes go, where no score is read."""

from __future__ import annotations

from engine.core.operations import Node, SetLeaf
from engine.core.score_order import score_order


def test_heights_without_scores() -> None:
    """A node is one above the highest of its children."""
    leaf = Node("leaf", leaf=SetLeaf(1, (1,)))
    nodes = [leaf, Node("not", (0,)), leaf, Node("and", (1, 2)), Node("or", (2, 3)), Node("true")]
    assert score_order(nodes, [(), ()], []) == ([1, 2, 1, 3, 4, 1], {})
