"""The names that a model declares, for the checks across its sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Declared"]


@dataclass(frozen=True, slots=True)
class Declared:
    """Every declared name, those with a faulty declaration included.

    A faulty declaration has None for what is unknown about it, so that one fault is told
    once and not again at every place that refers to it.

    `attributes` maps a name to its type, `computed` holds those with `is`. `events` maps a
    name to its properties, `groups` to its members.
    """

    identifiers: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    events: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
