"""From the identifiers of a batch to the rows of its profiles, as if one update at a time.

One update at a time means: an update belongs to the profile that owns one of its
identifiers; one that leads to several profiles is refused, one that leads to none makes a
new profile; its identifiers without an owner then belong to its profile.

1. Every identifier is looked up in the index at once. Updates that lead to several existing
   profiles are refused: no order of the others can help them.
2. Each other update has an *anchor*: the existing profile it leads to, else its strongest
   identifier that nobody owns yet. If every such new identifier occurs under one anchor
   only, the updates of an anchor form one profile whatever their order: each of them
   carries the anchor itself.
3. Anchors that share a new identifier, and those with more identifiers of a kind than a
   profile may have, are *tangled*: there the order matters, and all their updates are
   replayed one by one. An identifier never joins a tangled anchor to another, so the rest
   is not touched by that.
4. New profiles are numbered in the order of the updates that make them.

Where every identifier has an owner, as in most batches, step 1 is all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.identity.digest_groups import group_digests
from engine.identity.digests import UNKNOWN
from engine.identity.replay import CountOwned, KindColumn, Replay, several_reason

__all__ = ["Links", "Resolution", "counted", "resolve"]

_Number = TypeVar("_Number", np.int64, np.uint32)

# Anchors are rows of existing profiles, or this plus the number of a new identifier.
_NEW = 1 << 32


@dataclass(frozen=True, slots=True)
class Links:
    """New owners of one kind's identifiers: update `at` int64 (m,) gave its to row `rows`."""

    at: NDArray[np.int64]
    rows: NDArray[np.uint32]


_NO_LINKS = Links(np.zeros(0, np.int64), np.zeros(0, np.uint32))


@dataclass(frozen=True, slots=True)
class Resolution:
    """Rows of the n updates of a batch, uint32 (n,); UNKNOWN where refused.

    `created` new profiles have the rows from `first_new` on. `links` has one entry for each
    kind, in the order of the columns. `refused` maps updates to reasons.
    """

    rows: NDArray[np.uint32]
    created: int
    links: tuple[Links, ...]
    refused: dict[int, str]


@dataclass(frozen=True, slots=True)
class _NewIdentifiers:
    """The identifiers of one kind that nobody owns yet, grouped by value.

    `at` int64 (m,) are their updates, ascending, and `groups` int64 (m,) says which of them have
    the same; `first` int64 (g,) is the first update of each group. `number` int64 (n,) is the
    number of each update's new identifier, unique over all kinds, or -1.
    """

    at: NDArray[np.int64]
    groups: NDArray[np.int64]
    first: NDArray[np.int64]
    number: NDArray[np.int64]


def resolve(
    columns: Sequence[KindColumn],  # strongest first
    active: NDArray[np.bool_],  # the updates not refused before
    first_new: int,
    owned: CountOwned,
) -> Resolution:
    """Finds or makes the profile of each active update."""
    refused: dict[int, str] = {}
    usable = np.zeros(len(active), np.bool_)
    for column in columns:
        usable |= column.usable
    existing, several = _existing_profiles(columns, len(active))
    for at in np.flatnonzero(active & ~usable).tolist():
        refused[at] = "no identifier"
    for at in np.flatnonzero(active & several).tolist():
        refused[at] = several_reason([c.describe(at) for c in columns if _is_found(c, at)])
    taking_part = active & usable & ~several
    if not any((column.usable & (column.found == UNKNOWN)).any() for column in columns):
        rows = np.where(taking_part, existing, np.uint32(UNKNOWN))
        return Resolution(rows, 0, tuple(_NO_LINKS for _ in columns), refused)

    new = _new_identifiers(columns, taking_part)
    anchors = _anchors(existing, new)
    tangled = _tangled_anchors(columns, new, anchors, owned)
    slow = taking_part & np.isin(anchors, tangled) if len(tangled) else np.zeros_like(taking_part)
    fast = taking_part & ~slow

    # A profile's token is its row, or the complement of its place in `creating`.
    tokens, creating = _fast_tokens(existing, anchors, fast)
    replay = Replay(columns, owned, first_token=len(creating))
    for at in np.flatnonzero(slow).tolist():
        numbers = [int(group.number[at]) for group in new]
        outcome = replay.apply(at, numbers)
        if isinstance(outcome, str):
            refused[at] = outcome
        else:
            tokens[at] = outcome
    creating = np.append(creating, np.array(replay.creating, np.int64))

    is_creating = np.zeros(len(active), np.bool_)
    is_creating[creating] = True
    new_rows = first_new + np.cumsum(is_creating)[creating] - 1
    rows = np.full(len(active), UNKNOWN, np.uint32)
    done = taking_part.copy()
    done[list(refused)] = False
    rows[done] = _rows_of_tokens(tokens[done], new_rows)
    links = tuple(
        _links(group, fast, rows, linked) for group, linked in zip(new, replay.linked, strict=True)
    )
    return Resolution(rows, len(creating), links, refused)


