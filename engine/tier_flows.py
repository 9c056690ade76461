"""Flows between the names of a tier over a time: who had which name then, and which one later.

Both sides are questions about an instant to one state: the definition is today's, the cuts and the
events are those of each instant. So everybody who is a profile today is counted once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.audience import Audience
from engine.core import evaluate
from engine.core.control import Control
from engine.errors import InputInvalid, NotFound, about_field
from engine.model.definitions import Model
from engine.model.plain import tier_names
from engine.nearest import nearest
from engine.rules import tree
from engine.store.snapshot import Snapshot
from engine.tier_refreshes import named_in_tier

__all__ = ["Flow", "TierFlows"]


@dataclass(frozen=True, slots=True)
class Flow:
    """How many profiles had one name of a tier at `from_us` and another at `to_us` (microseconds
    from 1970): `counts[i][j]` from names[i] to names[j]. The last place is that of no name."""

    tier: str
    from_us: int
    to_us: int
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    data_version: int
    elapsed_us: int


class TierFlows:
    """Flows of one store. Safe to share between threads.

    `snapshot` opens the newest state, `audience` makes the reader of one at an instant.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        audience: Callable[[Snapshot, int | None, Control | None], Audience],
        model: Callable[[Snapshot], Model],
        now: Callable[[], int],
    ) -> None:
        self._now = now
        self._snapshot = snapshot
        self._audience = audience
        self._model = model

    def flow(
        self, tier: str, from_us: int, to_us: int | None, *, control: Control | None = None
    ) -> Flow:
        """The flow from one instant to a later one (None: now). Raises NotFound, InputInvalid,
        NotYet."""
        started_ns = time.monotonic_ns()
        to_us = self._now() if to_us is None else to_us
        if from_us >= to_us:
            message = "A flow goes from an instant to a later one; exchange the two."
            raise about_field(InputInvalid, "from", message)
        with self._snapshot() as snapshot:
            model = self._model(snapshot)
            if tier not in model.tiers:
                close = nearest(tier, model.tiers)
                hint = f" Did you mean '{close}'?" if close else ""
                raise about_field(NotFound, "tier", f"There is no tier named '{tier}'.{hint}")
            names = tier_names(model.tiers[tier])
            sides = []
            for instant_us in (from_us, to_us):
                audience = self._audience(snapshot, instant_us, control)
                for name in names:
                    audience.add(named_in_tier(tier, name))
                audience.add(tree.Presence(tree.Call("tier", tier), False))
                running = audience.running()
                masks, _ = evaluate.many_masks(
                    running.program,
                    running.roots,
                    control=running.control,
                    pool=running.pool,
                    threads=running.threads,
                )
                sides.append(masks)
            data_version = snapshot.data_version
        before, after = sides
        return Flow(
            tier,
            from_us,
            to_us,
            names,
            tuple(tuple(_both(one, other) for other in after) for one in before),
            data_version,
            (time.monotonic_ns() - started_ns) // 1000,
        )


def _both(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> int:
    return int(np.bitwise_count(one & other).sum())
