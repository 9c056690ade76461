"""`tag_rules`: tags that follow from what a profile is and does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator

from engine.model.plain import TagRule
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, did_you_mean
from engine.model.written import Name, Text, choice

__all__ = ["PLACE", "TagRuleShape", "build", "check", "check_all", "selected_events"]

Keep = Annotated[Literal["sticky", "live"], BeforeValidator(choice("sticky", "live"))]

# Where the value of a property stands in the name of a tag.
PLACE = re.compile(r"\{([^{}]*)\}")
# The selector that a step begins with, as the grammar has it: names and commas.
_NAME = r'(?:"[^"]*"|[^\W\d]\w*)'
_SELECTOR = re.compile(rf"\s*({_NAME}(?:\s*,\s*{_NAME})*)(?=\s|$)")


class TagRuleShape(Shape):
    """A tag with `when` (an expression) or `each` (a step: one tag per value of a property)."""

    tag: Name
    when: Text | None = None
    each: Text | None = None
    keep: Keep = "live"


def check(at: int, shape: TagRuleShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one tag rule beyond its shape."""
    path = ("tag_rules", at)
    yield from shape.one_of(path, "a tag rule", "when", "each")
    places = PLACE.findall(shape.tag)
    if "{" in PLACE.sub("", shape.tag) or "}" in PLACE.sub("", shape.tag) or "" in places:
        yield Fault((*path, "tag"), "a bracket is open", "write {property}, a property's name")
    elif shape.each is None and places:
        yield Fault(
            (*path, "tag"),
            f"'{{{places[0]}}}' needs an event to take its value from",
            "use `each` in place of `when`",
        )
    elif shape.each is not None and shape.when is None:
        yield from _place_faults(path, shape.each, places, declared)


def _place_faults(
    path: tuple[str | int, ...], step: str, places: list[str], declared: Declared
) -> Iterator[Fault]:
    if not places:
        hint = "put {property} in the tag, or use `when` with count(...) >= 1"
        yield Fault((*path, "tag"), "with `each` the tag comes from a property", hint)
    known: set[str] = set()
    for event in selected_events(step, declared):
        properties = declared.events.get(event)
        if properties is None:  # unknown or faulty, which is told elsewhere
            return
        known |= properties
    for place in places:
        if place not in known:
            hint = did_you_mean(place, known, "declare it under the event's properties")
            yield Fault((*path, "tag"), f"the events have no property '{place}'", hint)


def selected_events(step: str, declared: Declared) -> list[str]:
    """The types of events that a step selects, groups taken apart.

    A name that is not declared stays in the list as it is. A text that does not begin like a
    step selects nothing known: the check of expressions tells what is wrong with it.
    """
    match = _SELECTOR.match(step)
    names = [name.strip('"') for name in re.findall(_NAME, match[1])] if match else [step]
    if [name.lower() for name in names] == ["any"]:
        return list(declared.events)
    return [event for name in names for event in declared.groups.get(name) or (name,)]


def check_all(shapes: dict[int, TagRuleShape]) -> Iterator[Fault]:
    """Faults between tag rules: a tag has one rule."""
    first: dict[str, int] = {}
    for at, shape in shapes.items():
        if shape.tag in first:
            yield Fault(
                ("tag_rules", at, "tag"),
                f"the tag '{shape.tag}' has a rule already, tag_rules[{first[shape.tag]}]",
                "join the two with `or`",
            )
        first.setdefault(shape.tag, at)


def build(shape: TagRuleShape) -> TagRule:
    """The rule as plain data."""
    rule: TagRule = {"tag": shape.tag, "keep": shape.keep}
    if shape.when is not None:
        rule["when"] = shape.when
    if shape.each is not None:
        rule["each"] = shape.each
    return rule
