"""A batch of profile updates: numpy columns, one row for one update.

A cell is in one of three states: present (`valid`), erasing (`unset`), or neither, which
leaves the attribute as it was. A cell cannot be both present and erasing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings

__all__ = [
    "BatchOutcome",
    "Bools",
    "Column",
    "EventRows",
    "Floats",
    "Ints",
    "LoadOutcome",
    "ProfileBatch",
    "SetColumn",
    "Texts",
]


@dataclass(frozen=True, slots=True)
class Ints:
    """Cells of an int, decimal, date or time attribute; all arrays have shape (n,).

    `values` int64: the int itself, the decimal without its point (12.50 at scale 2 is 1250),
    days from 1970-01-01, or microseconds from 1970-01-01T00:00Z. `valid` and `unset` bool.
    """

    values: NDArray[np.int64]
    valid: NDArray[np.bool_]
    unset: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Floats:
    """Cells of a float attribute: `values` float64 (n,), `valid` and `unset` bool (n,)."""

    values: NDArray[np.float64]
    valid: NDArray[np.bool_]
    unset: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Bools:
    """Cells of a bool attribute: `values`, `valid` and `unset` bool (n,)."""

    values: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    unset: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """Cells of a category or text attribute: n strings, `unset` bool (n,)."""

    values: Strings | CodedStrings
    unset: NDArray[np.bool_] | None = None


Column = Ints | Floats | Bools | Texts


@dataclass(frozen=True, slots=True)
class SetColumn:
    """Cells of a set attribute, rows packed one after the other.

    Row i names `values[offsets[i]:offsets[i + 1]]`, offsets int64 (n + 1,). What is done with
    them is said by where the column stands in a batch; a row without values does nothing.
    `unset` (bool (n,)) takes away all that the giver had given; it belongs to `sets` alone.
    """

    offsets: NDArray[np.int64]
    values: Strings | CodedStrings
    unset: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class EventRows:
    """Events of one type that updates of a batch bring.

    `at` intp (m,), ascending: the updates that bring one; an update brings one of a type at most.
    `times` int64 (m,) microseconds, and `timed` bool (m,) where it has one; an event without a
    time is refused. `ids` are what the source knows events by, missing or empty for none: an
    event with the id of an earlier one of the same profile and type replaces it. `properties`
    maps names to m cells. `gone` bool (m,): takes the event of that id away; None: none does.
    """

    event: str
    at: NDArray[np.intp]
    times: NDArray[np.int64]
    timed: NDArray[np.bool_]
    ids: Strings | None = None
    properties: Mapping[str, Column] = field(default_factory=dict)
    gone: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class ProfileBatch:
    """`count` updates of profiles, applied in row order.

    `identifiers` maps kinds to n strings (missing or empty: none). `attributes` maps attribute
    names to cells. Three mappings have cells of set attributes, the built-in `tag` among them:
    `sets` replace what their giver had given to the profile, `removed` take values of their
    giver away, `added` give more; within one update in that order. `giver` names who gives the
    set values of each row; where missing or empty it is the source of the load.

    `times` int64 (n,) are event times in microseconds, NO_TIME where an update has none; None
    where none has. A cell of an attribute that holds one value is passed over where the one
    that stands there has a later time. `events` are what updates bring beside that, by type.
    """

    count: int
    identifiers: Mapping[str, Strings]
    attributes: Mapping[str, Column] = field(default_factory=dict)
    sets: Mapping[str, SetColumn] = field(default_factory=dict)
    giver: Strings | None = None
    added: Mapping[str, SetColumn] = field(default_factory=dict)
    removed: Mapping[str, SetColumn] = field(default_factory=dict)
    times: NDArray[np.int64] | None = None
    events: tuple[EventRows, ...] = ()


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What became of one batch.

    `refused` has (row in the batch, reason), by row; `blocked` counts the identifier values
    of the batch that were ignored because the model blocks them.
    """

    accepted: int
    refused: list[tuple[int, str]]
    blocked: int = 0


@dataclass(frozen=True, slots=True)
class LoadOutcome:
    """What became of a whole load.

    `created` profiles are new, `profiles_changed` counts those that differ from before in
    any attribute, set value, identifier or event, new ones among them. `blocks_written` counts
    (field, block) records with new bytes; 0 means that the store is as it was and
    `data_version` the same.

    `events_added` are new; `events_replaced` took the place of a stored event with their id and
    differ from it; `events_unchanged` were stored already; `events_removed` are stored ones that
    were taken away. An event that the load brings several times counts once.
    """

    accepted: int
    refused: int
    blocked: int
    created: int
    profiles_changed: int
    blocks_written: int
    data_version: int
    events_added: int = 0
    events_replaced: int = 0
    events_unchanged: int = 0
    events_removed: int = 0
