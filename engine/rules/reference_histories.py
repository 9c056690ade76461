"""What a profile was at an instant, for the slow evaluator: it reads the plain changes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_it_was"]


def as_it_was(
    profile: Mapping[str, Any], changes: Mapping[str, Sequence[tuple[int, Any]]], now_us: int
) -> dict[str, Any]:
    """A profile at an instant: attributes that have `changes`, (microseconds from 1970, value or
    None) in the order in which they were written, have what the latest of them up to then says;
    of two at one time the one written later."""
    found = dict(profile)
    for name, some in changes.items():
        value, latest = None, None
        for at_us, what in some:
            if at_us <= now_us and (latest is None or at_us >= latest):
                value, latest = what, at_us
        found[name] = value
    return found
