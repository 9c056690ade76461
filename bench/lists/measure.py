"""Times of lists, in process and through gRPC; what arrives is compared with what was found."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

from bench.data.people import TAGS
from bench.failure import BenchFailed
from engine.columns.uids import UID_BYTES
from engine.database import Database
from strata.answers import Frozen
from strata.client import Client

__all__ = ["Expected", "in_process", "through_grpc"]

HALF = f"tag = '{TAGS[0]}'"
CHOSEN = 1_000
FROZEN = "bench-lists"
MB = 1e6

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a list has to bring: how many members, and checksums (CRC-32) of their bitmap, which
    follows from the data alone, and of their uids in order, which each load draws anew."""

    count: int
    roaring: int
    uids: int


def in_process(store: Path, repetitions: int) -> tuple[dict[str, float], Expected]:
    """Milliseconds and megabytes a second, and what the same lists have to bring elsewhere."""
    with Database.open(store, threads=1, read_only=True) as database:
        with database.members(HALF) as members:
            bitmaps = [_timed(members.roaring) for _ in range(repetitions)]
            uids = zlib.crc32(b"".join(members.uids()))
            expected = Expected(members.count, zlib.crc32(bitmaps[0][1]), uids)
            rates = [_rate(members.uids, expected) for _ in range(repetitions)]

        def first(salt: str, order_by: str | None) -> bytes:
            with database.members(
                HALF, limit=CHOSEN, salt=salt, order_by=order_by, descending=order_by is not None
            ) as chosen:
                return b"".join(chosen.uids())

        at_random = [_timed(partial(first, str(salt), None))[0] for salt in range(repetitions)]
        in_order = [_timed(partial(first, "", "revenue"))[0] for _ in range(repetitions)]
    return {
        "roaring_ms": _ms(seconds for seconds, _ in bitmaps),
        "roaring_bytes": len(bitmaps[0][1]),
        **_rates("uids", rates),
        "thousand_at_random_ms": _ms(at_random),
        "thousand_by_revenue_ms": _ms(in_order),
    }, expected


def through_grpc(address: str, repetitions: int, expected: Expected) -> dict[str, float]:
    """The same lists from a server that holds the same store; the audience is frozen there for as
    long as that takes. Raises BenchFailed where other members arrive."""
    with Client(address) as client:

        def rates(audience: str | Frozen) -> list[float]:
            def uids() -> Iterator[bytes]:
                return client.members(audience, form="uids").uids()

            _same(zlib.crc32(b"".join(uids())), expected.uids)
            return [_rate(uids, expected) for _ in range(repetitions)]

        asked = rates(HALF)
        bitmaps = []
        for _ in range(repetitions):
            seconds, bitmap = _timed(lambda: client.members(HALF, form="roaring").roaring())
            _same(zlib.crc32(bitmap), expected.roaring)
            bitmaps.append(seconds)
        client.freeze(FROZEN, HALF)
        try:
            frozen = rates(Frozen(FROZEN))
        finally:
            client.drop_frozen(FROZEN)
    return {
        **_rates("uids", asked),
        "roaring_ms": _ms(bitmaps),
        **_rates("frozen_uids", frozen),
    }


def _same(arrived: int, expected: int) -> None:
    if arrived != expected:
        raise BenchFailed("Other members arrived than were found in process.")


def _timed(call: Callable[[], Answer]) -> tuple[float, Answer]:
    """Seconds, and the answer."""
    began = time.perf_counter()
    answer = call()
    return time.perf_counter() - began, answer


def _rate(uids: Callable[[], Iterable[bytes]], expected: Expected) -> float:
    """Megabytes a second of somebody who reads a chunk after the other and keeps none."""
    seconds, length = _timed(lambda: sum(map(len, uids())))
    _same(length, UID_BYTES * expected.count)
    return length / seconds / MB


def _ms(seconds: Iterable[float]) -> float:
    return round(median(seconds) * 1000, 3)


def _rates(name: str, rates: list[float]) -> dict[str, float]:
    return {f"{name}_MB_a_second": round(median(rates)), f"{name}_least": round(min(rates))}
