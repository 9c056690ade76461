"""What stops a benchmark."""

from __future__ import annotations

__all__ = ["BenchFailed"]


class BenchFailed(Exception):
    """A measurement that cannot go on; the message says why, and what to do."""
