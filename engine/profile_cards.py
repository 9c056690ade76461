"""Profiles as they are stored, with what the model in force says of each now.

What is kept of a segment is a bit, which is read; only segments whose bits are of an earlier
instant are asked of the profile itself, as scores, tiers and tags by rules are. What they ask is
made into functions once for each binder (`engine.explaining.closures`), and a profile is read once
for all of them: so a card plans nothing, and costs what the profile has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

from engine.explaining.cards import Asked, Card, asked_of, card_of
from engine.explaining.known_closures import KnownClosures
from engine.explaining.of_store import as_one_profile
from engine.explaining.outline import Reads, reads_of
from engine.explaining.reading import Reading
from engine.identity.digests import UNKNOWN
from engine.identity.of_snapshot import identities_of
from engine.identity.owners import row_of, rows_of
from engine.live.log_clock import clock_of
from engine.live.profile_events import latest_events
from engine.live.profiles import ProfileRecord, is_at_hand, read_profile
from engine.live.row_events import RowEvents
from engine.live.standing import Standing, standing_of
from engine.rules.bind import Binder
from engine.rules.bound import BoundExpr
from engine.store.catalog import Catalog, segment_field
from engine.store.snapshot import Snapshot
from engine.stored_members import facts_of

__all__ = ["ProfileCard", "ProfileCards", "with_segments"]

# Events of a profile whose card is at hand, at most.
AT_HAND_EVENTS = 200


@dataclass(frozen=True, slots=True)
class ProfileCard:
    """A profile as it is stored, and what the rules of the model say of it now."""

    record: ProfileRecord
    card: Card


class _Definitions(NamedTuple):
    """What is asked of every profile: the stored segments that move with time, what the rules say,
    and what is read for the one, the other and both."""

    catalog: Catalog
    moving: tuple[tuple[str, BoundExpr], ...]
    asked: Asked
    of_moving: Reads
    of_both: Reads


class ProfileCards:
    """Reads profiles of the snapshots of one store. Safe to share between threads."""

    def __init__(self, closures: KnownClosures) -> None:
        self._closures = closures
        self._known: WeakKeyDictionary[Binder, _Definitions] = WeakKeyDictionary()
        # Until when all that is stored of segments is exact, by what it was asked of last.
        self._exact: tuple[Standing, _Definitions, int] | None = None

    def read(
        self,
        snapshot: Snapshot,
        binder: Binder,
        identifiers: Sequence[tuple[str, str]],
        now_us: int,
        *,
        recent_events: int = 0,
        with_rules: bool = True,
    ) -> Iterator[ProfileCard | None]:
        """The owner of each (kind, value) now, None where nobody owns it, with at most so many of
        its last events; `with_rules` with scores, tiers and tags by rules."""
        identities, model = identities_of(snapshot), binder.model
        if len(identifiers) == 1:
            rows = [row_of(identities, model, *identifiers[0])]
        else:
            rows = rows_of(identities, model, identifiers).tolist()
        for row in rows:
            yield (
                None
                if row == UNKNOWN
                else self._read(snapshot, binder, row, now_us, recent_events, with_rules)
            )

    def at_hand(
        self,
        snapshot: Snapshot,
        binder: Binder,
        identifier: tuple[str, str],
        now_us: int,
        *,
        recent_events: int = 0,
    ) -> ProfileCard | None:
        """The same of one (kind, value), with what the rules say; None also where more than memory
        that was read before would have to be read, or more than a few events."""
        model = binder.model
        row = row_of(identities_of(snapshot), model, *identifier)
        if row == UNKNOWN or not is_at_hand(snapshot, model, row):
            return None
        events = RowEvents.at_hand(snapshot, model, row, AT_HAND_EVENTS)
        if events is None:
            return None
        return self._read(snapshot, binder, row, now_us, recent_events, True, events)

    def _read(
        self,
        snapshot: Snapshot,
        binder: Binder,
        row: int,
        now_us: int,
        recent_events: int,
        with_rules: bool,
        at_hand: RowEvents | None = None,
    ) -> ProfileCard | None:
        events = at_hand or RowEvents(snapshot, binder.model, row)
        recent = (
            latest_events(snapshot, binder.model, events, now_us, recent_events)
            if recent_events
            else None
        )
        record = read_profile(snapshot, binder.model, row, recent)
        if record is None:
            return None
        known = self._definitions(binder, snapshot.fields)
        due = self._due(known, standing_of(snapshot), now_us)
        is_asked = with_rules and bool(known.asked)
        if not due and not is_asked:
            return ProfileCard(record, Card())
        reads = known.asked.reads if not due else known.of_both if is_asked else known.of_moving
        latest_us = max(now_us, clock_of(snapshot))
        profile = as_one_profile(
            snapshot, binder.model, record, reads.types, reads.lists, latest_us, events
        )
        reading = Reading(profile, now_us, self._closures.of(binder))
        if due:
            record = with_segments(record, binder, due, reading)
        card = card_of(known.asked, binder, reading) if is_asked else Card()
        return ProfileCard(record, card)

    def _due(
        self, known: _Definitions, standing: Standing | None, now_us: int
    ) -> Sequence[tuple[str, BoundExpr]]:
        """The segments whose stored members are not those of now."""
        if standing is None:
            return known.moving
        exact = self._exact
        if exact is None or exact[0] is not standing or exact[1] is not known:
            # In one step: threads share it.
            until_us = standing.exact_until_us(name for name, _ in known.moving)
            exact = self._exact = standing, known, until_us
        if standing.clock_us <= now_us < exact[2]:
            return ()
        return [one for one in known.moving if not standing.is_exact(one[0], now_us)]

    def _definitions(self, binder: Binder, catalog: Catalog) -> _Definitions:
        known = self._known.get(binder)
        if known is None or known.catalog is not catalog:
            known = self._known[binder] = _definitions(binder, catalog)
        return known


def _definitions(binder: Binder, catalog: Catalog) -> _Definitions:
    moving = tuple(
        (name, facts.body)
        for name in binder.model.segments
        if segment_field(name) in catalog and (facts := facts_of(binder, name)).moves
    )
    asked = asked_of(binder)
    of_moving = reads_of(body for _, body in moving)
    return _Definitions(catalog, moving, asked, of_moving, asked.reads.also(of_moving))


def with_segments(
    record: ProfileRecord,
    binder: Binder,
    due: Sequence[tuple[str, BoundExpr]],
    reading: Reading,
) -> ProfileRecord:
    """The same profile, in the segments that are due as a reading of it says."""
    members = dict.fromkeys(record.segments, True)
    members |= {name: reading.holds(body) for name, body in due}
    return replace(record, segments=[name for name in binder.model.segments if members.get(name)])
