"""The identities as a snapshot sees them."""

from __future__ import annotations

from engine.identity.live import LiveIdentities
from engine.identity.state import IdentityState
from engine.identity.view import Identities
from engine.store.snapshot import Snapshot

__all__ = ["identities_of"]


def identities_of(snapshot: Snapshot) -> Identities:
    """Who owns what, as of the snapshot's data version. Raises StoreCorrupt."""
    state = snapshot.attached
    if isinstance(state, IdentityState):
        return state.at(snapshot)
    return LiveIdentities.load(snapshot).at(snapshot)
