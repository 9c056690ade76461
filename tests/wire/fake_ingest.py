"""A stand-in for a database that takes batches: keeps them, and answers when a test wants it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.core.control import Control
from engine.errors import OwnerFenced
from engine.live.batch import ProfileBatch
from engine.live.positions import IngestAck, Position, StoredPosition
from engine.model.definitions import Model
from engine.model.load import load_model
from tests.wire.fake_database import FakeDatabase

MODEL_TEXT = """\
time_zone: Asia/Shanghai
identifiers:
  member: {per_profile: 1}
  phone: {per_profile: 3}
attributes:
  city: {type: category}
  age: {type: int}
  spend: {type: decimal, scale: 2}
  weight: {type: float}
  vip: {type: bool}
  born: {type: date}
  joined: {type: time}
  remark: {type: text}
  interests: {type: set}
  time: {type: int}
  twice: {type: int, is: "age * 2"}
sources:
  crm: {identify: {member: id}}
"""


def ingest_model() -> Model:
    """A model with every type of attribute."""
    model, _ = load_model({"model.yaml": MODEL_TEXT})
    return model


@dataclass
class Taken:
    """A batch that was submitted, and the future of its answer."""

    batch: ProfileBatch
    position: Position | None
    giver: str
    future: Future[IngestAck]


@dataclass
class FakeIngest(FakeDatabase):
    """Answers each batch at once, or with `by_hand` only when a test calls `answer`."""

    by_hand: bool = False
    refuse: Callable[[], Exception | None] = lambda: None
    taken: list[Taken] = field(default_factory=list)
    stored: dict[tuple[str, str], StoredPosition] = field(default_factory=dict)
    visible: int = 0
    arrived: threading.Condition = field(default_factory=threading.Condition)
    model: Any = field(default_factory=ingest_model)

    def submit(
        self,
        batch: ProfileBatch,
        position: Position | None = None,
        *,
        giver: str = "",
        source: str = "",
        after: Future[IngestAck] | None = None,
    ) -> Future[IngestAck]:
        refusal = self.refuse()
        if refusal is not None:
            raise refusal
        taken = Taken(batch, position, giver, Future())
        with self.arrived:
            self.taken.append(taken)
            self.arrived.notify_all()
        if not self.by_hand:
            self.answer(len(self.taken) - 1)
        return taken.future

    def answer(self, index: int, failure: Exception | None = None) -> None:
        """Answers the batch of that number, as the engine would."""
        taken = self.taken[index]
        if failure is None and taken.position is not None:
            failure = self._fence(taken.position)
        if failure is not None:
            taken.future.set_exception(failure)
            return
        duplicate = self._duplicates(taken)
        found = np.zeros(taken.batch.count, bool)
        for values in taken.batch.identifiers.values():
            found |= values.valid
        refused = np.flatnonzero(~found & ~duplicate)
        accepted = int((found & ~duplicate).sum())
        taken.future.set_result(
            IngestAck(
                offset=index + 1,
                accepted=accepted,
                duplicates=int(duplicate.sum()),
                created=accepted,
                refused=tuple((row, "no identifier") for row in refused.tolist()),
            )
        )

    def wait_for(self, count: int, timeout_s: float = 30) -> bool:
        """Whether so many batches have come."""
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.taken) >= count, timeout_s)

    def position(self, source: str, partition: str) -> StoredPosition | None:
        return self.stored.get((source, partition))

    def wait_visible(self, offset: int, control: Control | None) -> None:
        pause = threading.Event()
        while self.visible < offset:
            assert control is not None
            control.check()
            pause.wait(0.005)

    def card_at_hand(self, identifier: Any, *, recent_events: int = 0) -> None:
        """Nobody is known."""

    def cards(self, identifiers: Any, *, recent_events: int = 0) -> list[None]:
        return [None] * len(identifiers)

    def lists(self) -> list[Any]:
        return []

    def _fence(self, position: Position) -> OwnerFenced | None:
        stored = self.stored.get((position.source, position.partition))
        if stored is not None and stored.owner_epoch > position.owner_epoch:
            return OwnerFenced("A later owner has written.")
        return None

    def _duplicates(self, taken: Taken) -> Any:
        position = taken.position
        if position is None or not len(position.offsets):
            return np.zeros(taken.batch.count, bool)
        key = (position.source, position.partition)
        stored = self.stored.get(key)
        duplicate = position.offsets <= (stored.offset if stored else -1)
        last = int(position.offsets[-1])
        self.stored[key] = StoredPosition(
            position.owner_epoch, max(last, stored.offset if stored else last)
        )
        return duplicate
