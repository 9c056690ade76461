"""What keeps a sender from working."""

from __future__ import annotations

__all__ = ["DeliveryRefused"]


class DeliveryRefused(Exception):
    """Deliveries cannot begin, or cannot go on: what is wrong, and what to do."""
