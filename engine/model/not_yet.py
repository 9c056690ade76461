"""Keys that are read and checked, and that no store can carry out so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.errors import Issue, NotYet
from engine.model.definitions import Model
from engine.model.positions import KeyPath, key_text

__all__ = ["keys_not_yet", "refuse_not_yet"]


def keys_not_yet(parts: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys in use that an apply refuses, in the order of the sections of a model.

    `parts` maps sections to what a Model holds under the same names.
    """
    return tuple(key_text(path) for path in _paths(parts))


def _paths(parts: Mapping[str, Any]) -> Iterator[KeyPath]:
    for name in parts["purposes"]:
        yield ("purposes", name)
    for name, attribute in parts["attributes"].items():
        if attribute.needs is not None:
            yield ("attributes", name, "needs")
    for name, event in parts["events"].items():
        if event.erases:
            yield ("events", name, "erases")


def refuse_not_yet(model: Model) -> None:
    """Raises NotYet naming every key of the model that cannot be applied so far."""
    if model.not_yet:
        issues = tuple(Issue("not built so far", where=key) for key in model.not_yet)
        raise NotYet(
            f"not yet: {', '.join(model.not_yet)}. These keys are right, and this version cannot "
            "carry them out. Remove them to apply the rest; nothing was changed.",
            issues=issues,
        )
