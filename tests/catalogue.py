"""Rows of the catalogue of rules: for each a rule of an example model, profiles just inside and
just outside of it, and what a reader is told of it.

Instants are written as how long ago they were, counted back from the instant asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from strata.answers import Value
from strata.updates import Event, Update

__all__ = ["Did", "Person", "Row", "ago", "did", "times"]


def ago(**parts: float) -> timedelta:
    """How long ago something was: `ago(days=3, microseconds=1)`."""
    return timedelta(**parts)


@dataclass(frozen=True)
class Did:
    """An event: its type, how long ago it was, and its properties."""

    type: str
    ago: timedelta
    properties: Mapping[str, Value] = field(default_factory=dict)


def did(type_: str, ago: timedelta = timedelta(days=2), **properties: Value) -> Did:
    """An event, two days ago where nothing else is said."""
    return Did(type_, ago, properties)


def times(count: int, *events: Did) -> list[Did]:
    """The same events several times, each a minute earlier than the one before it."""
    return [
        Did(one.type, one.ago + timedelta(minutes=number), one.properties)
        for one in events
        for number in range(count)
    ]


@dataclass(frozen=True)
class Person:
    """Attributes, tags and events of somebody."""

    attributes: Mapping[str, Value] = field(default_factory=dict)
    events: Sequence[Did] = ()

    def updates(self, kind: str, name: str, now: datetime) -> list[Update]:
        """What brings the person into a store; an update has one event of a type at most."""
        found = [Update({kind: name}, attributes=self.attributes)]
        for one in sorted(self.events, key=lambda one: -one.ago):
            event = Event(one.type, one.properties, now - one.ago)
            found.append(Update({kind: name}, events=[event]))
        return found


@dataclass(frozen=True)
class Row:
    """One rule that users write down.

    `number` is that of the catalogue, `says` the rule in short, `key` its place in the model, and
    `asks` an expression that holds for those in it.
    """

    number: int
    says: str
    key: str
    asks: str
    inside: Sequence[Person]
    outside: Sequence[Person]
