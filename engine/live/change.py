"""What a record of the log did to the visible state, as the live rooms tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.columns.zone import Encoded

__all__ = ["Cause", "FieldBlocks", "Touched", "Transition"]

# field number -> block -> what the field of that block has become.
FieldBlocks = Mapping[int, Mapping[int, Encoded]]


class Cause(StrEnum):
    """Why a profile entered or left something."""

    UPDATE = "update"
    CLOCK = "clock"
    EDIT = "edit"
    MERGE = "merge"
    ERASURE = "erasure"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Touched:
    """The rows that a record wrote to. All arrays are sorted uint32 without repeats.

    `created` are new profiles, which need every derived field; `fields` maps the number of
    each written field to the rows written there. Rows outside blocks that are being replayed
    are left out.
    """

    created: NDArray[np.uint32]
    fields: Mapping[int, NDArray[np.uint32]]


@dataclass(frozen=True, slots=True)
class Transition:
    """Profiles that entered and left one definition by one record of the log.

    `definition` is a key path such as `segments.high_value`, `version` the number of its
    definition; `entered` and `left` are sorted uint32 rows without repeats.
    """

    definition: str
    version: int
    entered: NDArray[np.uint32]
    left: NDArray[np.uint32]
