"""A line of the ledger of a score."""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.explaining.evidence import EvidenceEvent

__all__ = ["LedgerLine"]


class LedgerLine(NamedTuple):
    """What one rule gives, or what an end takes or adds, in thousandths of a point.

    `rule` is the place of the rule, from 0, and `text` what it asks; of an end they are None and
    ''. `uncapped` is what the rule would give without its `at_most`. Of the events that it counts
    the latest are there, the latest first, and the number of the others.
    """

    kind: Literal["when", "each", "floor", "ceiling"]
    points: int
    rule: int | None = None
    text: str = ""
    uncapped: int | None = None
    events: tuple[EvidenceEvent, ...] = ()
    left_out: int = 0
