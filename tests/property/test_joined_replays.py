"""Records of the log carried out as one come to what they come to one by one, and that is what the
store was before: all that it has, for random logs of everything that a batch can say, with blocks
that were saved at any of them."""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from engine.database import Database
from engine.live import joined_records, live_store
from engine.live.recovery import replay_log
from tests.replayed_worlds import REPLAYED_MODELS, SLICED_MODELS, ReplayedWorld, contents_of
from tests.skips import soaking
from tests.sliced_ticks import cut_into_slices, spread_over_blocks
from tests.told import runs_told, wait_told

pytestmark = pytest.mark.usefixtures("whole_feed")

_ROUNDS = 60 if soaking() else 3
_STEPS = 14


@pytest.mark.parametrize("model", REPLAYED_MODELS)
def test_as_one_and_one_by_one(
    model: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spread_over_blocks(monkeypatch)
    if model in SLICED_MODELS:
        cut_into_slices(monkeypatch)
    opening = _Opening(monkeypatch)
    for number in range(_ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            _one_round(model, random.Random(f"{seed} {model} {number}"), folder, opening)
        except AssertionError as error:
            error.add_note(f"in round {number}")
            raise
        shutil.rmtree(folder)
    # Ticks, and feeds that are not complete, leave little to be joined in some models and rounds.
    assert max(opening.groups, default=0) > 1 or model in SLICED_MODELS or not soaking()


def _one_round(model: str, chance: random.Random, folder: Path, opening: _Opening) -> None:
    copy = folder / "copy"
    world = ReplayedWorld(folder / "store", model, chance)
    before = None
    try:
        for _ in range(chance.randrange(_STEPS)):
            world.step()
            if model in SLICED_MODELS and chance.random() < 0.15:
                world.tick_in_slices()
        if chance.random() < 0.5:
            wait_told(world.database)
        if model in SLICED_MODELS and chance.random() < 0.7:
            world.copy_in_slices(copy)
        else:
            with world.database._live.pipeline.drained():
                before = contents_of(world.database)
                world.copy(copy)
    finally:
        world.close()
    found = opening.read(copy, world.now_us)
    _check_same(found, opening.read(copy, world.now_us, one_by_one=True))
    if before is not None:
        _check_same(found, before)
    for _ in range(2):
        most = chance.randrange(opening.replayed + 1)
        _check_same(
            opening.read(copy, world.now_us, most),
            opening.read(copy, world.now_us, most, one_by_one=True),
        )
    _check_same(
        opening.go_on(copy, folder / "together", world.now_us),
        opening.go_on(copy, folder / "single", world.now_us, one_by_one=True),
    )


def _check_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name in {**one, **other}:
        assert one.get(name) == other.get(name), name


class _Opening:
    """How stores are opened: all records or some, as one or one by one. `groups` has the sizes of
    those that were carried out as one, and `replayed` how many there were last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.groups: list[int] = []
        self.replayed = 0
        self._one_by_one = False
        self._most: int | None = None
        joined = joined_records.RecordJoiner.joined

        def replay(*parts: Any, most: int | None = None, one_by_one: bool = False) -> int:
            assert most is None and not one_by_one, "nothing fails"
            self.replayed = replay_log(*parts, most=self._most, one_by_one=self._one_by_one)
            return self.replayed

        def counted(joiner: joined_records.RecordJoiner) -> joined_records.Joined | None:
            found = joined(joiner)
            if found is not None:
                self.groups.append(found.logged.sequence - found.first + 1)
            return found

        monkeypatch.setattr(live_store, "replay_log", replay)
        monkeypatch.setattr(joined_records.RecordJoiner, "joined", counted)

    def read(
        self, path: Path, now_us: int, most: int | None = None, *, one_by_one: bool = False
    ) -> dict[str, Any]:
        """What a store has that is opened for reading."""
        self._one_by_one, self._most = one_by_one, most
        database = Database.open(path, read_only=True, threads=1, now=lambda: now_us)
        self._one_by_one, self._most = False, None
        with database:
            return contents_of(database)

    def go_on(
        self, copy: Path, path: Path, now_us: int, *, one_by_one: bool = False
    ) -> dict[str, Any]:
        """What a copy has, and told, an hour later; that is what is saved of it. By how many slices
        the clock went there is left out."""
        shutil.copytree(copy, path)
        now_us += 3_600_000_000
        self._one_by_one = one_by_one
        with Database.open(path, threads=1, now=lambda: now_us) as database:
            self._one_by_one = False
            database.tick()
            told = _told(database)
            database.checkpoint()
            found = contents_of(database)
        saved = self.read(path, now_us)
        found.pop("version"), saved.pop("version")
        _check_same(found, saved)
        return {**found, "told": told}


def _told(database: Database) -> dict[int, list[str]]:
    """What the feed tells of each row, in its order."""
    found = defaultdict(list)
    for run in runs_told(database):
        what = (run.definition, run.version, run.entered, run.cause, run.instant_us)
        names = run.old, run.new, run.points, run.event
        for row in run.rows.tolist():
            found[row].append(f"{what} {names}")
    return dict(found)
