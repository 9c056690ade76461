"""What an edit says of the segments that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.live.change import Transition
    from engine.live.definitions import GoneName

__all__ = ["Staged"]


@dataclass(frozen=True, slots=True)
class Staged:
    """What an edit does to stored segments: the members of the `stale` are found anew, and the
    `farewells` go to the feed as they are. `fresh` are the definitions that it brings, `gone` those
    whose members leave with it, which are stored until then."""

    stale: Sequence[str] = ()
    farewells: Sequence[Transition] = ()
    fresh: Sequence[str] = ()
    gone: Sequence[GoneName] = ()
