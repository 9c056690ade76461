"""`purposes`: what data may be used for, with the channels of each."""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.definitions import Purpose
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, repeated
from engine.model.written import Name

__all__ = ["PurposeShape", "build", "check"]


class PurposeShape(Shape):
    """A purpose; without channels it is granted as a whole."""

    may_be_empty = True

    channels: tuple[Name, ...] = ()


def check(name: str, shape: PurposeShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one purpose beyond its shape."""
    yield from repeated(("purposes", name, "channels"), shape.channels)


def build(name: str, shape: PurposeShape) -> Purpose:
    """The definition."""
    return Purpose(name, shape.channels)
