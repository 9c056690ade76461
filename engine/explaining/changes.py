"""What could be different about a profile, one thing at a time, and the profile that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.explaining.one_profile import OneEvent, PlainValue
from engine.explaining.reading import Reading

__all__ = ["Added", "Change", "Listed", "Put", "Wait", "Way", "applied", "shifted"]


@dataclass(frozen=True, slots=True)
class Put:
    """An attribute has a value, of a set all its elements; None: it has none."""

    attribute: str
    value: PlainValue | None
    before: PlainValue | None


@dataclass(frozen=True, slots=True)
class Added:
    """Events are added. All of them say the same but for what `read` names, which may differ;
    `types` are those that would do, of which they have the first.

    `read` is the property whose value matters, and `by` says what a sum would grow by.
    """

    events: tuple[OneEvent, ...]
    types: tuple[str, ...]
    read: str | None = None
    by: PlainValue | None = None

    @property
    def in_common(self) -> dict[str, PlainValue]:
        """The properties that all of them have alike."""
        return {
            name: value
            for name, value in self.events[0].properties.items()
            if all(event.properties.get(name) == value for event in self.events)
        }

    @property
    def distinct(self) -> str | None:
        """The property in which they differ; None where they need not."""
        return self.read if self.read and len(self.events) > 1 else None


@dataclass(frozen=True, slots=True)
class Listed:
    """The profile is in an uploaded list, or in it no more."""

    name: str
    is_in: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing happens until an instant."""

    until_us: int


Change = Put | Added | Listed | Wait


@dataclass(frozen=True, slots=True)
class Way:
    """Changes, one after the other, and what they lead to: its instant is the one at which the
    last of them has happened.

    `before_us`: events of today do the same at any instant from now on and before this one; None
    where that does not end, or is not known.
    """

    changes: tuple[Change, ...]
    after: Reading
    before_us: int | None = None

    @property
    def cost(self) -> tuple[int, int]:
        """What ways are ordered by: how many changes there are, and how many events."""
        events = sum(len(one.events) for one in self.changes if isinstance(one, Added))
        return len(self.changes), events

    def then(self, other: Way) -> Way:
        """This way, and another from where it led."""
        return Way((*self.changes, *other.changes), other.after)


def applied(changes: Sequence[Change], reading: Reading) -> Reading:
    """The profile after some changes. Events happen at their times, so its instant is not before
    the last of them."""
    profile, now_us = reading.profile, reading.now_us
    types: set[str] = set()
    for change in changes:
        match change:
            case Put(attribute=attribute, value=value):
                profile = profile.with_value(attribute, value)
            case Added(events=events):
                profile = profile.with_events(events)
                types.update(event.type for event in events)
                now_us = max(now_us, *(event.time_us for event in events))
            case Listed(name=name, is_in=is_in):
                profile = profile.with_list(name, is_in)
            case Wait(until_us=until_us):
                now_us = max(now_us, until_us)
    return reading.of(profile, now_us, types)


def shifted(changes: Sequence[Change], by_us: int) -> list[Change]:
    """The same changes with all events so much later."""
    moved: list[Change] = []
    for change in changes:
        if isinstance(change, Added):
            later = [
                OneEvent(event.type, event.time_us + by_us, event.properties)
                for event in change.events
            ]
            change = replace(change, events=tuple(later))
        moved.append(change)
    return moved
