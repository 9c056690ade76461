"""What is worked out once of a model and the fields of a store, for all profiles that are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from engine.model.definitions import Model
from engine.store.catalog import Catalog

__all__ = ["KeptShapes"]

_Shape = TypeVar("_Shape")

# Models and catalogs in use at a time: those of one store, and of others in one process.
_MOST = 16


class KeptShapes(Generic[_Shape]):
    """What `make` makes of a model and a catalog, made once for each two. Safe to share."""

    def __init__(self, make: Callable[[Model, Catalog], _Shape]) -> None:
        self._make = make
        # By their ids, which are nobody else's as long as they are kept with it.
        self._known: dict[tuple[int, int], tuple[Model, Catalog, _Shape]] = {}

    def of(self, model: Model, catalog: Catalog) -> _Shape:
        """That of these two."""
        key = id(model), id(catalog)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            known = self._known[key] = model, catalog, self._make(model, catalog)
        return known[2]
