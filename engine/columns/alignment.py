"""Sizes rounded up, as the layout aligns what it stores."""

from __future__ import annotations

__all__ = ["aligned"]


def aligned(size: int, to: int) -> int:
    """The least multiple of `to` that is not below `size`."""
    return -(-size // to) * to
