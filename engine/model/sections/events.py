"""`events` and `event_groups`: what profiles do, and names for several kinds at once."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from engine.limits import MODEL_EVENT_PROPERTIES
from engine.model.definitions import EventProperty, EventType
from engine.model.sections.attributes import TypeName, scale_faults
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, did_you_mean, repeated
from engine.model.written import Duration, Flag, Name, Scale, Text

__all__ = ["EventShape", "PropertyShape", "build", "check", "check_group"]


class PropertyShape(Shape):
    """A property of an event; its type alone is the short form."""

    short_key = "type"

    type: TypeName
    scale: Scale | None = None


class EventShape(Shape):
    """A type of event; `retention` is how long its events are kept."""

    may_be_empty = True

    properties: dict[Name, PropertyShape] = Field(default_factory=dict)
    erases: Flag = False
    retention: Duration | None = None
    label: Text | None = None


def check(name: str, shape: EventShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one type of event beyond its shape."""
    path = ("events", name)
    yield from _any_faults(path, name)
    if len(shape.properties) > MODEL_EVENT_PROPERTIES:
        told = f"an event has at most {MODEL_EVENT_PROPERTIES} properties, this one has "
        hint = "put what belongs together into a type of event of its own"
        yield Fault((*path, "properties"), f"{told}{len(shape.properties)}", hint)
    yield from _hidden_faults(path, name)
    for key, value in shape.properties.items():
        inner = (*path, "properties", key)
        yield from _hidden_faults(inner, key)
        if value.type == "set":
            yield Fault(inner, "a property of an event holds one value, not a set", "use category")
        yield from scale_faults(inner, value.type, value.scale)


def check_group(name: str, members: tuple[str, ...], declared: Declared) -> Iterator[Fault]:
    """Faults of one group of events beyond its shape."""
    path = ("event_groups", name)
    yield from _any_faults(path, name)
    if name in declared.events:
        yield Fault(path, f"'{name}' names a type of event already", "rename one of them")
    if not members:
        yield Fault(path, "a group needs at least one type of event")
    for at, member in enumerate(members):
        if member in declared.events:
            continue
        if member in declared.groups:
            message, hint = f"'{member}' is a group itself", "list the types of events"
        else:
            message = f"unknown event '{member}'"
            hint = did_you_mean(member, declared.events, "declare it under events")
        yield Fault((*path, at), message, hint)
    yield from repeated(path, members)


def _any_faults(path: tuple[str, ...], name: str) -> Iterator[Fault]:
    if name.lower() == "any":
        yield Fault(path, f"'{name}' stands for every type of event", "use another name")


def _hidden_faults(path: tuple[str, ...], name: str) -> Iterator[Fault]:
    if name.startswith(":"):
        yield Fault(path, f"the name '{name}' begins with ':', as those of the store's own events")


def build(name: str, shape: EventShape) -> EventType:
    """The definition."""
    return EventType(
        name=name,
        properties={
            key: EventProperty(key, value.type, value.scale or 0)
            for key, value in shape.properties.items()
        },
        erases=shape.erases,
        retention_us=shape.retention,
        label=shape.label,
    )
