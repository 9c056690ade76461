from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ProfileEvent", "named_events", "since"]

class ProfileEvent:
    @property
    def type(self) -> str: ...
    @property
    def time_us(self) -> int: ...
    @property
    def properties(self) -> Mapping[str, Any]: ...
    def __init__(
        self, type: str, time_us: int, properties: Mapping[str, Any] | None = None
    ) -> None: ...

def named_events(
    type_: str, raw: list[Any], readers: list[tuple[str, Callable[[Any], Any] | None]]
) -> list[tuple[int, ProfileEvent]]: ...
def since(events: list[tuple[int, ProfileEvent]], first_us: int) -> list[ProfileEvent]: ...
