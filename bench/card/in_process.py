"""What a card, its reasons and a stored count take in process, in processor time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from engine.database import Database
from engine.explaining.subjects import Subject
from server import profile_wire

__all__ = ["drawn_uids", "in_process"]

PROFILES = 200
REPEATS = 5
CONDITION = "score('lead') >= 100 and segment('active_prospect') and role = '决策者'"


def in_process(store: Path, uids: Sequence[str]) -> dict[str, dict[str, float]]:
    """Microseconds: what is measured -> p50 and p90 over the profiles of the uids."""
    with Database.open(store, threads=1) as database:
        database.tick()
        asked = [("uid", uid) for uid in uids]
        explain = database.explanations.explain

        def card(uid: tuple[str, str]) -> None:
            (found,) = database.cards([uid])
            assert found is not None
            profile_wire.profile(found)

        def record(uid: tuple[str, str]) -> None:
            database.profiles([uid])

        def reasons(subject: str | Subject) -> Callable[[tuple[str, str]], object]:
            return lambda uid: explain(uid, subject, with_ways=False)

        def count(_: object) -> None:
            database.count("segment('active_prospect')")

        measured: dict[str, Callable[[tuple[str, str]], object]] = {
            "profile as stored": record,
            "card, serialised": card,
            "reasons of a condition": reasons(CONDITION),
            "reasons of a score": reasons(Subject("score", "lead")),
            "reasons of a tier": reasons(Subject("tier", "lifecycle")),
            "count of a stored segment": count,
        }
        found = {name: _measured(ask, asked, database) for name, ask in measured.items()}
    # A store is let go of with the last version of it, which ticks may leave to the collector.
    gc.collect()
    return found


def drawn_uids(store: Path) -> list[str]:
    """Uids of profiles drawn at random."""
    with (
        Database.open(store, threads=1) as database,
        database.members("true", limit=PROFILES, salt="cards") as members,
    ):
        uids = b"".join(members.uids())
    return [uids[at : at + 16].hex() for at in range(0, len(uids), 16)]


def _measured(
    ask: Callable[[tuple[str, str]], object],
    profiles: Sequence[tuple[str, str]],
    database: Database,
) -> dict[str, float]:
    ask(profiles[0])
    found = []
    for profile in profiles:
        # As the clock of a server does once a second.
        database.tick()
        times = []
        for _ in range(REPEATS):
            began = time.thread_time_ns()
            ask(profile)
            times.append(time.thread_time_ns() - began)
        found.append(min(times) / 1000)
    return {f"p{p}": round(float(np.percentile(found, p)), 1) for p in (50, 90)}
