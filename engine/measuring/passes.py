"""One pass over the blocks of an audience, in as many threads as there are.

Every thread has a `ValueBlocks` and a gatherer of its own, and claims blocks from one iterator,
as the block evaluator does. What is gathered is put together by who asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from engine.core.control import Control
from engine.core.program import Program
from engine.core.values import ValueBlocks

__all__ = ["Gatherer", "Reading", "gather", "share"]


class Gatherer(Protocol):
    """Collects what is wanted of values."""

    def add(self, blocks: ValueBlocks) -> None:
        """Adds the open block, in which somebody is in the audience."""


_Gatherer = TypeVar("_Gatherer", bound=Gatherer)
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read: the values of leaf `node` (-1: none) of the profiles of `root`, and in which
    threads. `grouped`: with the program's group field, a bool where `is_bool`; column
    `group_column` of the plan where it is one, else -1."""

    program: Program
    root: int
    node: int
    control: Control
    pool: Executor | None = None
    threads: int = 1
    grouped: bool = False
    is_bool: bool = False
    group_column: int = -1

    def blocks(self) -> ValueBlocks:
        """What one thread reads with."""
        return ValueBlocks(
            self.program,
            self.root,
            self.node,
            self.control,
            grouped=self.grouped,
            is_bool=self.is_bool,
            group_column=self.group_column,
        )


def gather(reading: Reading, make: Callable[[], _Gatherer]) -> list[_Gatherer]:
    """The gatherers of all threads, at least one, when every block has been added to one.

    Raises Cancelled and DeadlineExceeded as the control says.
    """
    return share(
        reading.program.block_count,
        make,
        partial(_work, reading),
        reading.control,
        reading.pool,
        reading.threads,
    )


def share(
    count: int,
    make: Callable[[], _Part],
    work: Callable[[Iterator[int], _Part], None],
    control: Control,
    pool: Executor | None = None,
    threads: int = 1,
) -> list[_Part]:
    """The parts of all threads, at least one, each worked on by `work` with the numbers of the
    `count` blocks that its thread has claimed; `pool` is for the threads after the first.

    Raises what `work` raises, once all threads have stopped.
    """
    claims = iter(range(count))
    helpers = []
    first = make()
    try:
        if pool is not None:
            others = [make() for _ in range(min(threads, count) - 1)]
            for other in others:
                helpers.append((pool.submit(work, claims, other), other))
        work(claims, first)
        # A helper that still waits for its turn has nothing left to do: no block is unclaimed.
        worked = [(future, other) for future, other in helpers if not future.cancel()]
        for future, _ in worked:
            future.result()
    except BaseException:
        # What the helpers read is not held for them any longer than this call.
        control.cancel()
        wait([future for future, _ in helpers if not future.cancel()])
        raise
    return [first, *(other for _, other in worked)]


def _work(reading: Reading, claims: Iterator[int], gatherer: Gatherer) -> None:
    blocks = None
    # To claim the next number is one step of the interpreter, which no other thread breaks into.
    for block in claims:
        blocks = blocks or reading.blocks()
        if blocks.read(block):
            gatherer.add(blocks)
