from typing import overload

from engine.events.chains import Chains

__all__ = ["events_of_row"]

_Events = list[tuple[int, int, tuple[int | float | str | None, ...]]]

@overload
def events_of_row(
    places: list[tuple[int, ...]],
    row: int,
    numbers: tuple[tuple[int, ...], ...],
    chains: dict[int, tuple[Chains, int]] | None = None,
    most: None = None,
) -> list[_Events | None]: ...
@overload
def events_of_row(
    places: list[tuple[int, ...]],
    row: int,
    numbers: tuple[tuple[int, ...], ...],
    chains: dict[int, tuple[Chains, int]] | None,
    most: int,
) -> list[_Events | None] | None: ...
