"""Who enters and leaves segments by time alone, asked of an open store.

Nothing is written for it and nobody waits: a snapshot is asked what the clock would find.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.core.control import Control
from engine.identity.digests import UNKNOWN
from engine.identity.of_snapshot import identities_of
from engine.identity.owners import rows_of
from engine.limits import NEXT_CHANGES
from engine.live.next_changes import ComingChanges, NextChange, NextChanges
from engine.rules.bind import Binder
from engine.store.snapshot import Snapshot

__all__ = ["Foresight"]


class Foresight:
    """See the head of this file. `snapshot` gives the newest state, `binder_of` what belongs to
    its model, `now` microseconds from 1970. Safe to share between threads."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        binder_of: Callable[[Snapshot], Binder],
        now: Callable[[], int],
    ) -> None:
        self._snapshot = snapshot
        self._binder_of = binder_of
        self._now = now

    def changes(
        self,
        segments: Sequence[str] | None = None,
        *,
        within_us: int,
        limit: int = NEXT_CHANGES,
        as_of_us: int | None = None,
        control: Control | None = None,
    ) -> ComingChanges:
        """Who enters and leaves some segments (None: all that can be foreseen) from an instant on
        (None: now) and within so many microseconds: how many, and the first `limit`.

        Raises NotFound for a name that is not there, NotYet for one that cannot be foreseen, and
        InputInvalid.
        """
        with self._snapshot() as snapshot:
            coming = NextChanges(snapshot, self._binder_of(snapshot), segments)
            from_us = self._now() if as_of_us is None else as_of_us
            return coming.coming(from_us, within_us, limit, control)

    def of_profiles(
        self,
        identifiers: Sequence[tuple[str, str]],
        segments: Sequence[str] | None = None,
        *,
        as_of_us: int | None = None,
    ) -> list[list[NextChange] | None]:
        """The next change, after an instant (None: now), of each owner of a (kind, value): one for
        each segment that it ever enters or leaves so, soonest first; None where nobody owns it.
        Raises as `changes` does."""
        with self._snapshot() as snapshot:
            binder = self._binder_of(snapshot)
            now_us = self._now() if as_of_us is None else as_of_us
            rows = rows_of(identities_of(snapshot), binder.model, identifiers)
            coming = NextChanges(snapshot, binder, segments)
            return [None if row == UNKNOWN else coming.of_row(row, now_us) for row in rows.tolist()]
