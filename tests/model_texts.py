"""Models as trees of YAML nodes, so that their texts stay as written: merged, and without keys."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from engine.model.load import load_model

__all__ = ["applicable", "merged"]


def merged(texts: Iterable[str]) -> str:
    """One file of several: lists of a section one after the other, and so are mappings."""
    whole: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for text in texts:
        for key, value in yaml.compose(text).value:
            if key.value in whole:
                whole[key.value][1].value.extend(value.value)
            else:
                whole[key.value] = (key, value)
    root = yaml.MappingNode("tag:yaml.org,2002:map", list(whole.values()))
    return yaml.serialize(root, allow_unicode=True)


def applicable(text: str) -> str:
    """A model without what this version says `not yet` to."""
    root = yaml.compose(text)
    for key in load_model({"model.yaml": text})[0].not_yet:
        path = key.split(".")
        # An action that is in part refused goes as a whole.
        _drop(root, path[:2] if path[0] == "actions" else path)
    root.value = [(key, value) for key, value in root.value if value.value]
    return yaml.serialize(root, allow_unicode=True)


def _drop(node: yaml.Node, path: list[str]) -> None:
    (found,) = [pair for pair in node.value if pair[0].value == path[0]]
    if len(path) == 1:
        node.value.remove(found)
    else:
        _drop(found[1], path[1:])
