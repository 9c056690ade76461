"""Which segments of a question are answered from their stored members.

A stored membership stands for the definition where it is exact: at the clock, for a segment that
does not move with time or whose members stand until then. Segments that read a list are left out,
since their answer says how many identifiers wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from weakref import WeakKeyDictionary

from engine.live.standing import standing_of
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.time_dependence import moves_anywhere
from engine.store.catalog import segment_field
from engine.store.snapshot import Snapshot

__all__ = ["Facts", "facts_of", "stands", "stored_memberships"]


class Facts(NamedTuple):
    """Whether a segment reads a list, and whether it moves with time; and what it says."""

    lists: bool
    moves: bool
    body: bound.BoundExpr


# What has been found of the segments of each binder in use, by name.
_known_facts: WeakKeyDictionary[Binder, dict[str, Facts]] = WeakKeyDictionary()


def facts_of(binder: Binder, name: str) -> Facts:
    """What is known of a segment; found once for each binder."""
    known = _known_facts.setdefault(binder, {})
    if name not in known:
        body = binder.bind(tree.Segment(name))
        known[name] = Facts(_has_lists(body), moves_anywhere(body), body)
    return known[name]


def stands(snapshot: Snapshot, name: str, now_us: int) -> bool:
    """Whether the stored members of a moving segment are those of now."""
    standing = standing_of(snapshot)
    return standing is not None and standing.is_exact(name, now_us)


def _has_lists(expression: bound.BoundExpr) -> bool:
    return any(isinstance(part, bound.BoundList) for part in bound.predicates_of(expression))


def stored_memberships(
    expression: bound.BoundExpr, snapshot: Snapshot, binder: Binder, now_us: int
) -> Iterator[tuple[str, int]]:
    """The segments to read from their membership fields, with the numbers of those: mentioned
    outside of others that are, stored, and without lists, of which an answer says more; and
    exact at this moment."""
    waiting = [expression]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, bound.BoundSegment):
            field = snapshot.fields.get(segment_field(item.name))
            if field is not None:
                facts = facts_of(binder, item.name)
                if not facts.lists and (not facts.moves or stands(snapshot, item.name, now_us)):
                    yield item.name, field.id
                    continue
        waiting.extend(bound.parts_of(item))
