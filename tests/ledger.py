"""What a run of random programs has covered, and what it must have.

A random test proves nothing about a case that it never met. So each case that matters is a
cell with a name; the programs that meet it are counted, and an empty cell fails the test.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from itertools import combinations_with_replacement

from engine.core import operations as ops
from engine.core.evaluate import leaf_states
from engine.core.program import Program
from engine.rules import tree
from engine.store.snapshot import Snapshot

__all__ = ["REQUIRED", "Ledger"]

CONTAINERS = ("array", "bitset", "run")
STATES = ("none", "all", "open")
# What a leaf's headers can decide; the others are open, or for lack of the field none.
DECIDED = {
    "SetLeaf": STATES,
    "PresentLeaf": STATES,
    "IntRangeLeaf": STATES,
    "RowsLeaf": STATES,
    "CodesLeaf": ("none", "open"),
    "FloatRangeLeaf": ("none", "open"),
    "IntInLeaf": ("none", "open"),
    "TextLeaf": ("none", "open"),
    "CodePairLeaf": ("open",),
    "LinearLeaf": ("open",),
    "LinearInLeaf": ("open",),
    "FloatLeaf": ("open",),
    "FloatInLeaf": ("open",),
    "BucketLeaf": ("open",),
}
COMPARES = ("=", "!=", "<", "<=", ">", ">=")
MATCHES = ("contains", "starts with", "ends with")

REQUIRED = frozenset(
    {
        *(
            f"{a} {join} {b}"
            for a, b in combinations_with_replacement(CONTAINERS, 2)
            for join in ("and", "or")
        ),
        *(f"not {kind}" for kind in CONTAINERS),
        *(f"ints of width {width}" for width in (0, 1, 2, 4, 8)),
        *(f"codes of width {width}" for width in (1, 2, 4)),
        *(f"{leaf} {state}" for leaf, states in DECIDED.items() for state in states),
        *(f"Compare {op}" for op in COMPARES),
        *(f"Match {how}, negated {negated}" for how in MATCHES for negated in (False, True)),
        *(f"{kind}, negated {negated}" for kind in ("In", "Between") for negated in (False, True)),
        *(f"Presence {present}" for present in (False, True)),
        *("And", "Or", "Not", "HasAll", "Truth", "Segment", "ListOf", "bucket", "now", "Sum"),
        *("wide sum", "narrow sum"),
    }
)


class Ledger:
    """Counts the cells that programs fill."""

    def __init__(self) -> None:
        self.cells: Counter[str] = Counter()

    def empty(self, least: int = 2) -> list[str]:
        """Required cells that fewer than `least` programs have met."""
        return sorted(cell for cell in REQUIRED if self.cells[cell] < least)

    def add(self, expression: tree.Expr, program: Program, nodes: list[ops.Node]) -> None:
        """Counts what one program meets."""
        self.cells.update(set(_constructs(expression)))
        self.cells.update(set(_stored(program, nodes)))


def _constructs(expression: tree.Expr) -> Iterator[str]:
    waiting: list[object] = [expression]
    while waiting:
        node = waiting.pop()
        name = type(node).__name__
        match node:
            case tree.And(items=items) | tree.Or(items=items):
                waiting.extend(items)
            case tree.Not(item=item):
                waiting.append(item)
            case tree.Compare(left=left, op=op, right=right):
                name = f"Compare {op}"
                waiting.extend((left, right))
            case tree.Match(how=how, negated=negated):
                name = f"Match {how}, negated {negated}"
            case tree.In(negated=negated) | tree.Between(negated=negated):
                name = f"{name}, negated {negated}"
            case tree.Presence(present=present):
                name = f"Presence {present}"
            case tree.Sum(terms=terms):
                waiting.extend(term.atom for term in terms)
            case tree.Call(function=function):
                name = function
            case tree.Now():
                name = "now"
        yield name


def _stored(program: Program, nodes: list[ops.Node]) -> Iterator[str]:
    states = leaf_states(program)
    for node, of_blocks in zip(nodes, states.tolist(), strict=True):
        if node.leaf is not None:
            name = type(node.leaf).__name__
            yield from (f"{name} {STATES[state]}" for state in of_blocks if state < 3)
        if isinstance(node.leaf, ops.IntRangeLeaf | ops.IntInLeaf):
            yield from _widths(program.snapshot, node.leaf.field, "ints")
        if isinstance(node.leaf, ops.CodesLeaf):
            yield from _widths(program.snapshot, node.leaf.field, "codes")
        if isinstance(node.leaf, ops.LinearLeaf):
            most = sum(abs(summand.factor) << 63 for summand in node.leaf.summands)
            yield "wide sum" if most >= 1 << 127 else "narrow sum"
        if node.kind in ("and", "or", "not"):
            yield from _container_pairs(program.snapshot, node, nodes)


def _widths(snapshot: Snapshot, field: int, what: str) -> Iterator[str]:
    for block in range(snapshot.block_count):
        for part in snapshot.payloads(field, block):
            yield f"{what} of width {part[1]}"


def _container_pairs(snapshot: Snapshot, node: ops.Node, nodes: list[ops.Node]) -> Iterator[str]:
    leaves = [nodes[child].leaf for child in node.children]
    codes = [leaf for leaf in leaves if isinstance(leaf, ops.SetLeaf) and len(leaf.codes) == 1]
    for block in range(snapshot.block_count):
        kinds = [_container(snapshot, leaf.field, block, leaf.codes[0]) for leaf in codes]
        if node.kind == "not":
            yield from (f"not {kind}" for kind in kinds if kind)
            continue
        for first, a in enumerate(kinds):
            for b in kinds[first + 1 :]:
                if a and b:
                    low, high = sorted((a, b))
                    yield f"{low} {node.kind} {high}"


def _container(snapshot: Snapshot, field: int, block: int, code: int) -> str:
    """Kind of the container of a code, read from the bytes as they are documented."""
    for part in snapshot.payloads(field, block):
        (count,) = struct.unpack_from("<I", part)
        for entry in range(count):
            found, _, _, _, kind, _ = struct.unpack_from("<IIIHBB", part, 16 + 16 * entry)
            if found == code:
                return ("", *CONTAINERS)[kind]
    return ""
