"""What pydantic finds wrong with a shape, in the words of the model file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.model.positions import KeyPath
from engine.model.shape import Fault, Shape, did_you_mean
from engine.model.written import found

__all__ = ["known_keys", "shape_faults"]

# What was expected, by the type of pydantic's error.
_EXPECTED = {
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}


def shape_faults(
    path: KeyPath, shape: Any, value: object, error: ValidationError
) -> Iterator[Fault]:
    """One fault for each error that validation found.

    `value` is what was held against `shape` (a Shape or a container of shapes), and `path`
    is where it stands.
    """
    errors = error.errors(include_url=False)
    places = [details["loc"] for details in errors]
    for details in errors:
        place = details["loc"]
        if details["type"] == "too_short" and _any_below(place, places):
            continue  # pydantic does not count entries that are wrong
        # pydantic marks a fault of a key itself with one more step.
        inner = tuple(step for step in place if step != "[key]")
        yield _fault(path, shape, inner, _written_path(value, inner), details)


def _any_below(place: KeyPath, places: list[KeyPath]) -> bool:
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def _written_path(value: Any, path: KeyPath) -> KeyPath:
    """The path as far as it is written out: a short form ends it."""
    for at, step in enumerate(path):
        if not isinstance(value, dict | list):
            return path[:at]
        if isinstance(value, dict) and step not in value:
            return path[: at + 1]
        value = value[step]  # type: ignore[index]
    return path


def _fault(
    path: KeyPath, shape: Any, inner: KeyPath, written: KeyPath, details: ErrorDetails
) -> Fault:
    kind = details["type"]
    context = details.get("ctx", {})
    at = (*path, *written)
    if kind == "strata":
        return Fault(at, context["message"], context["hint"])
    if kind == "missing":
        return Fault(at[:-1], f"the key '{inner[-1]}' is missing")
    if kind == "extra_forbidden":
        known = known_keys(shape, inner[:-1])
        hint = did_you_mean(str(inner[-1]), known, f"known keys: {', '.join(known)}")
        return Fault(at, f"unknown key '{inner[-1]}'", hint)
    if kind == "too_short":
        return Fault(at, "expected at least one entry, found none")
    expected = _EXPECTED.get(kind)
    assert expected is not None, f"an error of pydantic without words: {kind}"
    return Fault(at, f"expected {expected}, found {found(details['input'])}")


def known_keys(shape: Any, path: KeyPath) -> list[str]:
    """The keys of the shape that lies at `path` below an annotation, in their order."""
    for step in path:
        shape = _bare(shape)
        if isinstance(shape, type) and issubclass(shape, Shape):
            shape = _field(shape, str(step))
        else:
            shape = _item(shape)
    shape = _bare(shape)
    assert isinstance(shape, type) and issubclass(shape, Shape)
    return [field.alias or name for name, field in shape.model_fields.items()]


def _bare(annotation: Any) -> Any:
    """The annotation without metadata and without `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, UnionType):
            annotation = next(one for one in get_args(annotation) if one is not type(None))
        else:
            return annotation


def _field(shape: type[Shape], key: str) -> Any:
    fields = shape.model_fields.items()
    return next(field.annotation for name, field in fields if key == (field.alias or name))


def _item(container: Any) -> Any:
    arguments = get_args(container)
    return arguments[1] if issubclass(get_origin(container), Mapping) else arguments[0]
