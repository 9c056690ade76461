"""The JSON Schema of the model file, for editors (`strata model --schema`)."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from engine.model.document import DocumentShape

__all__ = ["schema"]


class _ForEditors(GenerateJsonSchema):
    """The schema as an author sees the file: no class names, and no null for a key left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a model file, alone or in a folder.

    It describes the shape alone. What keys say about each other, and every expression, is
    checked by `load_model` and `check_expressions`.
    """
    # A file of a folder may leave a required section to another.
    document = DocumentShape.model_json_schema(by_alias=True, schema_generator=_ForEditors)
    document.pop("required")
    for shape in document["$defs"].values():
        shape.pop("title", None)
        for form in shape.get("anyOf", ()):
            form.pop("title", None)
    return {
        **document,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Strata model",
    }
