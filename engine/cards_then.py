"""Profiles as they were, or will be, at another instant than now.

Who owns an identifier, what lists hold, and attributes without history are those of today; the last
two are named. Nothing that is kept of a segment is of another instant, so all of them are asked of
the profile itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.audience import Audience
from engine.explaining.cards import Asked, asked_of, card_of
from engine.explaining.known_closures import KnownClosures
from engine.explaining.of_store import as_it_was, as_one_profile
from engine.explaining.one_profile import PlainValue
from engine.explaining.outline import Reads, reads_of
from engine.explaining.reading import Reading
from engine.identity.digests import UNKNOWN
from engine.identity.of_snapshot import identities_of
from engine.identity.owners import rows_of
from engine.live.profile_events import latest_events
from engine.live.profiles import read_profile
from engine.live.row_events import RowEvents
from engine.live.stored_values import AttributeValue
from engine.profile_cards import ProfileCard, with_segments
from engine.rules.bind import Binder
from engine.rules.bound import BoundExpr
from engine.store.catalog import Catalog, segment_field
from engine.store.snapshot import Snapshot
from engine.stored_members import facts_of

__all__ = ["CardsThen", "cards_then"]


@dataclass(frozen=True, slots=True)
class CardsThen:
    """Cards as of an instant, in the order asked, None where nobody owns the identifier today;
    `read_as_of_today` names what was read as it is today although the instant is another."""

    cards: Sequence[ProfileCard | None]
    as_of_us: int
    read_as_of_today: tuple[str, ...]


def cards_then(
    snapshot: Snapshot,
    audience: Audience,
    closures: KnownClosures,
    identifiers: Sequence[tuple[str, str]],
    recent_events: int,
) -> CardsThen:
    """The cards at the instant of an audience, of (kind, value) pairs, each with at most so many of
    the last events that had happened by then."""
    binder = audience.binder
    asked = asked_of(binder)
    segments = _stored_segments(binder, snapshot.fields)
    reads = asked.reads.also(reads_of(body for _, body in segments))
    found = [
        None
        if row == UNKNOWN
        else _card(snapshot, audience, closures, row, asked, segments, reads, recent_events)
        for row in rows_of(identities_of(snapshot), binder.model, identifiers).tolist()
    ]
    shown = [
        name
        for name, attribute in binder.model.attributes.items()
        if attribute.computed is None and not attribute.history and name in snapshot.fields
    ]
    today = dict.fromkeys((*shown, *audience.today(reads)))
    return CardsThen(found, audience.as_of_us, tuple(today))


def _stored_segments(binder: Binder, catalog: Catalog) -> list[tuple[str, BoundExpr]]:
    """What the segments that the store keeps say, in the order of the model."""
    return [
        (name, facts_of(binder, name).body)
        for name in binder.model.segments
        if segment_field(name) in catalog
    ]


def _card(
    snapshot: Snapshot,
    audience: Audience,
    closures: KnownClosures,
    row: int,
    asked: Asked,
    segments: Sequence[tuple[str, BoundExpr]],
    reads: Reads,
    recent_events: int,
) -> ProfileCard | None:
    binder, at_us = audience.binder, audience.as_of_us
    model = binder.model
    events = RowEvents(snapshot, model, row)
    recent = latest_events(snapshot, model, events, at_us, recent_events) if recent_events else None
    record = read_profile(snapshot, model, row, recent)
    if record is None:
        return None
    profile = as_one_profile(
        snapshot, model, record, reads.types, reads.lists, audience.latest_us, events
    )
    profile = as_it_was(profile, snapshot, model, row, at_us)
    record = replace(record, attributes=_in_order(model.attributes, profile.attributes))
    reading = Reading(profile, at_us, closures.of(binder))
    return ProfileCard(
        with_segments(record, binder, segments, reading), card_of(asked, binder, reading)
    )


def _in_order(
    names: Mapping[str, object], values: Mapping[str, PlainValue]
) -> dict[str, AttributeValue]:
    """Values by name as people read them, in the order of the model."""
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name in names
        if (value := values.get(name)) is not None
    }
