"""Batches of updates as a function of a seed, a partition and a number.

A process that is killed and the one that judges it make the same batches from these three, so
nothing but numbers passes between them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from engine.live.batch import ProfileBatch
from engine.live.positions import Position
from engine.live.update import NO_TIME
from engine.model.definitions import Model
from engine.model.load import load_model
from tests.crash.live_world import EVENTS, LIMITS, MODEL_FILES, SETS, SINGLE, Update
from tests.event_batches import event_rows
from tests.loads import ERASE, batch_of

__all__ = [
    "GIVER",
    "SEALED_EVENTS",
    "SOURCE",
    "live_batch",
    "load_marker",
    "loaded_updates",
    "number_of",
    "numbered_updates",
    "position_of",
    "random_updates",
]

SOURCE = "orders"
GIVER = "crm"
# Events with which a tail is sealed, few enough that it happens often among these people.
SEALED_EVENTS = 64
# A batch has offsets from number * OFFSETS on, with gaps.
OFFSETS = 1_000

_T0 = 1_700_000_000_000_000

_CELLS: dict[str, list[Any]] = {
    "city": ["京", "津", "沪", "", "long name " * 6, ERASE],
    "size": [0, 19, 20, 49, 50, 99, -(2**63), 2**62, ERASE],
    "spent": [Decimal("0.00"), Decimal("10.50"), Decimal("10.51"), Decimal("-3.25"), ERASE],
    "rate": [0.0, 0.25, 0.2499, 1e300, -1.5, ERASE],
    "vip": [True, False, ERASE],
    "born": [date(1979, 12, 31), date(1980, 1, 1), date(2001, 5, 6), ERASE],
    "joined": [
        datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2020, 1, 1, tzinfo=UTC),
        ERASE,
    ],
    "remark": ["a", "ü", "b", "x" * 300, ERASE],
    "likes": [["x"], ["y", "x", "y"], ["z"], [], ERASE],
    "+likes": [["x"], ["y"], ["x", "w"]],
    "-likes": [["x"], ["x", "y", "z"]],
    "tag": [["asleep"], ["new", "asleep"], ERASE],
    "+tag": [["asleep"], ["t1"], ["t2", "t3"]],
    "-tag": [["asleep"], ["t2"]],
}


_PROPERTIES: dict[str, list[Any]] = {
    "amount": [Decimal("0.00"), Decimal("10.50"), Decimal("0.01"), Decimal("-7.25")],
    "channel": ["web", "shop", ""],
    "note": ["ü", "long " * 60, ""],
    "urgent": [True, False],
}


def random_updates(chance: random.Random, count: int, people: int) -> list[Update]:
    """Updates of about `people` profiles: new ones, known ones, some that are refused."""
    return [_update(chance, people) for _ in range(count)]


def _update(chance: random.Random, people: int) -> Update:
    number = int(people * chance.random() ** 2)
    update: dict[str, Any] = {}
    way = chance.random()
    if way < 0.75:
        update["member"] = f"m{number}"
    if way > 0.65:
        update["phone"] = f"p{number}"
    if chance.random() < 0.15:
        update["mail"] = f"e{number}"
    if chance.random() < 0.05:  # strangers: merges, second members, blocked phones, nobody
        other = int(people * chance.random())
        update |= chance.choice(
            [{"phone": f"p{other}"}, {"member": f"m{other}"}, {"phone": "000"}, {"member": None}]
        )
    for name in chance.sample(sorted(_CELLS), chance.choice([1, 2, 3, 8])):
        update[name] = chance.choice(_CELLS[name])
    if chance.random() < 0.6:
        update["time"] = _T0 + chance.randrange(20) * 1_000_000
    if chance.random() < 0.01:
        update |= chance.choice([{"rate": float("nan")}, {"time": 1 << 62}])
    if chance.random() < 0.3:
        update["by"] = chance.choice(["ann", "bob", "", f"giver {chance.randrange(40)}"])
    elif chance.random() < 0.5:
        update |= {name: _event(chance, name) for name in EVENTS if chance.random() < 0.6}
    if chance.random() < 0.02:  # a value that the dictionaries have not seen
        update |= {"city": f"city {chance.randrange(10**6)}", "+tag": [f"t{chance.random()}"]}
    return update


def _event(chance: random.Random, name: str) -> dict[str, Any]:
    """An event, new, corrected or taken away; now and then one that is refused."""
    event: dict[str, Any] = {"time": _T0 + chance.randrange(40) * 250_000}
    if chance.random() < 0.7:
        event["id"] = f"e{chance.randrange(6)}"
    if name == "order":
        for what in chance.sample(sorted(_PROPERTIES), chance.randrange(5)):
            event[what] = chance.choice(_PROPERTIES[what])
    if "id" in event and chance.random() < 0.2:
        event["gone"] = True
    if chance.random() < 0.01:
        del event["time"]
    if chance.random() < 0.01:
        event |= {"gone": True, "id": chance.choice(["", "e1"])}
    return event


@cache
def _model() -> Model:
    model, _ = load_model(MODEL_FILES)
    return model


def live_batch(updates: Sequence[Update]) -> ProfileBatch:
    """Updates as the engine takes them."""
    batch = batch_of(updates, _model())
    added = {name: _set_cells(updates, f"+{name}") for name in SETS}
    removed = {name: _set_cells(updates, f"-{name}") for name in SETS}
    times = [update.get("time") for update in updates]
    return replace(
        batch,
        added={name: cells for name, cells in added.items() if cells is not None},
        removed={name: cells for name, cells in removed.items() if cells is not None},
        times=np.array([NO_TIME if time is None else time for time in times], np.int64),
        events=tuple(
            event_rows(name, [_in_units(update.get(name)) for update in updates], _model())
            for name in EVENTS
            if any(update.get(name) is not None for update in updates)
        ),
    )


def _in_units(event: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The same with decimals as batches have them."""
    if event is None or "amount" not in event:
        return event
    return {**event, "amount": int(event["amount"].scaleb(2))}


