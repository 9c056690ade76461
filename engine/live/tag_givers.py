"""Who gave a profile a tag."""

from __future__ import annotations

from engine.bitmaps.containers import BLOCK_ROWS
from engine.columns.givers import read_row
from engine.model.definitions import TAG
from engine.store.catalog import GIVERS, giver_field
from engine.store.snapshot import Snapshot

__all__ = ["givers_of_tag"]


def givers_of_tag(snapshot: Snapshot, row: int, tag: str) -> list[str]:
    """Who says that the profile of a row has a tag, in the order of code points: sources and
    people; not the rules of the model."""
    fields = snapshot.fields
    if TAG not in fields or giver_field(TAG) not in fields:
        return []
    value = snapshot.dictionary(fields[TAG].id).code(tag)
    block, in_block = divmod(row, BLOCK_ROWS)
    parts = snapshot.payloads(fields[giver_field(TAG)].id, block)
    names = snapshot.dictionary(GIVERS)
    return sorted(names.value(giver) for one, giver in read_row(parts, in_block) if one == value)
