"""How the stored feed names a change from one name to another, as of a band or a tier.

The record of the feed has a definition for whoever enters or leaves. Of a score or tier that is
its key path, what it was and what it has become, with NUL in between, '' for none; and everybody
enters. No key path has a NUL in it.
"""

from __future__ import annotations

__all__ = ["moved_key", "read_moved_key"]

_BETWEEN = "\0"


def moved_key(key: str, old: str, new: str) -> str:
    """What stands in the feed for a change of a key path from one name to another."""
    return _BETWEEN.join((key, old, new))


def read_moved_key(stored: str) -> tuple[str, str | None, str | None]:
    """Key path, old and new name of what stands in the feed; None for both where it tells who
    enters and leaves. ValueError where it is neither."""
    if _BETWEEN not in stored:
        return stored, None, None
    key, old, new = stored.split(_BETWEEN)
    return key, old, new
