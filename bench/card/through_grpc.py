"""Rates of the smallest calls of a server, beside handlers that do nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from bench.failure import BenchFailed
from strata.v1 import audience_pb2, audience_pb2_grpc, profile_pb2, profile_pb2_grpc, value_pb2

__all__ = ["through_grpc"]

ROOT = Path(__file__).resolve().parents[2]
UNDER_WAY = 16
START_S, STOP_S = 120, 60
SEGMENT = "active_prospect"


def through_grpc(
    store: Path, scratch: Path, uids: Sequence[str], seconds: float, rounds: int
) -> dict[str, Any]:
    """Calls a second of each side (medians), and what they are of the empty handler's; profiles are
    those of the uids, by turns."""
    ports = scratch / "ports"
    command = [sys.executable, "-m", "bench.card.serving", str(store), str(ports)]
    server = subprocess.Popen(command, cwd=ROOT)
    try:
        until = time.monotonic() + START_S
        while not ports.exists():
            if server.poll() is not None or time.monotonic() > until:
                raise BenchFailed("the server did not start")
            time.sleep(0.05)
        port, beside = ports.read_text().split()
        addresses = f"127.0.0.1:{port}", f"127.0.0.1:{beside}"
        found = asyncio.run(_rounds(*addresses, uids, seconds, rounds))
    finally:
        server.terminate()
        server.wait(STOP_S)
    ratios = {
        name: round(median(one[name] / one["empty handler"] for one in found), 3)
        for name in found[0]
    }
    return {
        "calls_a_second": {name: round(median(one[name] for one in found)) for name in found[0]},
        "of_the_empty_handler": ratios,
        "calls_under_way": UNDER_WAY,
        "rounds": rounds,
    }


async def _rounds(
    address: str, beside: str, uids: Sequence[str], seconds: float, rounds: int
) -> list[dict[str, float]]:
    async with (
        grpc.aio.insecure_channel(address) as channel,
        grpc.aio.insecure_channel(beside) as other,
    ):
        audience = audience_pb2_grpc.AudienceServiceStub(channel)
        profiles = profile_pb2_grpc.ProfileServiceStub(channel)
        nothing = audience_pb2_grpc.AudienceServiceStub(other)
        bare = other.unary_unary("/bench.Bare/Call", bytes, bytes)
        count = audience_pb2.CountRequest(audience=audience_pb2.Audience(segment=SEGMENT))
        asked = [value_pb2.Identifier(kind="uid", value=uid) for uid in uids]
        turn = iter(range(sys.maxsize))

        async def profile() -> None:
            one = asked[next(turn) % len(asked)]
            await profiles.GetProfile(profile_pb2.GetProfileRequest(identifier=one))

        sides: dict[str, Callable[[], Awaitable[object]]] = {
            "bare handler": lambda: bare(b""),
            "empty handler": lambda: nothing.Count(count),
            "Count of a stored segment": lambda: audience.Count(count),
            "GetProfile": profile,
        }
        for call in sides.values():
            await _rate(call, seconds / 4)
        return [
            {name: await _rate(call, seconds) for name, call in sides.items()}
            for _ in range(rounds)
        ]


async def _rate(call: Callable[[], Awaitable[object]], seconds: float) -> float:
    """Calls a second with so many under way."""
    done = 0
    until = time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await call()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(UNDER_WAY)))
    return done / (time.perf_counter() - began)
