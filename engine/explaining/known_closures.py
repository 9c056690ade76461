"""The functions that are kept of each model in use, for all profiles that are read by it."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from engine.explaining.closures import Closures
from engine.rules.bind import Binder

__all__ = ["KnownClosures"]


class KnownClosures:
    """The closures of each binder in use: a model that is applied has a binder, and so closures, of
    its own. `made` counts the functions that were made of nodes so far."""

    def __init__(self) -> None:
        self.made = 0
        self._known: WeakKeyDictionary[Binder, Closures] = WeakKeyDictionary()

    def of(self, binder: Binder) -> Closures:
        """Those of what a binder has bound; kept with the binder."""
        found = self._known.get(binder)
        if found is None or found.is_full:
            found = self._known[binder] = Closures(self._count)
        return found

    def _count(self) -> None:
        self.made += 1
