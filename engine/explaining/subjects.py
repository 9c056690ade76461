"""A score, a band, a tier or a tag by name: what there is to ask of a profile, and the answer.

What follows from the model alone is worked out once, when a question is made; `stand` then reads
one profile, and puts the nodes of the conditions that it had to explain into one list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from engine.explaining.explain import ExplainedNode, explain
from engine.explaining.outline import Outline, Reads
from engine.explaining.reading import Reading
from engine.explaining.standings import Standing
from engine.model.definitions import TAG, Model
from engine.rules import tree
from engine.rules.canonical import format_expression, format_value

__all__ = ["Nodes", "Question", "Subject"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is explained by its name."""

    kind: Literal["score", "band", "tier", "tag"]
    name: str

    @property
    def text(self) -> str:
        """How an expression reads it."""
        if self.kind == "tag":
            return format_expression(tree.Compare(tree.Name(TAG), "=", tree.Text(self.name)))
        return format_value(tree.Call(self.kind, self.name))


class Nodes:
    """The nodes of some explanations of one profile, one explanation behind the other."""

    def __init__(self, reading: Reading, model: Model, *, with_ways: bool = True) -> None:
        self.reading = reading
        self.model = model
        self.with_ways = with_ways
        self.all: list[ExplainedNode] = []

    def add(self, outline: Outline) -> int:
        """Explains an expression; the place of its first node."""
        first = len(self.all)
        found = explain(outline, self.reading, self.model, with_ways=self.with_ways)
        self.all += [
            node if node.parent is None else replace(node, parent=first + node.parent)
            for node in found.nodes
        ]
        return first


class Question(Protocol):
    """What is asked of every profile alike; `reads` is what the answer reads of one."""

    reads: Reads

    def stand(self, nodes: Nodes, givers: Sequence[str]) -> Standing:
        """The answer for the profile of a reading. Raises NotYet."""
        ...
