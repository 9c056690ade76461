from collections.abc import Sequence
from decimal import Context
from typing import Any
from zoneinfo import ZoneInfo

from engine.explaining.one_profile import OneEvent
from engine.rules.tree import AggregateFunction

__all__ = ["EXACT", "NO_EVENTS", "EventLine"]

EXACT: Context

class EventLine:
    events: Sequence[OneEvent]
    values: Sequence[Any]
    times: Sequence[int]

    def __init__(
        self, events: list[OneEvent], values: list[Any] | None, zone: ZoneInfo
    ) -> None: ...
    def stretch(self, from_us: int, to_us: int) -> tuple[int, int]: ...
    def value(self, function: AggregateFunction, first: int, end: int) -> Any: ...

NO_EVENTS: EventLine
