"""Profiles as the reference takes them, as explanations read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from engine.explaining.one_profile import OneEvent, OneProfile
from engine.rules.reference_events import ReferenceEvent

__all__ = ["as_one_profile"]


def as_one_profile(
    profile: Mapping[str, Any],
    zone: str,
    events: Sequence[ReferenceEvent] = (),
    lists: Sequence[str] = (),
    uid: bytes = bytes(16),
) -> OneProfile:
    """The same profile."""
    by_type: dict[str, list[OneEvent]] = {}
    for event in events:
        there = {name: value for name, value in event.properties.items() if value is not None}
        by_type.setdefault(event.type, []).append(OneEvent(event.type, event.time_us, there))
    attributes = {
        name: value for name, value in profile.items() if value is not None and value != frozenset()
    }
    return OneProfile(
        uid, ZoneInfo(zone), attributes, by_type, {name: [("member", "1")] for name in lists}
    )
