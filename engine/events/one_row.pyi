__all__ = ["events_of_row"]

def events_of_row(
    addresses: tuple[int, ...], row: int, numbers: tuple[int, ...]
) -> list[tuple[int, int, tuple[int | float | str | None, ...]]]: ...
