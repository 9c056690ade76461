"""What an open store has done so far, counted for `Stats`."""

from __future__ import annotations

import threading

__all__ = ["Figures"]


class Figures:
    """Counters by name, from 0 at opening. Names end in the unit where it is not a count."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._values: dict[str, int] = {}

    def add(self, **amounts: int) -> None:
        """Adds to some counters."""
        with self._guard:
            for name, amount in amounts.items():
                self._values[name] = self._values.get(name, 0) + amount

    def get(self, name: str) -> int:
        """One counter."""
        return self._values.get(name, 0)

    def all(self) -> dict[str, int]:
        """All counters that were ever added to."""
        with self._guard:
            return dict(self._values)
