"""`segments`: named expressions."""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.definitions import Segment
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape
from engine.model.written import Text

__all__ = ["SegmentShape", "build", "check"]


class SegmentShape(Shape):
    """A segment; its expression alone is the short form."""

    short_key = "when"

    when: Text
    label: Text | None = None


def check(name: str, shape: SegmentShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one segment beyond its shape; its expression is checked by itself."""
    if name.startswith(":"):
        told = f"the name '{name}' begins with ':', as those of the store's own definitions"
        yield Fault(("segments", name), told)


def build(name: str, shape: SegmentShape) -> Segment:
    """The definition."""
    return Segment(name, shape.when, shape.label)
