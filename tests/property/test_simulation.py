"""A thousand small stores live through weeks, and what they keep is what recomputation finds."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.simulation import SHARING, Simulations
from tests.skips import soaking
from tests.whole_feed import keep_the_whole_feed

SEEDS = 10_000 if soaking() else 1_000
# So many in a test, each with models of its own.
AT_A_TIME = 100


@pytest.fixture(scope="module")
def simulations() -> Iterator[Simulations]:
    """Runs seeds; the feed is kept from its beginning, and more flip than are kept ahead."""
    with pytest.MonkeyPatch.context() as patched:
        keep_the_whole_feed(patched)
        made = Simulations()
        yield made
        made.close()


@pytest.mark.parametrize("part", range(SEEDS // AT_A_TIME))
def test_stored_is_recomputed_all_the_time(part: int, seed: int, simulations: Simulations) -> None:
    first = random.Random(f"{seed} {part}").randrange(1 << 40) * SHARING
    for number in range(first, first + AT_A_TIME):
        simulations.run(number)


def test_much_happened(simulations: Simulations) -> None:
    """And ticks judged in proportion to who moved."""
    told = simulations.told
    assert told.seeds == SEEDS
    assert told.by_clock >= told.seeds and told.entries >= 4 * told.seeds
    assert told.kept > 3 * told.unkept
    # Who is due has often nothing to change, where one condition of many turns: about five times
    # somebody is judged for one that moves. Everybody at every tick would be some fifty.
    assert told.tick_rows < 20 * told.by_clock, told
