"""What is known of a field of a block without reading its payload, and what a codec returns."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NOTHING", "Encoded", "Zone"]


@dataclass(frozen=True, slots=True)
class Zone:
    """How many rows of the block have a value, and the least and the greatest of them.

    `minimum` and `maximum` are in the unit the field is stored in: ints and floats their
    value, categories, sets and bools their code (bools: 1 false, 2 true); None where no row
    has a value and for kinds without an order (live rows, uids, texts, identifier values). Of
    events it is how many events, and their first and last time.
    """

    present_count: int
    minimum: int | float | None = None
    maximum: int | float | None = None


NOTHING = Zone(0)


@dataclass(frozen=True, slots=True)
class Encoded:
    """The payload of one field of one block: its parts in order, at least one, and its zone."""

    parts: tuple[bytes, ...]
    zone: Zone
