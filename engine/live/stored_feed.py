"""The feed of a store, as those who read it need it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.store.store import Store

__all__ = ["StoredFeed"]


class StoredFeed:
    """See FeedStore in engine.live.feed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def feed_first(self) -> int:
        """The oldest feed record that is kept; 0 where there is none."""
        return self._store.root.feed_first

    @property
    def feed_last(self) -> int:
        """The newest feed record; 0 where there never was one."""
        return self._store.root.feed_last

    @property
    def feed_through(self) -> int:
        """The newest record of the log whose feed is complete."""
        return self._store.root.feed_through

    def feed_records(self, after: int) -> Iterator[tuple[int, bytes]]:
        """(sequence, bytes) of the records kept after a sequence, ascending."""
        return iter(self._store.feed().read(after))
