"""The cuts of tiers as they are kept: each refresh with its instant, for as long as the tier is.

One named record has them all, JSON: tier -> refreshes, oldest first, as [instant, [cut, ...]]. A
cut is a fraction in the units of bound trees, written `3/2`, or null where nobody reaches it.

A refresh that finds no population makes no cuts: those before it stay in force, and of a tier that
has none so far nobody has a cell or a share. A third part of a refresh, true, marks one of nobody
that an earlier version of this program kept; it is passed over.
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

_Refresh = tuple[int, tuple[Fraction | None, ...]]
_OfTier = tuple[_Refresh, ...]


@dataclass(frozen=True, slots=True)
class Refreshes:
    """Of each tier with cuts its refreshes, as (instant, cuts), by instants; none where none has
    found a population."""

    of_tiers: Mapping[str, _OfTier] = field(default_factory=dict)

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
                        (int(at_us), tuple(map(_read, cuts)))
                        for at_us, cuts, *of_nobody in refreshes
                        if not of_nobody
                    )
                    for name, refreshes in plain.items()
                }
            )
        except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise StoreCorrupt(f"the cuts of tiers cannot be read ({error})") from None

    def pack(self) -> bytes:
        """The bytes of the record."""
        plain = {
            name: [
                [at_us, [None if cut is None else str(cut) for cut in cuts]] for at_us, cuts in one
            ]
            for name, one in self.of_tiers.items()
        }
        return json.dumps(plain, ensure_ascii=False).encode()

    def at(self, instant_us: int | None = None) -> Cuts:
        """The cuts in force at an instant (None: the newest): of each tier the latest at or before
        it, else the earliest; none for a tier without any."""
        found = {name: self._at(name, instant_us) for name in self.of_tiers}
        return {name: () if one is None else one[1] for name, one in found.items()}

    def instant_of(self, name: str, instant_us: int | None = None) -> int | None:
        """When the cuts of a tier were worked out that are in force at an instant (None: the
        newest); None for one without cuts."""
        found = self._at(name, instant_us)
        return None if found is None else found[0]

    def _at(self, name: str, instant_us: int | None) -> _Refresh | None:
        refreshes = self.of_tiers.get(name, ())
        instants = [at_us for at_us, _ in refreshes]
        place = len(instants) if instant_us is None else bisect_right(instants, instant_us)
        return refreshes[max(place - 1, 0)] if refreshes else None

    def adding(self, cuts: Cuts, instant_us: int, of_nobody: Collection[str] = ()) -> Refreshes:
        """These and one more; of the tiers `of_nobody`, which found no population, none."""
        added = {
            name: (*self._before(name, instant_us), (instant_us, tuple(found)))
            for name, found in cuts.items()
            if name not in of_nobody
        }
        return Refreshes({**{name: () for name in of_nobody}, **self.of_tiers, **added})

    def _before(self, name: str, instant_us: int) -> _OfTier:
        # A clock that was set back does not put refreshes out of order.
        return tuple(one for one in self.of_tiers.get(name, ()) if one[0] < instant_us)

    def under(self, old: Model | None, new: Model) -> Refreshes:
        """What an edit of the model leaves: tiers that are defined as before keep their cuts."""
        if old is None:
            return Refreshes()
        return Refreshes(
            {
                name: refreshes
                for name, refreshes in self.of_tiers.items()
                if name in new.tiers
                and needs_cuts(new.tiers[name])
                and new.tiers[name] == old.tiers.get(name)
            }
        )


def _read(cut: str | None) -> Fraction | None:
    return None if cut is None else Fraction(cut)
