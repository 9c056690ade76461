"""What the feed of an open store tells, once it is complete."""

from __future__ import annotations

from engine.database import Database
from engine.live.feed import FeedPosition, FeedRun

__all__ = ["runs_told", "wait_told"]


def wait_told(database: Database, through: int | None = None) -> None:
    """Until the feed has a record of the log and all before it; None: everything visible."""
    last = database.data_version if through is None else through
    while database.wait_feed(last - 1) < last:
        pass


def runs_told(database: Database, after: int = 0) -> list[FeedRun]:
    """The feed behind a record of the log, in order, once it has everything that is visible."""
    wait_told(database)
    position, caught_up, runs = FeedPosition(after + 1), False, list[FeedRun]()
    while not caught_up:
        chunk = database.feed.read(position, lambda _: True)
        runs += chunk.runs
        position, caught_up = chunk.end, chunk.caught_up
    return runs
