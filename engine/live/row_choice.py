"""Which rows the segments must look at after a record of the log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.core.row_unions import unite
from engine.live.change import Touched

__all__ = ["rows_to_judge"]


def rows_to_judge(
    reads: Sequence[frozenset[int]], touched: Touched
) -> tuple[NDArray[np.uint32], list[int], NDArray[np.bool_]]:
    """The rows that some segment must look at, sorted; the kind of each segment; and which rows
    the segments of each kind must look at, bool (kinds, rows).

    Segments that read the same of what was written are of one kind.
    """
    written = {field_id for field_id, rows in touched.fields.items() if len(rows)}
    number_of: dict[frozenset[int], int] = {}
    kinds = [number_of.setdefault(read & written, len(number_of)) for read in reads]
    read_anywhere = list(frozenset[int]().union(*number_of))
    rows, marks = unite([touched.created, *(touched.fields[f] for f in read_anywhere)])
    marks_of = dict(zip(read_anywhere, marks[1:], strict=True))
    wanted = np.tile(marks[0], (len(number_of), 1))
    for read, number in number_of.items():
        for field_id in read:
            wanted[number] |= marks_of[field_id]
    return rows, kinds, wanted