def _set_cells(updates: Sequence[Update], key: str) -> Any:
    if not any(key in update for update in updates):
        return None
    return batch_of([{"likes": update.get(key)} for update in updates], _model()).sets["likes"]


def numbered_updates(
    seed: int, partition: str, number: int, people: int
) -> tuple[list[Update], list[int]]:
    """The updates of batch `number` (from 0) of a partition, and their offsets."""
    chance = random.Random(f"{seed}/{partition}/{number}")
    updates = random_updates(chance, chance.choice([1, 3, 20, 60]), people)
    first = number * OFFSETS
    return updates, sorted(chance.sample(range(first, first + OFFSETS), len(updates)))


def loaded_updates(seed: int, number: int, people: int) -> list[Update]:
    """The updates of load `number`, about people of whom nothing else tells.

    As a load takes them: no event times, and sets are replaced only. The last update has an
    identifier by which the load is known (`load_marker`).
    """
    chance = random.Random(f"{seed}/load/{number}")
    kept = {*LIMITS, *SINGLE, *EVENTS, "by", "likes", "tag"}
    updates: list[Update] = []
    for update in random_updates(chance, 300, people):
        cells = {name: cell for name, cell in update.items() if name in kept}
        renamed = {kind: f"l{cells[kind]}" for kind in LIMITS if cells.get(kind)}
        updates.append({**cells, **renamed})
    return [*updates, dict([load_marker(number)])]


def load_marker(number: int) -> tuple[str, str]:
    """The identifier that somebody has once load `number` is there."""
    return "member", f"load {number}"


def number_of(offset: int) -> int:
    """The batch that an offset belongs to."""
    return offset // OFFSETS


def position_of(partition: str, offsets: Sequence[int], owner_epoch: int = 1) -> Position:
    """The place of a batch."""
    return Position(SOURCE, partition, owner_epoch, np.array(offsets, np.uint64))
