"""Which tags an update takes away from whom.

A tag is taken away where a giver says so; a giver that replaces what it had said itself leaves
alone what a rule has given.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.live.kept_facts import RemovedTags
from engine.live.update import REMOVE, ProfileUpdate
from engine.model.definitions import TAG
from engine.store.snapshot import Snapshot

__all__ = ["removed_tags"]


def removed_tags(
    snapshot: Snapshot, update: ProfileUpdate, absorbs: Callable[[int], bool] | None = None
) -> RemovedTags:
    """Tag -> rows (ascending, each once) that an update takes it from; `absorbs` says of a block
    whether it takes the update."""
    field = snapshot.fields.get(TAG)
    rows_of: dict[int, list[NDArray[np.uint32]]] = {}
    for cells in update.sets:
        if field is None or cells.field_id != field.id:
            continue
        removing = np.repeat(cells.modes == REMOVE, np.diff(cells.offsets))
        rows = np.repeat(cells.rows, np.diff(cells.offsets))[removing]
        codes = cells.values[removing]
        if absorbs is not None:
            blocks, of_block = np.unique(rows >> 16, return_inverse=True)
            taking = np.array([absorbs(block) for block in blocks.tolist()], np.bool_)[of_block]
            rows, codes = rows[taking], codes[taking]
        for code in np.unique(codes).tolist():
            rows_of.setdefault(code, []).append(rows[codes == code])
    if field is None or not rows_of:
        return {}
    dictionary = snapshot.dictionary(field.id)
    return {
        dictionary.value(code): np.unique(np.concatenate(pieces))
        for code, pieces in rows_of.items()
    }
