"""What a writer has been told, until it is committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.store.dictionary import DictionaryGrowth
from engine.store.directory import MetaListing
from engine.store.manifest import ENTRY
from engine.store.reading import State
from engine.store.snapshot import Snapshot

__all__ = ["StagedField", "Staging"]


@dataclass(frozen=True, slots=True)
class StagedField:
    """A field of a block to be: its parts (None where stored already) and manifest entries."""

    parts: tuple[bytes | None, ...]
    entries: NDArray[np.void]


@dataclass
class Staging:
    """Everything a writer has been told, on top of the state that it began from.

    `blocks` maps block -> field -> what it becomes, None for removed. `log` are the payloads of
    new records of the log; where `is_group` is unset, everything else is one record more.
    `feed` are (sequence, payload) of new records of the feed. `whole` are the blocks saved with
    all that the visible state has of them, `replaced` the (field, block) that become another,
    `adopted` the keys of drafts that this write lists, `adopted_metas` the named ones.
    """

    snapshot: Snapshot
    is_group: bool = False
    is_shown: bool = True
    blocks: dict[int, dict[int, StagedField | None]] = field(default_factory=dict)
    metas: dict[str, bytes | None] = field(default_factory=dict)
    growths: dict[int, DictionaryGrowth] = field(default_factory=dict)
    dropped_dictionaries: set[int] = field(default_factory=set)
    dropped_fields: set[int] = field(default_factory=set)
    log: list[bytes] = field(default_factory=list)
    feed: list[tuple[int, bytes]] = field(default_factory=list)
    feed_through: int = 0
    feed_first: int = 0
    whole: set[int] = field(default_factory=set)
    replaced: set[tuple[int, int]] = field(default_factory=set)
    adopted: set[bytes] = field(default_factory=set)
    adopted_metas: dict[str, MetaListing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state: State = self.snapshot.version.state
        self.catalog = self.state.catalog
        self.model: Mapping[str, str] = self.state.model
        self.row_count = self.snapshot.row_count
        # What the records of this write carry.
        self.commit = self.state.root.commit + 1
        self.feed_through = self.state.root.feed_through

    def move(self, snapshot: Snapshot) -> None:
        """Go on from a later visible state, with the same state of the disk."""
        assert snapshot.version.state is self.state, "one writer at a time"
        self.snapshot = snapshot
        self.row_count = max(self.row_count, snapshot.row_count)

    @property
    def next_sequence(self) -> int:
        """The sequence of the next record of the log."""
        return self.state.root.data_version + len(self.log) + 1

    @property
    def model_version(self) -> int:
        """The version that the model will have."""
        same = list(self.model.items()) == list(self.state.model.items())
        return self.state.root.model_version + (not same)

    def stored_entries(self, field_id: int, block: int) -> NDArray[np.void]:
        """Manifest entries of a field in the state that the write began from."""
        if block >= len(self.state.manifests):
            return np.zeros(0, ENTRY)
        return self.state.manifests[block].field(field_id)

    def forget(self, field_id: int, block: int) -> None:
        """Leave a field of a block as it is stored."""
        staged = self.blocks.get(block)
        if staged is not None:
            staged.pop(field_id, None)
            if not staged:
                del self.blocks[block]
