"""What is delivered: changes of the feed as JSON.

A change has an id, `SEQUENCE-ORDINAL` of its place in the feed, which never changes; a delivery
has that of its change, or of its first and its last. Who has seen the id of a change has seen the
change.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from strata.json_values import instant, json_value
from strata.watching import Change, ToDo

__all__ = ["body", "change_id", "change_json", "delivery_id"]


def change_id(change: Change) -> str:
    """The id of a change."""
    return f"{change.sequence}-{change.ordinal}"


def change_json(change: Change) -> dict[str, Any]:
    """A change as one object."""
    shown: dict[str, Any] = {
        "id": change_id(change),
        "definition": change.definition,
        "definition_version": change.definition_version,
        "uid": change.uid,
        "identifiers": list(change.identifiers),
        "from": json_value(change.old_value),
        "to": json_value(change.new_value),
        "cause": change.cause,
        "instant": instant(change.instant),
    }
    if change.to_do is not None:
        shown["to_do"] = _to_do(change.to_do)
    return shown


def delivery_id(changes: Sequence[dict[str, Any]]) -> str:
    """The id of a delivery: other changes together have another."""
    first, last = changes[0]["id"], changes[-1]["id"]
    return str(first) if len(changes) == 1 else f"{first}_{last}"


def body(changes: Sequence[dict[str, Any]]) -> bytes:
    """The body of a delivery: the same bytes for the same changes."""
    given = {"changes": list(changes)}
    return json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode()


def _to_do(to_do: ToDo) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "do": to_do.do,
        "owner": to_do.owner,
        "due": None if to_do.due is None else instant(to_do.due),
        "send": {name: json_value(given) for name, given in to_do.send.items()},
        "evidence": list(to_do.evidence),
    }
    if to_do.event is not None:
        event = to_do.event
        said = {name: json_value(given) for name, given in event.properties.items()}
        shown["event"] = {"type": event.type, "time": instant(event.time), "properties": said}
    return shown
