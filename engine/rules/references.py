"""What an expression refers to: segments, scores, tiers, tags and attributes, by name.

Conditions of a `where` and steps refer to events only, so they are not entered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.model.definitions import TAG
from engine.rules import tree

__all__ = ["Reference", "TagRead", "references", "tag_reads"]

Referent = Literal["segment", "score", "tier", "attribute", "tag"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A mention of something by name, at `node`; bands are mentions of their score."""

    kind: Referent
    name: str
    node: tree.Expr | tree.Value = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TagRead:
    """A condition on tags, `node`: on those named in `values`, or on those that pass `test`."""

    node: tree.Expr = field(compare=False)
    values: tuple[str, ...] = ()
    test: Callable[[str], bool] | None = None

    def among(self, tags: Mapping[str, object]) -> Iterator[str]:
        """Those of `tags` on which the condition depends."""
        if self.test is None:
            return (tag for tag in self.values if tag in tags)
        return filter(self.test, tags)


def references(part: tree.Expr | tree.Value) -> Iterator[Reference]:
    """What an expression or a value refers to, in the order written, repeats kept."""
    for value in _values(part):
        match value:
            case tree.Name(name):
                yield Reference("attribute", name, value)
            case tree.Call("score" | "band", name):
                yield Reference("score", name, value)
            case tree.Call("tier", name):
                yield Reference("tier", name, value)
            case tree.Segment(name):
                yield Reference("segment", name, value)


def tag_reads(expr: tree.Expr) -> Iterator[TagRead]:
    """The conditions on tags of an expression."""
    for predicate in _predicates(expr):
        match predicate:
            case tree.Compare(tree.Name(name), _, tree.Text(text)) if name == TAG:
                yield TagRead(predicate, (text,))
            case tree.Compare(tree.Text(text), _, tree.Name(name)) if name == TAG:
                yield TagRead(predicate, (text,))
            case tree.In(tree.Name(name), literals) if name == TAG:
                yield TagRead(predicate, _texts(literals))
            case tree.HasAll(tree.Name(name), literals) if name == TAG:
                yield TagRead(predicate, _texts(literals))
            case tree.Match(tree.Name(name), how, text) if name == TAG:
                yield TagRead(predicate, test=_matching(how, text))
            case tree.Presence(tree.Name(name)) if name == TAG:
                yield TagRead(predicate, test=lambda tag: True)


def _texts(literals: tuple[tree.Literal, ...]) -> tuple[str, ...]:
    return tuple(literal.value for literal in literals if isinstance(literal, tree.Text))


def _matching(how: str, text: str) -> Callable[[str], bool]:
    match how:
        case "starts with":
            return lambda tag: tag.startswith(text)
        case "ends with":
            return lambda tag: tag.endswith(text)
        case _:
            return lambda tag: text in tag


def _predicates(expr: tree.Expr) -> Iterator[tree.Expr]:
    """The expression taken apart at `and`, `or` and `not`, in the order written."""
    pending = [expr]
    while pending:
        node = pending.pop()
        match node:
            case tree.And(items) | tree.Or(items):
                pending.extend(reversed(items))
            case tree.Not(item):
                pending.append(item)
            case _:
                yield node


def _values(part: tree.Expr | tree.Value) -> Iterator[tree.Expr | tree.Value]:
    """The atoms that predicates compare, and the predicates that are a mention themselves."""
    for node in _predicates(part) if isinstance(part, tree.Expr) else (part,):
        match node:
            case tree.Compare(left, _, right):
                yield from _atoms(left, right)
            case tree.Between(value, low, high):
                yield from _atoms(value, low, high)
            case tree.In(value) | tree.Presence(value) | tree.Match(value) | tree.HasAll(value):
                yield from _atoms(value)
            case tree.Truth(value):
                yield value
            case tree.Sum():
                yield from _atoms(node)
            case _:
                yield node


def _atoms(*values: tree.Value) -> Iterator[tree.Atom]:
    for value in values:
        if isinstance(value, tree.Sum):
            yield from (term.atom for term in value.terms)
        else:
            yield value
