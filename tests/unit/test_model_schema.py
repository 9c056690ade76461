"""The JSON Schema says what the loader accepts, as far as a schema can."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from engine.model.schema import schema
from tests.unit.test_model_example import CONTRACT, REST, guide_example

_KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
# Every keyword that the little validator below knows, and those that say nothing.
_KNOWN = {"type", "enum", "anyOf", "$ref", "properties", "additionalProperties", "required"}
_KNOWN |= {"items", "minItems", "minProperties", "minLength", "maxLength", "minimum", "maximum"}
_KNOWN |= {"pattern", "propertyNames", "description", "default", "title", "$defs", "$schema"}


def accepts(rules: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """A small validator for the keywords in use, read from the JSON Schema specification."""
    assert set(rules) <= _KNOWN, set(rules) - _KNOWN
    if "$ref" in rules:
        return accepts(root["$defs"][rules["$ref"].rsplit("/", 1)[1]], value, root)
    if "anyOf" in rules and not any(accepts(one, value, root) for one in rules["anyOf"]):
        return False
    kinds = rules.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = any(
        isinstance(value, _KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
        for kind in kinds
    )
    if (kinds and not fits) or value not in rules.get("enum", [value]):
        return False
    if isinstance(value, str):
        return (
            rules.get("minLength", 0) <= len(value) <= rules.get("maxLength", len(value))
            and re.search(rules.get("pattern", ""), value) is not None
        )
    if isinstance(value, list):
        return len(value) >= rules.get("minItems", 0) and all(
            accepts(rules.get("items", {}), item, root) for item in value
        )
    if isinstance(value, dict):
        return accepts_mapping(rules, value, root)
    return value is None or rules.get("minimum", value) <= value <= rules.get("maximum", value)


def accepts_mapping(rules: dict[str, Any], value: dict[Any, Any], root: dict[str, Any]) -> bool:
    if not set(rules.get("required", ())) <= set(value):
        return False
    if len(value) < rules.get("minProperties", 0):
        return False
    for key, item in value.items():
        inner = rules.get("properties", {}).get(key, rules.get("additionalProperties", {}))
        if inner is False or not accepts(inner, item, root):
            return False
    return True


class _Yaml12(yaml.SafeLoader):
    """YAML as editors read it: `on` and dates are texts."""


_Yaml12.yaml_implicit_resolvers = {
    first: [(tag, found) for tag, found in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def read(text: str) -> Any:
    return yaml.load(text, Loader=_Yaml12)  # a loader of safe values


@pytest.mark.parametrize("text", [CONTRACT, REST, guide_example()])
def test_valid_models_fit(text: str) -> None:
    rules = schema()
    assert accepts(rules, read(text), rules)


@pytest.mark.parametrize(
    "text",
    [
        "atributes: {}",
        "attributes: {a: categroy}",
        "attributes: {a: {}}",
        "attributes: {a: {type: int, lable: x}}",
        "attributes: {a: {type: int, history: null}}",
        "attributes: {a: {type: decimal, scale: 19}}",
        "events: {e: {retention: 30}}",
        "events: {e: {retention: 30 dais}}",
        "segments: {s: 3}",
        "segments: {s: null}",
        "scores: {s: {rules: [{when: a, points: b}]}}",
        "tiers: {t: {top: {by: a, shares: {b: 20}}}}",
        "tiers: {t: {rfm: {recency: a, frequency: b, monetary: c, cut: meen}}}",
        "sources: {s: {identify: {}}}",
        "tag_rules: {a: b}",
        "identifiers: {phone: {per_profile: 0}}",
    ],
)
def test_wrong_models_do_not_fit(text: str) -> None:
    rules = schema()
    assert not accepts(rules, read(text), rules)
