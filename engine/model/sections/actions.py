"""`actions`: what the feed asks somebody to do."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from engine.model.plain import Action, Owner
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, did_you_mean, repeated
from engine.model.written import AnyValue, Duration, Name, Text

__all__ = ["ActionShape", "OwnerShape", "build", "check"]

# An owner is found by the value of a profile, written as one text.
_OWNER_TYPES = ("category", "int", "bool")


class OwnerShape(Shape):
    """Who gets an action: the value of an attribute looked up in a table."""

    by: Name
    table: dict[AnyValue, Name] = Field(min_length=1)
    else_: Name | None = Field(default=None, alias="else")


class ActionShape(Shape):
    """An action, when an expression becomes true (`on`) or for `each` event of a step."""

    on: Text | None = None
    each: Text | None = None
    do: Name
    owner: OwnerShape | None = None
    due: Duration | None = None
    send: tuple[Name, ...] = ()


def check(name: str, shape: ActionShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one action beyond its shape."""
    path = ("actions", name)
    yield from shape.one_of(path, "an action", "on", "each")
    if shape.owner is not None:
        yield from _owner_faults((*path, "owner", "by"), shape.owner.by, declared)
    for at, attribute in enumerate(shape.send):
        yield from _unknown((*path, "send", at), attribute, declared)
    yield from repeated((*path, "send"), shape.send)


def _owner_faults(path: tuple[str, ...], by: str, declared: Declared) -> Iterator[Fault]:
    yield from _unknown(path, by, declared)
    type_ = declared.attributes.get(by)
    if type_ is not None and type_ not in _OWNER_TYPES:
        listed = ", ".join(_OWNER_TYPES)
        yield Fault(path, f"'{by}' is of type {type_}, which no table can list", f"use {listed}")


def _unknown(path: tuple[str | int, ...], attribute: str, declared: Declared) -> Iterator[Fault]:
    if attribute not in declared.attributes:
        hint = did_you_mean(attribute, declared.attributes, "declare it under attributes")
        yield Fault(path, f"unknown attribute '{attribute}'", hint)


def build(shape: ActionShape) -> Action:
    """The action as plain data."""
    action: Action = {"do": shape.do, "send": shape.send}
    if shape.on is not None:
        action["on"] = shape.on
    if shape.each is not None:
        action["each"] = shape.each
    if shape.due is not None:
        action["due_us"] = shape.due
    if shape.owner is not None:
        owner: Owner = {"by": shape.owner.by, "table": dict(shape.owner.table)}
        if shape.owner.else_ is not None:
            owner["else"] = shape.owner.else_
        action["owner"] = owner
    return action
