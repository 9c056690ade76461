"""How audiences overlap: the sizes of some, and how many are in any two of them.

All are evaluated in one pass over the blocks of one snapshot, so the numbers fit together. Ratios
are made of exact counts, as fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from engine.audience import Audience, CountResult
from engine.core.control import Control
from engine.core.overlaps import OverlapBlocks
from engine.errors import InputInvalid
from engine.limits import OVERLAP_AUDIENCES
from engine.measuring.passes import share
from engine.rules import tree
from engine.store.snapshot import Snapshot

__all__ = ["Overlap", "Overlaps", "PairOverlap"]


@dataclass(frozen=True, slots=True)
class PairOverlap:
    """How the audiences in two places, from 0, overlap.

    `jaccard` is who is in both, of who is in either; `lift` how many times as many are in both as
    would be by chance. Each is exact, and None where there is nobody to divide by.
    """

    first: int
    second: int
    both: int
    jaccard: Fraction | None
    lift: Fraction | None


@dataclass(frozen=True, slots=True)
class Overlap:
    """Some audiences in their order, and every pair of them; `profiles` are live in all."""

    audiences: tuple[CountResult, ...]
    profiles: int
    pairs: tuple[PairOverlap, ...]


class Overlaps:
    """Questions to the newest version of a store. Safe to share between threads."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        audience: Callable[[Snapshot, int | None, Control | None], Audience],
    ) -> None:
        self._snapshot = snapshot
        self._audience = audience

    def overlap(
        self,
        expressions: Sequence[str | tree.Expr],
        *,
        as_of_us: int | None = None,
        where: str = "expressions[{}]",
        control: Control | None = None,
    ) -> Overlap:
        """How 2 to OVERLAP_AUDIENCES audiences overlap. `where` names an expression in errors, by
        its place from 0."""
        if not 2 <= len(expressions) <= OVERLAP_AUDIENCES:
            raise InputInvalid(
                f"An overlap of {len(expressions):,} audiences cannot be made; give 2 to "
                f"{OVERLAP_AUDIENCES}."
            )
        with self._snapshot() as snapshot:
            audience = self._audience(snapshot, as_of_us, control)
            for place, expression in enumerate(expressions):
                audience.add(expression, where.format(place))
            how = audience.running()
            parts = share(
                how.program.block_count,
                lambda: OverlapBlocks(how.program, how.roots, how.control),
                _read,
                how.control,
                how.pool,
                how.threads,
            )
            counts = sum(part.counts for part in parts[1:]) + parts[0].counts
            sizes = counts.diagonal().tolist()
            profiles = snapshot.live_count
            pairs = tuple(
                _pair(i, j, int(counts[i, j]), sizes[i], sizes[j], profiles)
                for i, j in combinations(range(len(sizes)), 2)
            )
            return Overlap(tuple(audience.answers(sizes)), profiles, pairs)


def _read(claims: Iterator[int], blocks: OverlapBlocks) -> None:
    for block in claims:
        blocks.read(block)


def _pair(first: int, second: int, both: int, one: int, other: int, profiles: int) -> PairOverlap:
    either, product = one + other - both, one * other
    return PairOverlap(
        first,
        second,
        both,
        Fraction(both, either) if either else None,
        Fraction(both * profiles, product) if product else None,
    )
