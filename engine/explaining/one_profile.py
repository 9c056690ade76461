"""One profile, read whole: what every expression about it can ask for, as plain values.

Values are those that people read: int, Decimal, float, bool, date, aware datetime, str, and a
frozenset of str for a set. A missing one is absent, and so is an empty set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from engine.live.profile_event import ProfileEvent

__all__ = ["EPOCH", "EPOCH_DAY", "OneEvent", "OneProfile", "PlainValue", "instant_of", "us_of"]

PlainValue = int | Decimal | float | bool | date | datetime | str | frozenset[str]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)


# An event: `time_us` microseconds from 1970, and the properties that it brought.
OneEvent = ProfileEvent


@dataclass(frozen=True, slots=True, eq=False)
class OneProfile:
    """`events` has them by type, in any order; `owned` has, of each uploaded list that the profile
    is in, its identifiers that are there, as (kind, value)."""

    uid: bytes
    zone: ZoneInfo
    attributes: Mapping[str, PlainValue] = field(default_factory=dict)
    events: Mapping[str, Sequence[OneEvent]] = field(default_factory=dict)
    owned: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)

    def with_value(self, attribute: str, value: PlainValue | None) -> OneProfile:
        """The same profile with another value of one attribute; None takes it away."""
        attributes = {k: v for k, v in self.attributes.items() if k != attribute}
        if value is not None and value != frozenset():
            attributes[attribute] = value
        return replace(self, attributes=attributes)

    def with_events(self, added: Sequence[OneEvent]) -> OneProfile:
        """The same profile, and some events more."""
        events = {type_: [*some] for type_, some in self.events.items()}
        for event in added:
            events.setdefault(event.type, []).append(event)
        return replace(self, events=events)

    def with_list(self, name: str, is_in: bool) -> OneProfile:
        """The same profile, in a list or not."""
        owned = {one: ids for one, ids in self.owned.items() if one != name}
        if is_in:
            owned[name] = self.owned.get(name, ())
        return replace(self, owned=owned)


def us_of(moment: datetime) -> int:
    """Microseconds from 1970 of an instant."""
    return (moment - EPOCH) // _MICROSECOND


def instant_of(us: int) -> datetime:
    """The instant of microseconds from 1970, in UTC."""
    return EPOCH + timedelta(microseconds=us)
