"""A waterfall: each profile goes to the first of some audiences, in their order, that it is in.

1. The steps are taken one by one, all of one snapshot and at one instant. Of a step's audience
   those are left whom no step before it has taken.
2. A step with a cap takes so many of them, drawn by salt as a list with a limit draws them; the
   others go on to the steps after it. A step without one takes all.
3. Who is taken is kept as one mask of all profiles, so memory does not grow with the steps.

No profile is in two steps, and without caps the steps together are the union of the audiences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.audience import Audience, CountResult
from engine.core import evaluate
from engine.core.control import Control
from engine.errors import InputInvalid
from engine.limits import WATERFALL_STEPS
from engine.listing.choosing import choose_at_random
from engine.members import Members
from engine.model.definitions import Model
from engine.rules import tree
from engine.store.snapshot import Snapshot

__all__ = ["Step", "StepResult", "Waterfall", "Waterfalls"]


@dataclass(frozen=True, slots=True)
class Step:
    """An audience that takes `cap` profiles at most, as many as there are where it is None."""

    expression: str | tree.Expr
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of a step: `audience` counts all that its expression holds for, `left` those
    whom no step before it took, `taken` those whom it took."""

    audience: CountResult
    cap: int | None
    left: int
    taken: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The steps in their order. Of `profiles` live in all, `rest` went to no step."""

    steps: tuple[StepResult, ...]
    profiles: int
    rest: int


class Waterfalls:
    """Questions to the newest version of a store. Safe to share between threads."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        audience: Callable[[Snapshot, int | None, Control | None], Audience],
        model: Callable[[Snapshot], Model],
    ) -> None:
        self._snapshot = snapshot
        self._audience = audience
        self._model = model

    def waterfall(
        self,
        steps: Sequence[Step],
        *,
        salt: str = "",
        as_of_us: int | None = None,
        where: str = "steps[{}]",
        control: Control | None = None,
    ) -> Waterfall:
        """How many profiles go to each step. `salt` draws those of caps; `where` names a step in
        errors, by its place from 0. Raises InputInvalid, and what counts raise."""
        _check(steps)
        with self._snapshot() as snapshot:
            audience = self._added(snapshot, steps, as_of_us, where, control)
            taken = list(_pour(audience, snapshot, steps, salt))
            profiles = snapshot.live_count
            answers = audience.answers([one.matched for one in taken])
            return Waterfall(
                tuple(
                    StepResult(answer, step.cap, one.left, one.count)
                    for answer, step, one in zip(answers, steps, taken, strict=True)
                ),
                profiles,
                profiles - sum(one.count for one in taken),
            )

    def members(
        self,
        steps: Sequence[Step],
        place: int,
        *,
        salt: str = "",
        as_of_us: int | None = None,
        where: str = "steps[{}]",
        control: Control | None = None,
    ) -> Members:
        """The profiles that go to the step in a place, from 0; close the answer when done with it.
        Steps after it are not evaluated."""
        _check(steps)
        if not 0 <= place < len(steps):
            raise InputInvalid(
                f"There is no step {place} of {len(steps)}; places count from 0 to "
                f"{len(steps) - 1}."
            )
        steps = steps[: place + 1]
        snapshot = self._snapshot()
        try:
            audience = self._added(snapshot, steps, as_of_us, where, control)
            *_, last = _pour(audience, snapshot, steps, salt)
            answer = audience.answers([0] * len(steps))[-1]
            return Members(
                snapshot=snapshot,
                model=self._model(snapshot),
                values=audience.values(),
                expression=answer.expression,
                as_of_us=answer.as_of_us,
                masks=last.masks,
                waiting=answer.waiting,
                read_as_of_today=answer.read_as_of_today,
            )
        except BaseException:
            snapshot.close()
            raise

    def _added(
        self,
        snapshot: Snapshot,
        steps: Sequence[Step],
        as_of_us: int | None,
        where: str,
        control: Control | None,
    ) -> Audience:
        audience = self._audience(snapshot, as_of_us, control)
        for place, step in enumerate(steps):
            audience.add(step.expression, where.format(place))
        return audience


@dataclass(frozen=True, slots=True)
class _Taken:
    """Who a step took, as masks, and its counts."""

    masks: NDArray[np.uint64]
    matched: int
    left: int
    count: int


def _pour(
    audience: Audience, snapshot: Snapshot, steps: Sequence[Step], salt: str
) -> Iterator[_Taken]:
    how = audience.running()
    gone: NDArray[np.uint64] | None = None
    for step, root in zip(steps, how.roots, strict=True):
        masks, matched = evaluate.root_masks(
            how.program, root, control=how.control, pool=how.pool, threads=how.threads
        )
        if gone is None:
            gone = np.zeros_like(masks)
        masks &= ~gone
        left = count = _size(masks)
        if step.cap is not None and step.cap < left:
            masks = choose_at_random(snapshot, masks, step.cap, salt)
            count = step.cap
        gone |= masks
        yield _Taken(masks, matched, left, count)


def _size(masks: NDArray[np.uint64]) -> int:
    return int(np.bitwise_count(masks).sum())


def _check(steps: Sequence[Step]) -> None:
    if not 1 <= len(steps) <= WATERFALL_STEPS:
        raise InputInvalid(
            f"A waterfall of {len(steps):,} steps cannot be made; give 1 to {WATERFALL_STEPS}."
        )
    for place, step in enumerate(steps):
        if step.cap is not None and step.cap < 1:
            raise InputInvalid(
                f"Step {place} has a cap of {step.cap}; give 1 or more, or leave out the step."
            )
