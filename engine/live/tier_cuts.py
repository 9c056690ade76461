"""The cuts of tiers as they are kept: each refresh with its instant, for as long as the tier is.

One named record has them all, JSON: tier -> refreshes, oldest first, as [instant, [cut, ...]]. A
cut is a fraction in the units of bound trees, written `3/2`, or null where nobody reaches it. A
refresh of a population of nobody has a third part, true: it says nothing of the time before it.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from engine.errors import StoreCorrupt
from engine.model.cuts import Cuts, needs_cuts
from engine.model.definitions import Model
from engine.store.snapshot import Snapshot

__all__ = ["TIER_CUTS", "Refreshes"]

# Name of the record.
TIER_CUTS = "tiers/cuts"

_OfTier = tuple[tuple[int, tuple[Fraction | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Refreshes:
    """Of each tier with cuts its refreshes, as (instant, cuts), by instants. `of_nobody` has
    (tier, instant) of those that found no population."""

    of_tiers: Mapping[str, _OfTier] = field(default_factory=dict)
    of_nobody: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def load(cls, snapshot: Snapshot) -> Refreshes:
        """What a state has. Raises StoreCorrupt."""
        packed = snapshot.meta(TIER_CUTS)
        if packed is None:
            return cls()
        try:
            plain = json.loads(packed)
            return cls(
                {
                    name: tuple(
                        (int(at_us), tuple(map(_read, cuts))) for at_us, cuts, *_ in refreshes
                    )
                    for name, refreshes in plain.items()
                },
                frozenset(
                    (name, int(one[0]))
                    for name, refreshes in plain.items()
                    for one in refreshes
                    if one[2:] == [True]
                ),
            )
        except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise StoreCorrupt(f"the cuts of tiers cannot be read ({error})") from None

    def pack(self) -> bytes:
        """The bytes of the record."""
        plain = {
            name: [
                [
                    at_us,
                    [None if cut is None else str(cut) for cut in cuts],
                    *([True] if (name, at_us) in self.of_nobody else []),
                ]
                for at_us, cuts in one
            ]
            for name, one in self.of_tiers.items()
        }
        return json.dumps(plain, ensure_ascii=False).encode()

    def at(self, instant_us: int | None = None) -> Cuts:
        """The cuts in force at an instant (None: the newest): of each tier the latest at or before
        it, else the earliest that had a population, if any had."""
        return {name: self._at(name, instant_us)[1] for name in self.of_tiers}

    def instant_of(self, name: str, instant_us: int | None = None) -> int | None:
        """When the cuts of a tier were worked out that are in force at an instant (None: the
        newest); None for one without cuts."""
        return self._at(name, instant_us)[0] if self.of_tiers.get(name) else None

    def _at(self, name: str, instant_us: int | None) -> tuple[int, tuple[Fraction | None, ...]]:
        refreshes = self.of_tiers[name]
        instants = [at_us for at_us, _ in refreshes]
        place = len(instants) if instant_us is None else bisect_right(instants, instant_us)
        if place:
            return refreshes[place - 1]
        with_somebody = (one for one in refreshes if (name, one[0]) not in self.of_nobody)
        return next(with_somebody, refreshes[0])

    def adding(self, cuts: Cuts, instant_us: int, of_nobody: Collection[str] = ()) -> Refreshes:
        """These and one more, in which the tiers `of_nobody` found no population."""
        added = {
            name: (*self._before(name, instant_us), (instant_us, tuple(found)))
            for name, found in cuts.items()
        }
        nobody = {*self.of_nobody, *((name, instant_us) for name in of_nobody)}
        nobody -= {(name, instant_us) for name in cuts if name not in of_nobody}
        return _refreshes({**self.of_tiers, **added}, nobody)

    def _before(self, name: str, instant_us: int) -> _OfTier:
        # A clock that was set back does not put refreshes out of order.
        return tuple(one for one in self.of_tiers.get(name, ()) if one[0] < instant_us)

    def under(self, old: Model | None, new: Model) -> Refreshes:
        """What an edit of the model leaves: tiers that are defined as before keep their cuts."""
        if old is None:
            return Refreshes()
        left = {
            name: refreshes
            for name, refreshes in self.of_tiers.items()
            if name in new.tiers
            and needs_cuts(new.tiers[name])
            and new.tiers[name] == old.tiers.get(name)
        }
        return _refreshes(left, self.of_nobody)


def _refreshes(
    of_tiers: Mapping[str, _OfTier], of_nobody: Collection[tuple[str, int]]
) -> Refreshes:
    """Refreshes, and what is known of those that are among them."""
    kept = {(name, at_us) for name, refreshes in of_tiers.items() for at_us, _ in refreshes}
    return Refreshes(of_tiers, frozenset(kept.intersection(of_nobody)))


def _read(cut: str | None) -> Fraction | None:
    return None if cut is None else Fraction(cut)
