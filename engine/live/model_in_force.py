"""The model in force on an open store, and what is made of it once for all batches."""

from __future__ import annotations

from dataclasses import dataclass

from engine.live.resolving import Resolver
from engine.live.segments import StoredSegments
from engine.model.definitions import Model
from engine.rules.bind import Binder

__all__ = ["ModelInForce"]


@dataclass(frozen=True, slots=True)
class ModelInForce:
    """One version of the model: who resolves batches by it, and which segments it keeps."""

    version: int
    model: Model
    binder: Binder
    resolver: Resolver
    segments: StoredSegments
