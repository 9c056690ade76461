"""When a stored membership may stand in for the definition of a segment that moves with time.

It is exact at the state's clock, the instant of the last tick, and stays so until the first flip
after it. A question about now is later than the clock, if only by a moment; so the stored members
answer it where nobody is due in between, and the definition is evaluated where somebody is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.limits import TIME_US
from engine.store.attached import Attached
from engine.store.snapshot import Snapshot

__all__ = ["Standing", "standing_of"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Of the state as of `data_version`: its clock, and name of each moving segment -> an instant
    before which time alone changes nothing of it. Microseconds."""

    data_version: int
    clock_us: int
    due_us: Mapping[str, int]

    def exact_until_us(self, names: Iterable[str]) -> int:
        """The instant before which, from its clock on, all of some moving segments are exact; at
        its clock where one of them is not known to be."""
        return min((self.due_us.get(name, self.clock_us) for name in names), default=TIME_US[1])

    def is_exact(self, name: str, instant_us: int) -> bool:
        """Whether the stored members of a moving segment are those of an instant."""
        due_us = self.due_us.get(name)
        return due_us is not None and self.clock_us <= instant_us < due_us


def standing_of(snapshot: Snapshot) -> Standing | None:
    """What is known of a snapshot; None where nothing is."""
    attached = snapshot.attached
    if not isinstance(attached, Attached) or not isinstance(attached.memberships, Standing):
        return None
    found = attached.memberships
    # One of a later state says nothing of this one.
    return found if found.data_version == snapshot.data_version else None
