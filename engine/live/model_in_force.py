"""The model in force on an open store, and what is made of it once for all batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from engine.live.resolving import Resolver
from engine.live.segments import StoredSegments
from engine.model.definitions import Model
from engine.rules.bind import Binder

__all__ = ["ModelInForce"]


@dataclass(frozen=True)
class ModelInForce:
    """One version of the model: who resolves batches by it, and which segments it keeps.

    `make_segments` is called when these are first asked for: whoever only reads a store has no use
    for them, and binding hundreds of definitions takes longer than all else that opening does.
    """

    version: int
    model: Model
    binder: Binder
    resolver: Resolver
    make_segments: Callable[[], StoredSegments]

    @cached_property
    def segments(self) -> StoredSegments:
        """The kept segments. Raises ExpressionInvalid for definitions that do not bind."""
        return self.make_segments()
