"""What the rooms above the store find again in a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Attached"]


@dataclass(frozen=True, slots=True)
class Attached:
    """`identities` say who owns what (engine.identity), `memberships` when what is stored of
    segments is exact (engine.live.standing), `clock` what time it is in the log
    (engine.live.log_clock). Each may be of a later state than the snapshot."""

    identities: object = None
    memberships: object = None
    clock: object = None
