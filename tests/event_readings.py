"""The naive readings of events: one event at a time, in Python, nothing shared with the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.events.asking import Where, WhereKind
from engine.events.events import Codes, Events, Texts

__all__ = ["Happened", "happened", "holds", "naive"]


@dataclass(frozen=True, slots=True)
class Happened:
    """One event, its properties by number."""

    row: int
    time: int
    properties: dict[int, Any]


def happened(events: Events) -> list[Happened]:
    """The events one by one, in their order; categories and bools as codes."""
    columns: dict[int, list[Any]] = {}
    for number, values in events.properties.items():
        if isinstance(values, Codes):
            columns[number] = [code or None for code in values.codes.tolist()]
        elif isinstance(values, Texts):
            columns[number] = values.strings.to_list()
        else:
            pairs = zip(values.values.tolist(), values.present.tolist(), strict=True)
            columns[number] = [value if held else None for value, held in pairs]
    places = zip(events.rows.tolist(), events.times.tolist(), strict=True)
    return [
        Happened(
            row, time, {n: values[i] for n, values in columns.items() if values[i] is not None}
        )
        for i, (row, time) in enumerate(places)
    ]


def holds(event: Happened, nodes: Sequence[Where]) -> bool:
    """Whether a `where` in postfix order holds for the event."""
    waiting: list[bool] = []
    for node in nodes:
        if node.kind == WhereKind.NOT:
            waiting.append(not waiting.pop())
        elif node.kind in (WhereKind.AND, WhereKind.OR):
            b, a = waiting.pop(), waiting.pop()
            waiting.append(a and b if node.kind == WhereKind.AND else a or b)
        else:
            waiting.append(_holds_leaf(event, node))
    return waiting[0] if waiting else True


def _holds_leaf(event: Happened, node: Where) -> bool:
    if node.kind == WhereKind.ROWS:
        return _has_bit(node.members, event.row)
    value = event.properties.get(node.property)
    if value is None:
        return False
    match node.kind:
        case WhereKind.PRESENT:
            return True
        case WhereKind.RANGE:
            return bool(node.low <= value <= node.high)
        case WhereKind.CODES:
            return _has_bit(node.members, value)
        case WhereKind.FLOATS:
            return bool(node.low_float <= value <= node.high_float)
        case _:
            needle = node.needle.decode()
            return bool(
                [needle in value, value.startswith(needle), value.endswith(needle)][node.how]
            )


def _has_bit(words: Any, bit: int) -> bool:
    return bool(int(words[bit // 64]) >> (bit % 64) & 1)


def naive(what: str, events: Sequence[Happened], number: int | None, starts: Any = None) -> dict:
    """One aggregate of rules.md by row, over events that count; rows without any are left out.

    first_value and last_value break ties by the values as they are: numbers, codes, texts.
    """
    rows: dict[int, list[tuple[int, Any]]] = {}
    for event in events:
        if number is None:
            rows.setdefault(event.row, []).append((event.time, event.time))
        elif number in event.properties:
            rows.setdefault(event.row, []).append((event.time, event.properties[number]))
    return {row: _aggregate(what, held, starts) for row, held in rows.items()}


def _aggregate(what: str, held: list[tuple[int, Any]], starts: Any) -> Any:
    values = [value for _, value in held]
    match what:
        case "count":
            return len(held)
        case "sum":
            return sum(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "distinct":
            return len(set(values))
        case "days":
            return len({int(np.searchsorted(starts, time, side="right")) for time, _ in held})
        case "first_value":
            return min(held)[1]
        case "last_value":
            return max(held)[1]
    raise AssertionError(what)
