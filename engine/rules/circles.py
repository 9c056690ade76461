"""Circles in a graph of definitions that refer to each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

__all__ = ["circles"]

Node = TypeVar("Node", bound=Hashable)


def circles(graph: Mapping[Node, Sequence[Node]]) -> Iterator[tuple[Node, ...]]:
    """Circles of a graph as paths that end where they begin; none exactly if there is none.

    `graph` maps a node to what it refers to. A depth-first search on a stack of its own, so
    that no chain is too long; each reference is followed once, and a circle is found where
    one leads back onto the path.
    """
    done: set[Node] = set()
    for start in graph:
        if start in done:
            continue
        # The path from `start`, a dict for its order and for finding a node on it.
        path: dict[Node, Iterator[Node]] = {start: iter(graph[start])}
        while path:
            node, following = next(reversed(path.items()))
            target = next(following, None)
            if target is None:
                done.add(node)
                del path[node]
            elif target in path:
                nodes = list(path)
                yield (*nodes[nodes.index(target) :], target)
            elif target not in done and target in graph:
                path[target] = iter(graph[target])
