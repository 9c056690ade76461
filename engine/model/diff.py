"""What an edit of the model changes, and which changes cannot be made to a store with data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import Issue, ModelInvalid
from engine.model.definitions import TAG, Model
from engine.model.document import NAMED, SECTIONS
from engine.model.positions import key_text

__all__ = ["ModelChange", "diff", "refuse_impossible"]


@dataclass(frozen=True, slots=True)
class ModelChange:
    """Key paths such as `segments.vip`, each in the order of the model that holds it.

    Tag rules are known by their tag: `tag_rules.VIP`. False where nothing changed, as after
    an edit of comments and order.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def diff(old: Model | None, new: Model) -> ModelChange:
    """What `new` adds to `old`, takes from it and defines anew; `old` is None for the first."""
    before = {} if old is None else _definitions(old)
    after = _definitions(new)
    return ModelChange(
        added=tuple(key for key in after if key not in before),
        removed=tuple(key for key in before if key not in after),
        changed=tuple(key for key in after if key in before and after[key] != before[key]),
    )


def _definitions(model: Model) -> dict[str, Any]:
    """Everything that a model declares, by key path."""
    found: dict[str, Any] = {"time_zone": model.time_zone.key}
    for section in SECTIONS:
        if section == "tag_rules":
            found |= {key_text((section, rule["tag"])): rule for rule in model.tag_rules}
        elif section in NAMED:
            entries: Mapping[str, Any] = getattr(model, section)
            found |= {
                key_text((section, name)): entry
                for name, entry in entries.items()
                if (section, name) != ("attributes", TAG)
            }
    return found


def refuse_impossible(
    old: Model | None,
    new: Model,
    *,
    holds_data: Callable[[str], bool] = lambda key: True,
    drop: Collection[str] = (),
) -> None:
    """Raises ModelInvalid naming every change that stored data does not allow.

    The type and scale of an attribute, or of a property of events, stay as they are while it holds
    data, and none of those, nor a type of event or a kind of identifier, goes away while it holds
    data unless `drop` names its key path. `holds_data` is asked with a key path such as
    `attributes.city`, `events.order` or `events.order.properties.amount`.
    """
    if old is None:
        return
    issues = [*_retyped(old, new, holds_data), *_dropped(old, new, holds_data, drop)]
    if issues:
        raise ModelInvalid(*issues)


def _retyped(old: Model, new: Model, holds_data: Callable[[str], bool]) -> Iterator[Issue]:
    pairs: list[tuple[str, str, Any, Any]] = [
        (key_text(("attributes", name)), "attribute", before, new.attributes.get(name))
        for name, before in old.attributes.items()
    ]
    for name, event in old.events.items():
        kept = new.events[name].properties if name in new.events else {}
        for inner, found in event.properties.items():
            key = key_text(("events", name, "properties", inner))
            pairs.append((key, "property", found, kept.get(inner)))
    for key, what, before, after in pairs:
        if after is None or (after.type, after.scale) == (before.type, before.scale):
            continue
        if holds_data(key):
            yield Issue(
                message=f"the type changes from {_typed(before)} to {_typed(after)}, and the "
                "store holds values of the old one",
                where=key,
                hint=f"declare a new {what} and load it, then drop this one",
            )


def _typed(attribute: Any) -> str:
    digits = f" with scale {attribute.scale}" if attribute.type == "decimal" else ""
    return f"{attribute.type}{digits}"


def _dropped(
    old: Model, new: Model, holds_data: Callable[[str], bool], drop: Collection[str]
) -> Iterator[Issue]:
    gone = [
        (section, name)
        for section in ("identifiers", "attributes", "events")
        for name in getattr(old, section)
        if name not in getattr(new, section)
    ]
    properties = [
        ("events", name, "properties", inner)
        for name, event in old.events.items()
        if name in new.events
        for inner in event.properties
        if inner not in new.events[name].properties
    ]
    for path in (*gone, *properties):
        key = key_text(path)
        if key not in drop and holds_data(key):
            what = "events" if len(path) == 2 and path[0] == "events" else "values"
            yield Issue(
                message=f"the key is gone from the model, and the store holds its {what}",
                where=key,
                hint=f"put it back, or say that its {what} are to be dropped",
            )
