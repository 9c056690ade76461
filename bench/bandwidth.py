"""How fast this machine reads memory, and how much a question has to read: its roofline.

The bandwidth depends on where the data lie, in a cache or in memory, so it is measured over
amounts of several sizes, and a question is held against the least that is as large as its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.events import DAYS, EVENTS_A_PERSON, TYPES
from bench.data.people import TAGS, tag_share
from bench.data.scoring import RULES
from bench.questions import AnyOf, Between, Condition, Did, Draw, Followed, Has, Scored, Spent

__all__ = ["bytes_read", "floor_us", "read_bandwidth"]

MIB = 1 << 20
AMOUNTS = (1 * MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, 1024 * MIB)
REPETITIONS = 7
# What one look at a row costs where rows are far apart.
LINE_BYTES = 64
ROW_NUMBER_BYTES = 2
WIDTHS = {"industry": 1, "region": 1, "title": 1, "stage": 1, "age": 1}
WIDE = 4  # company_size and revenue
# Of an event whose time is known to lie in a window: the row. Of one of a sequence also the time.
EVENT_ROW_BYTES, EVENT_TIME_BYTES, AMOUNT_BYTES = 2, 4, 4


def read_bandwidth(threads: Sequence[int], largest: int = AMOUNTS[-1]) -> list[dict[str, float]]:
    """Bytes a second for each amount and number of threads, by numpy's maximum of bytes, which
    does nothing but read; the best of some times, since whatever disturbs only makes it slower."""
    amounts = [amount for amount in AMOUNTS if amount <= largest]
    memory = np.ones(amounts[-1], np.uint8)
    return [
        {"threads": count, "bytes": amount, "bytes_a_second": _rate(memory[:amount], count)}
        for count in threads
        for amount in amounts
    ]


def _rate(memory: NDArray[np.uint8], threads: int) -> float:
    parts = np.array_split(memory, threads)
    # Small amounts are read several times over, so that the start of threads weighs little.
    passes = max(1, (64 * MIB) // len(memory))

    def read(part: NDArray[np.uint8]) -> None:
        for _ in range(passes):
            part.max()

    taken = []
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, parts))
        for _ in range(REPETITIONS):
            started = time.perf_counter()
            list(pool.map(read, parts))
            taken.append(time.perf_counter() - started)
    return round(len(memory) * passes / min(taken))


def bytes_read(draw: Draw, rows: int) -> int:
    """What an answer has to read at the least, with every field in whole bytes and tags in bits.

    A rare tag is read as row numbers, and of the other columns one line of memory for each of its
    rows. All else is read from one end to the other, each field once for all audiences.
    """
    conditions = {
        part
        for audience in draw.audiences
        for condition in audience
        for part in ([rule for rule, _ in RULES] if isinstance(condition, Scored) else [condition])
    }
    is_scored = any(isinstance(condition, Scored) for (condition, *_) in draw.audiences)
    fields: dict[Any, float] = {}
    for condition in conditions:
        for field in _fields(condition):
            fields[field] = max(fields.get(field, 0.0), _bytes(condition, field, rows))
    if draw.group_by is not None:
        fields[draw.group_by] = WIDTHS[draw.group_by] * rows
    rare = [c for c in conditions if isinstance(c, Has) and c.wanted and _share(c) < 1 / 64]
    if not rare or draw.many or is_scored:
        return round(sum(fields.values()))
    looked_at = min(_share(tag) for tag in rare) * rows
    first = min(fields[tag.tag] for tag in rare)
    others = [size for field, size in fields.items() if field not in {tag.tag for tag in rare}]
    return round(first + sum(min(size, looked_at * LINE_BYTES) for size in others))


def _fields(condition: Condition) -> tuple[str, ...]:
    match condition:
        case Has(tag, _):
            return (tag,)
        case AnyOf(column, _) | Between(column, _, _):
            return (column,)
        case Did(event, _, _):
            return (f"{event}:row",)
        case Spent():
            return ("order:row", "order:amount")
        case Followed(first, second, _, _):
            return f"{first}:row", f"{first}:time", f"{second}:row", f"{second}:time"
        case Scored():
            raise AssertionError("a score is read by its rules")


_EVENT_BYTES = {"row": EVENT_ROW_BYTES, "time": EVENT_TIME_BYTES, "amount": AMOUNT_BYTES}


def _bytes(condition: Condition, field: str, rows: int) -> float:
    match condition:
        case Has():
            return min(rows / 8, _share(condition) * rows * ROW_NUMBER_BYTES)
        case AnyOf() | Between():
            return float(WIDTHS.get(field, WIDE) * rows)
        case Did(days=days) | Spent(days=days) | Followed(days=days):
            events = rows * EVENTS_A_PERSON / len(TYPES) * min(1, days / DAYS)
            return events * _EVENT_BYTES[field.partition(":")[2]]
        case Scored():
            raise AssertionError("a score is read by its rules")


def _share(condition: Has) -> float:
    return tag_share(TAGS.index(condition.tag))


def floor_us(amount: int, threads: int, bandwidth: Sequence[dict[str, float]]) -> float:
    """The time that reading an amount takes at the bandwidth measured."""
    of_threads = [point for point in bandwidth if point["threads"] == threads]
    fitting = [point for point in of_threads if point["bytes"] >= amount] or of_threads[-1:]
    return 1e6 * amount / fitting[0]["bytes_a_second"]
