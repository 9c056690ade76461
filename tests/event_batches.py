"""Events of batches written as dictionaries, and a model that has some of every type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.columns.strings import Strings
from engine.live.batch import Bools, Column, EventRows, Floats, Ints, Texts
from engine.model.definitions import EventProperty, EventType, Model
from tests.loads import MODEL

__all__ = ["EVENT_MODEL", "event_rows"]

_PROPERTIES = (
    EventProperty("channel", "category"),
    EventProperty("amount", "decimal", 2),
    EventProperty("pieces", "int"),
    EventProperty("rate", "float"),
    EventProperty("paid", "bool"),
    EventProperty("due", "date"),
    EventProperty("shipped", "time"),
    EventProperty("note", "text"),
)

# `order` has a property of every type, `visit` shares one of them, `ping` has none.
EVENT_MODEL: Model = replace(
    MODEL,
    events={
        "order": EventType("order", {found.name: found for found in _PROPERTIES}),
        "visit": EventType("visit", {"channel": EventProperty("channel", "category")}),
        "ping": EventType("ping"),
    },
)


def event_rows(
    event: str, brought: Sequence[Mapping[str, Any] | None], model: Model = EVENT_MODEL
) -> EventRows:
    """Events of one type, one for each update or None.

    An event is a dictionary of `time` in microseconds (left out: none), `id`, `gone`, and its
    properties in the units of batches. A property that no event has is no column.
    """
    at = np.array([i for i, found in enumerate(brought) if found is not None], np.intp)
    events = [found for found in brought if found is not None]
    names = [name for name in model.events[event].properties if any(name in e for e in events)]
    return EventRows(
        event,
        at,
        np.array([found.get("time", 0) for found in events], np.int64),
        np.array(["time" in found for found in events], np.bool_),
        Strings.from_list([found.get("id") for found in events])
        if any("id" in found for found in events)
        else None,
        {
            name: _column(model, event, name, [found.get(name) for found in events])
            for name in names
        },
        np.array([found.get("gone", False) for found in events], np.bool_)
        if any("gone" in found for found in events)
        else None,
    )


def _column(model: Model, event: str, name: str, cells: list[Any]) -> Column:
    valid = np.array([cell is not None for cell in cells], np.bool_)
    match model.events[event].properties[name].type:
        case "category" | "text":
            return Texts(Strings.from_list(cells))
        case "float":
            return Floats(np.array([cell or 0.0 for cell in cells], np.float64), valid)
        case "bool":
            return Bools(np.array([bool(cell) for cell in cells], np.bool_), valid)
        case _:
            return Ints(np.array([cell or 0 for cell in cells], np.int64), valid)
