"""What a bound tree says, as a digest: equal for expressions that mean the same by their form.

Spelling, spaces, comments, labels, the order and repetition of what `and` and `or` join, and the
names of the segments in between make no difference; what those segments say does. Two trees
that hold for the same profiles by a law of arithmetic or logic may still differ.

A digest is taken from the bottom up, so a part that stands in many places is read once, and a
long chain of segments needs no stack.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from typing import Any

from engine.model.definitions import Attribute
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate, BoundSequence
from engine.rules.bound_scores import BoundEachRule, BoundScore, BoundWhenRule
from engine.rules.canonical import format_expression

__all__ = ["meaning_of"]

_DIGEST_BYTES = 16

# What a calendar takes part in: which instants are a day, or a window.
_BY_CALENDAR = (bound.DateStartSource, BoundAggregate, BoundEachRule, BoundSequence)

_PLACES = frozenset({"node", "span"})
_LEFT_OUT = {
    bound.ScoreSource: frozenset({"name"}),
    BoundScore: frozenset({"name"}),
    BoundWhenRule: frozenset({"condition"}),
}


def meaning_of(expression: bound.BoundExpr, time_zone: str) -> bytes:
    """16 bytes that tell what an expression says in a time zone (an IANA key)."""
    known: dict[int, bytes] = {}
    waiting = [expression]
    while waiting:
        item = waiting[-1]
        missing = [part for part in bound.parts_of(item) if id(part) not in known]
        if missing:
            waiting.extend(missing)
            continue
        waiting.pop()
        known[id(item)] = _meaning(item, [known[id(p)] for p in bound.parts_of(item)], time_zone)
    return known[id(expression)]


def _meaning(item: bound.BoundExpr, parts: list[bytes], time_zone: str) -> bytes:
    match item:
        case bound.BoundSegment():
            return parts[0]
        case bound.BoundAnd() | bound.BoundOr():
            distinct = sorted(set(parts))
            if len(distinct) == 1:
                return distinct[0]
            return _digest([type(item).__name__.encode(), *distinct])
        case bound.BoundNot():
            return _digest([b"BoundNot", *parts])
        case bound.BoundLater(construct=construct, node=node):
            text = "" if node is None else format_expression(node)
            return _digest([b"BoundLater", construct.encode(), text.encode()])
        case _:
            return _digest([_words(item, time_zone).encode(), *parts])


def _digest(pieces: Iterable[bytes]) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for piece in pieces:
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.digest()


def _words(value: Any, time_zone: str) -> str:
    """Plain data as one unambiguous text. The tree node that it came from is left out, and so are
    the name of a score and what its rules ask, whose meanings are parts of their own."""
    match value:
        case None | bool() | int() | float() | str() | Fraction() | Decimal():
            return repr(value)
        case tuple():
            return f"({', '.join(_words(one, time_zone) for one in value)})"
        case frozenset():
            return f"{{{', '.join(sorted(_words(one, time_zone) for one in value))}}}"
        case Attribute():
            kept = (value.name, value.type, value.scale, value.history, value.needs, value.computed)
            return f"Attribute{kept!r}"
    named = [f.name for f in fields(value) if f.name not in _LEFT_OUT.get(type(value), _PLACES)]
    inside = ", ".join(f"{name}={_words(getattr(value, name), time_zone)}" for name in named)
    zone = f" in {time_zone}" if isinstance(value, _BY_CALENDAR) else ""
    return f"{type(value).__name__}({inside}){zone}"
