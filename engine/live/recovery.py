"""What a store that was closed, or killed, has to do before it is as it was.

1. Take the saved state: each block as of the record of the log that it says.
2. Replay the log: positions and identities take every record, a block only those that are newer
   than it. Segments are judged again for the rows that a record wrote; what entered and left is
   new to the feed only after the record up to which the feed is complete. Ticks of the clock are
   carried out again in the same way, block by block.
"""

from __future__ import annotations

import itertools

from engine.errors import StoreCorrupt
from engine.identity.live import LiveIdentities
from engine.live.applier import Applier
from engine.live.committing import Logged
from engine.live.log_entry import LogEntry, Tick, unpack_entry
from engine.live.log_record import unpack_update
from engine.live.model_in_force import ModelInForce
from engine.live.position_table import PositionTable
from engine.live.update import ProfileUpdate
from engine.store.store import Store

__all__ = ["replay_log"]


def replay_log(
    store: Store,
    applier: Applier,
    identities: LiveIdentities,
    positions: PositionTable,
    in_force: ModelInForce | None,
    *,
    most: int | None = None,
) -> int:
    """Brings the visible state to the end of the log, or by `most` records forward; returns how
    many were replayed.

    Raises StoreCorrupt for a record that is damaged or cannot be read.
    """
    root = store.root
    manifests = store.glance().version.state.manifests
    absorbed = [manifest.sequence for manifest in manifests]
    count = 0
    for sequence, payload in itertools.islice(store.log().read(), most):
        try:
            entry = unpack_entry(payload)
            batch = entry if isinstance(entry, LogEntry) else None
            update = unpack_update(batch.update) if batch is not None and batch.update else None
        except ValueError as error:
            raise StoreCorrupt(
                f"Record {sequence:,} of the log at {store.path} cannot be read ({error}). "
                "Restore the store from a backup."
            ) from error
        if batch is not None and batch.mark is not None:
            positions.replay(batch.mark, sequence)
        if update is not None:
            _replay_identities(identities, update, sequence)

        def absorbs(block: int, sequence: int = sequence) -> bool:
            return block >= len(absorbed) or absorbed[block] < sequence

        instant_us = 0 if entry is None else entry.instant_us
        before_us = entry.before_us if isinstance(entry, Tick) else None
        applier.apply(
            Logged(sequence, instant_us, update, before_us),
            in_force,
            absorbs,
            with_feed=sequence > root.feed_through,
        )
        count += 1
    return count


def _replay_identities(identities: LiveIdentities, update: ProfileUpdate, sequence: int) -> None:
    """Gives identifiers to their owners again."""
    identities.add(update.uid_digests, update.new_rows, sequence)
    for links in update.identifiers:
        identities.add(links.digests, links.rows, sequence)
