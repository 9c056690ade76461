"""What an edit of the model does to segments, profile by profile, before it is done.

A definition that says the same as before, through the segments it mentions, is not evaluated:
it keeps its version and its field. All others are, over everything, at one instant; the members
before come from the store where they are kept, and from the old definition where they are not.

To carry an edit out: give new kept segments a field and drop the fields of those that are gone or
no longer kept; a changed definition keeps its field, so that `StoredSegments.refresh` over the
names of `differences` finds who enters and leaves. `farewells` is for the fields dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from engine.core.control import Control
from engine.live.change import Transition
from engine.live.definitions import GoneName, key_of
from engine.live.log_clock import system_clock
from engine.live.memberships import rows_of_masks, stored_masks
from engine.live.segments import StoredSegments, in_turns
from engine.store.snapshot import Snapshot

__all__ = [
    "SegmentEdit",
    "carried_versions",
    "differences",
    "farewells",
    "gone_names",
    "plan_change",
]

What = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class SegmentEdit:
    """One definition that an edit adds, removes or gives another meaning.

    `joiners` and `leavers` are sorted uint32 rows, `old_size` and `new_size` numbers of members.
    `not_kept` says why the new members are not stored; '' where they are.
    """

    name: str
    what: What
    joiners: NDArray[np.uint32]
    leavers: NDArray[np.uint32]
    old_size: int
    new_size: int
    not_kept: str

    @property
    def key(self) -> str:
        """Key path of the definition."""
        return key_of(self.name)


def differences(old: StoredSegments | None, new: StoredSegments) -> dict[str, What]:
    """The definitions that differ, in the order of the new model, removed ones last."""
    before = {} if old is None else {name: old.meaning(name) for name in old.definitions}
    found: dict[str, What] = {}
    for name in new.definitions:
        if name not in before:
            found[name] = "added"
        elif before[name] != new.meaning(name):
            found[name] = "changed"
    found.update({name: "removed" for name in before if name not in new.definitions})
    return found


def carried_versions(
    old: StoredSegments | None, new: StoredSegments, model_version: int
) -> dict[str, int]:
    """The number of each new definition: that of the old one where it means the same, else the
    model version that brings it."""
    differ = differences(old, new)
    return {
        name: model_version if old is None or name in differ else old.definition_version(name)
        for name in new.definitions
    }


def farewells(
    old: StoredSegments | None,
    new: StoredSegments,
    snapshot: Snapshot,
    later: Collection[GoneName] = (),
) -> list[Transition]:
    """Everybody leaves the definitions whose members are stored before an edit, and not after;
    those that are to be told of `later` left out."""
    if old is None:
        return []
    waiting = {one.name for one in later}
    ending = [name for name in old.stored if name not in new.kept and name not in waiting]
    return list(old.tell_end(snapshot, ending))


def gone_names(
    old: StoredSegments | None, new: StoredSegments, stale: Iterable[str]
) -> list[GoneName]:
    """Bands and values of tiers whose members are stored before an edit and not after, where
    members of others of the same score or tier are found anew, the `stale`: who leaves the one and
    enters the other makes one change."""
    if old is None:
        return []
    found = {new.definitions[name].told for name in stale if name in new.definitions}
    return [
        GoneName(name, definition.told, definition.value)
        for name, definition in old.definitions.items()
        if definition.value is not None
        and definition.told in found
        and name in old.stored
        and name not in new.kept
    ]


def plan_change(
    old: StoredSegments | None,
    new: StoredSegments,
    snapshot: Snapshot,
    *,
    now_us: int | None = None,
    pool: Executor | None = None,
    threads: int = 1,
    control: Control | None = None,
) -> list[SegmentEdit]:
    """Joiners and leavers of the definitions that differ between two models, or read facts that
    the edit sets, at an instant (None: now).

    The snapshot may be from before the edit: a field that it does not have is empty. Raises
    NotYet for what has no evaluator, NotFound for a list that is not there.
    """
    instant = system_clock() if now_us is None else now_us
    evaluated = partial(
        StoredSegments.evaluate,
        now_us=instant,
        pool=pool,
        threads=threads,
        control=control,
    )
    found = differences(old, new)
    ahead = new.facts_ahead(old, found, snapshot, instant)
    differ: dict[str, What] = {
        name: found.get(name, "changed")
        for name in [*new.definitions, *(name for name in found if name not in new.definitions)]
        if (name in found or name in ahead.differ) and _is_told(name, old, new)
    }
    edits = []
    for names in in_turns(list(differ), 2 * snapshot.block_count):
        # What is stored needs no evaluation; masks of at most two models at a time.
        before = {}
        if old is not None:
            # What is stored of a segment that moves is exact at the clock, and not at `now_us`.
            still = set(old.stored) - set(old.moving)
            asked = [n for n in names if differ[n] != "added" and n not in still]
            before = evaluated(old, snapshot, asked)
            for name in set(names) & still:
                before[name] = stored_masks(snapshot, old.membership_field(name))
        kept = [name for name in names if differ[name] != "removed"]
        after = evaluated(new, snapshot, kept, ahead=ahead)
        nobody = np.zeros((snapshot.block_count, 1024), np.uint64)
        edits += [
            _edit(n, differ[n], before.get(n, nobody), after.get(n, nobody), new) for n in names
        ]
    return edits


def _is_told(name: str, old: StoredSegments | None, new: StoredSegments) -> bool:
    definition = new.definitions.get(name) or (None if old is None else old.definitions[name])
    return definition is not None and bool(definition.told)


def _edit(
    name: str,
    what: What,
    before: NDArray[np.uint64],
    after: NDArray[np.uint64],
    new: StoredSegments,
) -> SegmentEdit:
    return SegmentEdit(
        name,
        what,
        joiners=rows_of_masks(after & ~before),
        leavers=rows_of_masks(before & ~after),
        old_size=_size(before),
        new_size=_size(after),
        not_kept=new.not_kept.get(name, ""),
    )


def _size(masks: NDArray[np.uint64]) -> int:
    return int(np.bitwise_count(masks).sum())
