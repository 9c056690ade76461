"""Whether a store that was closed has nothing left to do when it is opened."""

from __future__ import annotations

from engine.store.store import Store

__all__ = ["STALE", "is_at_rest"]

# What an edit has left to do, there only within one: JSON, its cause, the names of the segments
# whose members are to be found anew, and which of the definitions it has brought. Earlier versions
# wrote the names alone.
STALE = "memberships/stale"


def is_at_rest(store: Store) -> bool:
    """Whether its blocks have absorbed every record of the log, and no edit is half done."""
    root = store.root
    return root.log_first > root.data_version and store.glance().meta(STALE) is None