def _is_found(column: KindColumn, at: int) -> bool:
    return bool(column.usable[at]) and column.found[at] != UNKNOWN


def _existing_profiles(
    columns: Sequence[KindColumn], count: int
) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """The existing profile of each update, UNKNOWN for none, and which updates have several."""
    least = np.full(count, UNKNOWN, np.uint32)
    greatest = np.zeros(count, np.uint32)
    for column in columns:
        known = column.usable & (column.found != UNKNOWN)
        np.minimum(least, column.found, out=least, where=known)
        np.maximum(greatest, column.found, out=greatest, where=known)
    return least, (least != UNKNOWN) & (least != greatest)


def _new_identifiers(
    columns: Sequence[KindColumn], taking_part: NDArray[np.bool_]
) -> list[_NewIdentifiers]:
    new = []
    base = 0
    for column in columns:
        at = np.flatnonzero(taking_part & column.usable & (column.found == UNKNOWN))
        groups, first = group_digests(column.digests[at])
        number = np.full(len(taking_part), -1, np.int64)
        number[at] = base + groups
        new.append(_NewIdentifiers(at, groups, at[first], number))
        base += len(first)
    return new


def _anchors(existing: NDArray[np.uint32], new: Sequence[_NewIdentifiers]) -> NDArray[np.int64]:
    anchors = existing.astype(np.int64)
    for group in new:
        free = (anchors == UNKNOWN) & (group.number >= 0)
        anchors[free] = _NEW + group.number[free]
    return anchors


def _tangled_anchors(
    columns: Sequence[KindColumn],
    new: Sequence[_NewIdentifiers],
    anchors: NDArray[np.int64],
    owned: CountOwned,
) -> NDArray[np.int64]:
    """The anchors whose updates depend on their order; see the head of this file."""
    tangled = [np.zeros(0, np.int64)]
    for kind, (column, group) in enumerate(zip(columns, new, strict=True)):
        if not len(group.first):
            continue
        under, leading = anchors[group.at], anchors[group.first]
        astray = under != leading[group.groups]
        shared = np.zeros(len(group.first), np.bool_)
        if astray.any():
            shared[group.groups[astray]] = True
            tangled.append(under[shared[group.groups]])
        limit = column.identifier.per_profile
        if limit is None:
            continue
        anchor, gained = counted(leading[~shared])
        is_row = anchor < _NEW
        gained[is_row] += owned(kind, anchor[is_row].astype(np.uint32))
        tangled.append(anchor[gained > limit])
    return np.unique(np.concatenate(tangled))


def _fast_tokens(
    existing: NDArray[np.uint32], anchors: NDArray[np.int64], fast: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tokens of the fast updates, and the updates that make their new profiles."""
    tokens = existing.astype(np.int64)
    at = np.flatnonzero(fast & (existing == UNKNOWN))
    profile, first = _first_places(anchors[at] - _NEW)
    tokens[at] = ~profile
    return tokens, at[first]


def counted(values: NDArray[_Number]) -> tuple[NDArray[_Number], NDArray[np.int64]]:
    """The distinct ones of n values, ascending, and how often each is there, int64. Values that
    ascend already, as rows of new profiles do, are not sorted."""
    if (values[1:] > values[:-1]).all():
        return values, np.ones(len(values), np.int64)
    return np.unique(values, return_counts=True)


def _first_places(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rank of each of n small numbers among the distinct ones, int64 (n,), and the first
    place of each of these, by rank."""
    if not len(numbers):
        return numbers, numbers
    first = np.full(int(numbers.max()) + 1, -1, np.int64)
    # The last one written stays.
    first[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    ranks = np.cumsum(first >= 0) - 1
    return ranks[numbers], first[first >= 0]


def _rows_of_tokens(tokens: NDArray[np.int64], new_rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    rows = tokens.copy()
    rows[tokens < 0] = new_rows[~tokens[tokens < 0]]
    return rows.astype(np.uint32)


def _links(
    group: _NewIdentifiers,
    fast: NDArray[np.bool_],
    rows: NDArray[np.uint32],
    replayed: list[int],
) -> Links:
    """The updates that gave new identifiers their owner: the first of each fast group."""
    at = np.append(group.first[fast[group.first]], np.array(replayed, np.int64))
    return Links(at, rows[at])
