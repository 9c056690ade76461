"""What the shapes of the model file have in common.

A shape is a pydantic class for one kind of mapping in the file: which keys it has and what
each holds. It knows nothing of the rest of the model; what keys say about each other is
checked by the section that owns the shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from engine.model.positions import KeyPath
from engine.model.written import NOTHING
from engine.nearest import nearest

__all__ = ["Fault", "Shape", "did_you_mean", "repeated"]


class Fault(NamedTuple):
    """Something wrong at a key path; `hint` is what to do, or ''."""

    path: KeyPath
    message: str
    hint: str = ""


class Shape(BaseModel):
    """A mapping whose keys are all known.

    `short_key`: a bare text in place of the mapping stands for this one key.
    `may_be_empty`: a key with nothing after it stands for an empty mapping.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)

    short_key: ClassVar[str | None] = None
    may_be_empty: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _long_form(cls, value: Any) -> Any:
        if cls.short_key is not None and isinstance(value, str):
            return {cls.short_key: value}
        return {} if cls.may_be_empty and value is NOTHING else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.short_key is not None:
            short = schema["properties"][cls.short_key]
            return {"anyOf": [short, schema]}
        if cls.may_be_empty:
            return {"anyOf": [{"type": "null"}, schema]}
        return schema

    def one_of(self, path: KeyPath, what: str, *keys: str) -> Iterator[Fault]:
        """A fault unless exactly one of the given fields has a value."""
        written = self.written(*keys)
        if len(written) != 1:
            listed = " or ".join(f"`{key}`" for key in keys)
            told = " and ".join(f"`{key}`" for key in written) or "none"
            yield Fault(path, f"{what} needs one of {listed}, found {told}")

    def written(self, *keys: str) -> list[str]:
        """Those of the given fields that have a value."""
        return [key for key in keys if getattr(self, key) is not None]


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the nearest of the known names, or what else to do."""
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else otherwise


def repeated(path: KeyPath, names: Iterable[str]) -> Iterable[Fault]:
    """A fault for every name of a list that stood there before."""
    seen: dict[str, int] = {}
    for at, name in enumerate(names):
        if name in seen:
            yield Fault((*path, at), f"'{name}' stands twice in the list")
        seen.setdefault(name, at)
