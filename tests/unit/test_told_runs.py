"""Flips that come in runs are told as those that come one by one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.live.change import Flips
from engine.live.definitions import NOBODY, Definition
from engine.live.flip_order import FlipRun, all_flips
from engine.live.flip_outcome import Passed
from engine.live.telling import Telling

# A segment, an action, something that nobody is told of, and a score with two bands.
TELLING = Telling(
    [
        Definition("gold", NOBODY, "segments.gold"),
        Definition(":actions.call", NOBODY, "actions.call", is_action=True),
        Definition("hidden", NOBODY),
        Definition(":scores.lead.warm", NOBODY, "scores.lead", "warm"),
        Definition(":scores.lead.hot", NOBODY, "scores.lead", "hot"),
    ],
    lambda name: len(name),
)
NAMES = ["hidden", ":scores.lead.hot", "gold", ":actions.call", ":scores.lead.warm"]
WARM, HOT = 4, 1
NOTHING = Flips(
    np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.bool_)
)


def _runs(rng: np.random.Generator) -> list[FlipRun]:
    """What happens to each definition: none of them twice to a row at one instant. Who leaves one
    band may enter the other."""
    found: list[FlipRun] = []
    for instant in (-5, 0, 7):
        for definition in (0, 2, 3):
            rows = rng.permutation(3_000)[: int(rng.integers(2, 1_800))].astype(np.uint32)
            for side, entered in ((rows[::2], True), (rows[1::2], False)):
                found.append(FlipRun(instant, definition, entered, np.sort(side)))
        rows = np.sort(rng.permutation(3_000)[: int(rng.integers(3, 900))].astype(np.uint32))
        found.append(FlipRun(instant, WARM, False, rows[: -len(rows) // 3]))
        found.append(FlipRun(instant, HOT, True, rows[len(rows) // 3 :]))
    return [found[place] for place in rng.permutation(len(found))]


def _told(flips: Flips) -> list[tuple[int, tuple[str, int], bool, int]]:
    told = [TELLING.definitions[number] for number in flips.definitions.tolist()]
    columns = flips.instants.tolist(), told, flips.entered.tolist(), flips.rows.tolist()
    return list(zip(*columns, strict=True))


def _passed(flips: Flips, runs: list[FlipRun]) -> Passed:
    return Passed(flips, runs, (), (), 0, 0)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_runs_are_told_as_single_flips(share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(5):
        runs = _runs(rng)
        one_by_one = _passed(all_flips(NOTHING, runs), [])
        wanted = _told(TELLING.flips([(one_by_one, NAMES)]))
        assert {key for _, (key, _), _, _ in wanted} > {"segments.gold", "actions.call"}
        assert all(entered for _, (key, _), entered, _ in wanted if key == "actions.call")
        together = [run for run in runs if rng.random() < share]
        apart = [run for run in runs if not any(run is one for one in together)]
        mixed = _passed(all_flips(NOTHING, apart), together)
        assert _told(TELLING.flips([(mixed, NAMES)])) == wanted
        two = [(_passed(NOTHING, together), NAMES), (_passed(all_flips(NOTHING, apart), []), NAMES)]
        assert _told(TELLING.flips(two)) == wanted
