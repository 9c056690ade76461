"""Roaring containers of one block of 65,536 rows, read in place from their stored bytes."""

from __future__ import annotations

__all__ = ["Buffer"]

# Contiguous bytes that a codec reads in place.
Buffer = bytes | memoryview
