"""The feed of tests in which weeks pass."""

from __future__ import annotations

import pytest

from engine.live import committing, flips

__all__ = ["keep_the_whole_feed"]


def keep_the_whole_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed is kept from its beginning; and of few people more flip than are kept ahead."""
    monkeypatch.setattr(flips, "FLIPS_AHEAD", 3)
    monkeypatch.setattr(committing, "FEED_KEPT_US", 1 << 62)
