"""`sources`: how the files of one origin become profiles or events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, WithJsonSchema

from engine.model.definitions import TAG, Source, SourceColumn
from engine.model.sections.declared import Declared
from engine.model.shape import Fault, Shape, did_you_mean, repeated
from engine.model.time_zones import TimeZone
from engine.model.written import Name, PlainText, Text, Written, choice

__all__ = ["ColumnShape", "SourceShape", "build", "check"]

# What people call the encodings that loaders read; GB18030 contains the two before it.
_ENCODINGS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
}


def _encoding(value: Any) -> str:
    name = value.lower().replace("_", "-") if isinstance(value, str) else value
    return _ENCODINGS[choice(*_ENCODINGS)(name)]


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, Written) else value


Empty = Annotated[Literal["keep", "unset"], BeforeValidator(choice("keep", "unset"))]
Encoding = Annotated[
    str, BeforeValidator(_encoding), WithJsonSchema({"type": "string", "enum": list(_ENCODINGS)})
]
_TEXT = {"type": "string", "minLength": 1}
Columns = Annotated[
    tuple[Text, ...],
    BeforeValidator(_one_or_more),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}),
]


class ColumnShape(Shape):
    """A column; `split` cuts each of its cells into the values of a set."""

    short_key = "column"

    column: Text
    split: PlainText | None = None


class SourceShape(Shape):
    """A source of profiles, or of events of one type if `event` is there."""

    event: Name | None = None
    identify: dict[Name, Text] = Field(min_length=1)
    id: Columns | None = None
    time: Text | None = None
    attributes: dict[Name, ColumnShape] | None = None
    properties: dict[Name, Text] | None = None
    tags: ColumnShape | None = None
    by: Text | None = None
    empty: Empty | None = None
    time_zone: TimeZone | None = None
    query: Text | None = None
    encoding: Encoding = "utf-8"


def check(name: str, shape: SourceShape, declared: Declared) -> Iterator[Fault]:
    """Faults of one source beyond its shape."""
    path = ("sources", name)
    for kind in shape.identify:
        if kind not in declared.identifiers:
            hint = did_you_mean(kind, declared.identifiers, "declare it under identifiers")
            yield Fault((*path, "identify", kind), f"unknown kind of identifier '{kind}'", hint)
    if shape.event is None:
        yield from _profile_faults(path, shape, declared)
    else:
        yield from _event_faults(path, shape, shape.event, declared)


def _profile_faults(
    path: tuple[str, ...], shape: SourceShape, declared: Declared
) -> Iterator[Fault]:
    for key in shape.written("id", "time", "properties"):
        hint = "add `event:` to load events"
        yield Fault((*path, key), f"a source of profiles has no `{key}`", hint)
    attributes = shape.attributes or {}
    for name, column in attributes.items():
        yield from _attribute_faults((*path, "attributes", name), name, column, declared)
    if shape.tags is not None:
        yield from _split_faults((*path, "tags", "split"), shape.tags)
    fills_set = shape.tags is not None or any(
        declared.attributes.get(name, "set") in ("set", None) for name in attributes
    )
    if shape.by is not None and not fills_set:
        hint = "`by` names who gives the values of a set"
        yield Fault((*path, "by"), "this source fills no set and no tags", hint)


def _attribute_faults(
    path: tuple[str, ...], name: str, column: ColumnShape, declared: Declared
) -> Iterator[Fault]:
    type_ = declared.attributes.get(name)
    if name == TAG:
        yield Fault(path, "tags are filled by the key `tags` of the source")
    elif name not in declared.attributes:
        hint = did_you_mean(name, declared.attributes, "declare it under attributes")
        yield Fault(path, f"unknown attribute '{name}'", hint)
    elif name in declared.computed:
        yield Fault(path, f"'{name}' is computed by `is`, nothing can be loaded into it")
    elif column.split is not None and type_ not in ("set", None):
        yield Fault((*path, "split"), f"only a set is split, '{name}' is of type {type_}")
    yield from _split_faults((*path, "split"), column)


def _split_faults(path: tuple[str, ...], column: ColumnShape) -> Iterator[Fault]:
    if column.split == "":
        yield Fault(path, "expected what stands between two values, found an empty text")


def _event_faults(
    path: tuple[str, ...], shape: SourceShape, event: str, declared: Declared
) -> Iterator[Fault]:
    if event not in declared.events:
        hint = did_you_mean(event, declared.events, "declare it under events")
        if event in declared.groups:
            hint = "that is a group: name one type of event"
        yield Fault((*path, "event"), f"unknown event '{event}'", hint)
    if shape.time is None:
        yield Fault(path, "the key `time` is missing", "name the column with the event's time")
    for key in shape.written("attributes", "tags", "by", "empty"):
        hint = "a second source can load the same file without `event`"
        yield Fault((*path, key), f"a source of events has no `{key}`", hint)
    yield from repeated((*path, "id"), shape.id or ())
    known = declared.events.get(event)
    for name in shape.properties or {}:
        if known is not None and name not in known:
            hint = did_you_mean(name, known, "declare it under the event's properties")
            told = f"the event '{event}' has no property '{name}'"
            yield Fault((*path, "properties", name), told, hint)


def build(name: str, shape: SourceShape) -> Source:
    """The definition."""
    return Source(
        name=name,
        identify=dict(shape.identify),
        event=shape.event,
        id=shape.id or (),
        time=shape.time,
        attributes={key: _column(value) for key, value in (shape.attributes or {}).items()},
        properties=dict(shape.properties or {}),
        tags=None if shape.tags is None else _column(shape.tags),
        by=shape.by,
        empty_unsets=shape.empty == "unset",
        time_zone=None if shape.time_zone is None else ZoneInfo(shape.time_zone),
        query=shape.query,
        encoding=shape.encoding,
    )


def _column(shape: ColumnShape) -> SourceColumn:
    return SourceColumn(shape.column, shape.split)
