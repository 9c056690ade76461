"""The identities as a snapshot sees them."""

from __future__ import annotations

from engine.identity.live import LiveIdentities
from engine.identity.state import IdentityState, IdentityView
from engine.store.attached import Attached
from engine.store.snapshot import Snapshot

__all__ = ["identities_of"]


def identities_of(snapshot: Snapshot) -> IdentityView:
    """Who owns what, as of the snapshot's data version. Raises StoreCorrupt."""
    attached = snapshot.attached
    if isinstance(attached, Attached) and isinstance(attached.identities, IdentityState):
        return attached.identities.at(snapshot)
    return LiveIdentities.load(snapshot).at(snapshot)
