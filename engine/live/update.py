"""A resolved batch of profile updates: what one record of the log says.

Names have become field numbers, strings of categories and sets codes, identifiers rows. So a
record means the same whenever it is applied, whatever the model says by then; cells of a field
that is gone are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.events.events import Property

__all__ = [
    "ADD",
    "NO_TIME",
    "REMOVE",
    "REPLACE",
    "EventCells",
    "LinkedIdentifiers",
    "ProfileUpdate",
    "SetCells",
    "TextCells",
    "VectorCells",
]

# The event time of an update that has none: it is taken as it comes.
NO_TIME: Final = -(1 << 63)

# What a mention of set values does to those that its giver had given to the row.
REPLACE, ADD, REMOVE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class LinkedIdentifiers:
    """Identifiers of one kind that nobody owned: `values` (m,) now belong to `rows` uint32 (m,).

    `digests` uint64 (m, 2) are what the identity index knows them by.
    """

    field_id: int
    rows: NDArray[np.uint32]
    values: Strings
    digests: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class VectorCells:
    """Cells of a fixed-width attribute, in the order of the updates; later ones win.

    `rows` uint32 (m,); `values` (m,) int64, float64, bool or uint32 codes, as the field's
    VectorField takes them; `present` bool (m,), False erases. `times` int64 (m,) are event
    times in microseconds, NO_TIME where an update has none; None where none has.
    """

    field_id: int
    rows: NDArray[np.uint32]
    values: NDArray[Any]
    present: NDArray[np.bool_]
    times: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class TextCells:
    """Cells of a text attribute: `values` (m,), missing ones erase. See VectorCells."""

    field_id: int
    rows: NDArray[np.uint32]
    values: Strings
    times: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class SetCells:
    """Mentions of set values, in the order of the updates.

    Mention i is by giver `givers[i]` (uint32 codes of GIVERS) about `rows[i]` and names
    `values[offsets[i]:offsets[i + 1]]` (uint32 codes), offsets int64 (m + 1,); `modes[i]`
    (uint8) says what is done with them: REPLACE, ADD or REMOVE.
    """

    field_id: int
    giver_field_id: int
    rows: NDArray[np.uint32]
    givers: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    values: NDArray[np.uint32]
    modes: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class EventCells:
    """Events of one type, in the order of the updates.

    `rows` uint32 (m,); `times` int64 (m,) microseconds; `ids` uint64 (m,) digests, 0 for none;
    None where none has one. `properties` maps the numbers of property fields to m values each.
    Where `gone` (bool (m,), None: nowhere) the event of that id is taken away, and nothing else
    of the cell means anything.
    """

    field_id: int
    rows: NDArray[np.uint32]
    times: NDArray[np.int64]
    ids: NDArray[np.uint64] | None = None
    properties: Mapping[int, Property] = field(default_factory=dict)
    gone: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class ProfileUpdate:
    """The accepted updates of one batch, resolved.

    New profiles have the rows `first_new` to `first_new + len(uids) - 1`, `uids` uint8
    (created, 16), and `uid_digests` uint64 (created, 2).
    """

    first_new: int
    uids: NDArray[np.uint8]
    uid_digests: NDArray[np.uint64]
    identifiers: tuple[LinkedIdentifiers, ...] = ()
    vectors: tuple[VectorCells, ...] = ()
    texts: tuple[TextCells, ...] = ()
    sets: tuple[SetCells, ...] = ()
    events: tuple[EventCells, ...] = ()

    @property
    def new_rows(self) -> NDArray[np.uint32]:
        """The rows of the new profiles, uint32 (created,)."""
        return np.arange(self.first_new, self.row_count, dtype=np.uint32)

    @property
    def row_count(self) -> int:
        """Rows given out once this update is applied."""
        return self.first_new + len(self.uids)
