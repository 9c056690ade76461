"""Members in the order of averages that differ by parts of one, and of numbers beyond 64 bits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.moving_events import EventDatabase
from tests.moving_worlds import START_US

# The averages are 1.5, 1.333, 1.25, -1.333, -1.5, none, 1.333 again.
PIECES = {"a": (1, 2), "b": (1, 1, 2), "c": (1, 1, 1, 2), "d": (-1, -1, -2), "e": (-1, -2),
          "f": (), "g": (2, 1, 1, 1, 2, 1)}  # fmt: skip
LARGE = "100_000_000_000_000_000_000"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventDatabase]:
    made = EventDatabase(tmp_path_factory.mktemp("order") / "store", {})
    for name, pieces in PIECES.items():
        made.send({"member": name, "size": len(pieces)})
        for place, one in enumerate(pieces):
            made.send({"member": name, "order": {"time": START_US - place, "pieces": one}})
    yield made
    made.close()


@pytest.mark.parametrize(
    "order_by",
    [
        "avg(order.pieces)",
        f"{LARGE} * avg(order.pieces)",
        "avg(order.pieces) + avg(order.pieces)",
        "avg(order.pieces) + 0.25 * avg(order.pieces in last 3 days)",
    ],
)
def test_averages(live: EventDatabase, order_by: str) -> None:
    assert listed(live, order_by) == "edcbgaf"
    assert listed(live, order_by, descending=True) == "abgcdef"


def test_numbers_beyond_64_bits(live: EventDatabase) -> None:
    text = f"{LARGE} * sum(order.pieces) - size"
    sums = {name: (sum(pieces), -len(pieces)) for name, pieces in PIECES.items()}
    ordered = sorted(PIECES, key=lambda name: sums[name])
    assert listed(live, text) == "".join(ordered)
    assert listed(live, text, limit=2) == "".join(ordered[:2])


def listed(live: EventDatabase, order_by: str, *, descending: bool = False, limit: int = 9) -> str:
    """The members in an order."""
    found = live.database.members(
        "true", as_of_us=START_US, order_by=order_by, descending=descending, limit=limit
    )
    with found as members:
        return "".join(one for some in members.identifiers("member") for one in some)
