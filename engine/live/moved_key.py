"""How the stored feed names what is more than entering and leaving.

The record of the feed has a definition for whoever enters or leaves, by its key path. Further
texts stand behind that, each after a NUL, which no key path has; and everybody enters:

- a score or a tier: the name before and the name after, '' for none;
- a rule whose tags properties name: the tag after '' where somebody gets it, and before '' where
  somebody loses it. Of these a profile may have several;
- points of a score: `points`, thousandths before and after in decimal digits, '' for none;
- an event by which there is something to do: `event`, its type, and its time (microseconds from
  1970), its id (0 for none) and how many without an id of the same type, time and profile come
  before it, in decimal digits with blanks between them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FeedKey", "NamedEvent", "event_key", "moved_key", "points_key", "read_key"]

_BETWEEN = "\0"
_POINTS, _EVENT = "points", "event"


@dataclass(frozen=True, slots=True, order=True)
class NamedEvent:
    """An event of a profile by its type, its time in microseconds from 1970 and its id, or 0.
    `count` events without an id that have its type and time come before it."""

    type: str
    time_us: int
    id: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class FeedKey:
    """What stands in the feed: a key path; from which name to which, or from how many thousandths
    to how many, it goes where it does; the event that it is about."""

    path: str
    names: tuple[str, str] | None = None
    points: tuple[int | None, int | None] | None = None
    event: NamedEvent | None = None


def moved_key(key: str, old: str, new: str) -> str:
    """What stands in the feed for a change of a key path from one name to another."""
    return _BETWEEN.join((key, old, new))


def points_key(key: str, old: int | None, new: int | None) -> str:
    """What stands in the feed for a change of a score, in thousandths of a point."""
    sides = ("" if side is None else str(side) for side in (old, new))
    return _BETWEEN.join((key, _POINTS, *sides))


def event_key(key: str, event: NamedEvent) -> str:
    """What stands in the feed where an event asks for something."""
    figures = f"{event.time_us} {event.id} {event.count}"
    return _BETWEEN.join((key, _EVENT, event.type, figures))


def read_key(stored: str) -> FeedKey:
    """What stands in the feed, taken apart. ValueError where it is nothing of these."""
    match stored.split(_BETWEEN):
        case [path]:
            return FeedKey(path)
        case [path, old, new]:
            return FeedKey(path, names=(old, new))
        case [path, what, old, new] if what == _POINTS:
            return FeedKey(path, points=(_thousandths(old), _thousandths(new)))
        case [path, what, type_, figures] if what == _EVENT:
            time_us, id_, count = (int(figure) for figure in figures.split(" "))
            return FeedKey(path, event=NamedEvent(type_, time_us, id_, count))
    raise ValueError(f"{stored!r} names nothing")


def _thousandths(side: str) -> int | None:
    return int(side) if side else None
