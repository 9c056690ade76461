"""A stand-in for the engine's database: answers at once, slowly, or with any failure.

For what a real store cannot do on command: be slow for exactly as long as a test wants, run
out of room, fail in every way of the error table. Everything else is tested on a real one.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.columns.strings import Strings
from engine.core.control import Control
from engine.errors import EngineError

NOW_US = 1_700_000_000_123_456
# Longer than any test waits, so that a defect fails a test and does not hang it.
GIVE_UP_S = 40


@dataclass(frozen=True)
class FakeCount:
    """Shaped like the engine's CountResult."""

    expression: str
    count: int
    as_of_us: int
    data_version: int = 7
    elapsed_us: int = 1500
    nodes: tuple[Any, ...] | None = None
    groups: dict[str | None, int] | None = None
    waiting: int = 0
    gone: int = 0
    read_as_of_today: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class FakeMembers:
    """Shaped like the engine's Members: `size` profiles with one identifier each."""

    expression: str
    as_of_us: int
    size: int = 5
    data_version: int = 7
    row_epoch: int = 1
    waiting: int = 0
    read_as_of_today: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    frozen: None = None
    gone: int = 0

    def __enter__(self) -> FakeMembers:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def matched(self) -> int:
        return self.size

    @property
    def count(self) -> int:
        return self.size

    def read_today_with(self, attributes: Sequence[str]) -> tuple[str, ...]:
        return self.read_as_of_today

    def identifier_batches(self, kind: str) -> Iterator[Strings]:
        for start in range(0, self.size, 10_000):
            stop = min(start + 10_000, self.size)
            yield Strings.from_list([f"{kind}-{number:012}" for number in range(start, stop)])

    def uids(self) -> Iterator[bytes]:
        yield b"".join(uuid.UUID(int=number).bytes for number in range(self.size))

    def roaring(self) -> bytes:
        return bytes(range(256)) * 4096

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class FakeDatabase:
    """Answers every count with 42 after `before` has run."""

    before: Callable[[Control | None], None] = lambda control: None
    members_size: int = 5
    uploads: list[Any] = field(default_factory=list)
    model: Any = None
    model_version: int = 0

    def count(
        self,
        expression: Any,
        *,
        as_of_us: int | None = None,
        nodes: bool = False,
        group_by: str | None = None,
        control: Control | None = None,
    ) -> FakeCount:
        self.before(control)
        return FakeCount(str(expression), 42, NOW_US if as_of_us is None else as_of_us)

    def stored_count(self, expression: Any) -> None:
        """Nothing is stored."""

    def count_many(
        self,
        expressions: Sequence[Any],
        *,
        as_of_us: int | None = None,
        nodes: bool = False,
        where: str = "expressions[{}]",
        control: Control | None = None,
    ) -> list[FakeCount]:
        return [self.count(one, as_of_us=as_of_us, control=control) for one in expressions]

    def members(
        self,
        expression: Any,
        *,
        as_of_us: int | None = None,
        limit: int | None = None,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
        control: Control | None = None,
    ) -> FakeMembers:
        self.before(control)
        return FakeMembers(
            str(expression), NOW_US if as_of_us is None else as_of_us, self.members_size
        )

    def stats(self) -> dict[str, int]:
        return {"profiles": self.members_size}

    def close(self) -> None:
        """Nothing is held."""


def wait_until_stopped(
    began: threading.Event, ended: threading.Event
) -> Callable[[Control | None], None]:
    """Work that ends only when its Control does, as the engine would: `began`, then `ended`."""
    pause = threading.Event()

    def work(control: Control | None) -> None:
        assert control is not None
        began.set()
        try:
            for _ in range(GIVE_UP_S * 200):
                control.check()
                pause.wait(0.005)
        except EngineError:
            ended.set()
            raise

    return work


__all__ = ["NOW_US", "FakeCount", "FakeDatabase", "FakeMembers", "wait_until_stopped"]
