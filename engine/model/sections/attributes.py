"""`attributes`: what is kept of a profile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field

from engine.model.definitions import TAG, Attribute, AttributeType
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, did_you_mean
from engine.model.written import Flag, Name, Scale, Text, choice

__all__ = ["TYPES", "AttributeShape", "TypeName", "build", "check", "scale_faults"]

TYPES = ("category", "set", "int", "decimal", "float", "bool", "date", "time", "text")

# What the types are called elsewhere.
_FOREIGN = {
    "array": "set",
    "boolean": "bool",
    "datetime": "time",
    "double": "float",
    "enum": "category",
    "integer": "int",
    "list": "set",
    "long": "int",
    "number": "decimal",
    "numeric": "decimal",
    "str": "category",
    "string": "category",
    "tags": "set",
    "timestamp": "time",
    "varchar": "category",
}

TypeName = Annotated[AttributeType, BeforeValidator(choice(*TYPES, also=_FOREIGN))]


class AttributeShape(Shape):
    """An attribute; its type alone is the short form."""

    short_key = "type"

    type: TypeName
    scale: Scale | None = None
    label: Text | None = None
    history: Flag = False
    needs: Name | None = None
    is_: Text | None = Field(default=None, alias="is")


def scale_faults(path: tuple[str, ...], type_: str, scale: int | None) -> Iterator[Fault]:
    """What is wrong between a type and its scale: decimals have one, others have none."""
    if type_ == "decimal" and scale is None:
        hint = "write for example {type: decimal, scale: 2}"
        yield Fault(path, "a decimal needs a scale, the number of digits after the point", hint)
    if type_ != "decimal" and scale is not None:
        yield Fault((*path, "scale"), f"only a decimal has a scale, this is of type {type_}")


def check(name: str, shape: AttributeShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one attribute beyond its shape."""
    path = ("attributes", name)
    if name == TAG:
        what = "the set that tag rules and `tags:` of sources fill"
        yield Fault(path, f"'{name}' is built in: {what}", "use another name")
    if name.startswith(":"):
        yield Fault(path, f"the name '{name}' begins with ':', as the store's own fields do")
    yield from scale_faults(path, shape.type, shape.scale)
    if shape.needs is not None and shape.needs not in declared.purposes:
        hint = did_you_mean(shape.needs, declared.purposes, "declare it under purposes")
        yield Fault((*path, "needs"), f"unknown purpose '{shape.needs}'", hint)
    if shape.is_ is not None and shape.type == "set":
        yield Fault((*path, "is"), "a set cannot be computed", "a tag rule can fill `tag`")
    if shape.type == "set" and shape.history:
        yield Fault(
            (*path, "history"),
            "a set keeps no history",
            "an event for each change can be counted at any instant",
        )
    if shape.is_ is not None and shape.history:
        yield Fault(
            (*path, "history"),
            "a computed attribute keeps no history of its own",
            "at any instant it is computed from what was known then",
        )


def build(name: str, shape: AttributeShape) -> Attribute:
    """The definition."""
    return Attribute(
        name=name,
        type=shape.type,
        scale=shape.scale or 0,
        label=shape.label,
        history=shape.history,
        needs=shape.needs,
        computed=shape.is_,
    )
