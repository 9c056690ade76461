from engine.events.chains import Chains

__all__ = ["events_of_row"]

def events_of_row(
    places: list[tuple[int, ...]],
    row: int,
    numbers: tuple[tuple[int, ...], ...],
    chains: dict[int, tuple[Chains, int]] | None = None,
) -> list[list[tuple[int, int, tuple[int | float | str | None, ...]]] | None]: ...
