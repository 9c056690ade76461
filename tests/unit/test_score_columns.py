"""Rules over stored columns, which are added without a mask, against sums over masks.

What each condition holds for is asked by itself, where it is a mask; the score's rows by
thresholds. Worlds have columns of every width and presence, in one part and in several, and rules
of every form: several over one column, complements, and such that headers decide.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.audience import Audience
from engine.core import evaluate as blocks
from engine.core import kernels
from engine.database import Database
from engine.rules.bind import Binder
from tests.worlds import NOW_US, World

ROWS = 66_000
SCORES = 25
RULES = 8


@pytest.fixture(scope="module", params=[0, 1, 2, 5])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A world, and another in which other columns are present."""
    world = World(seed=request.param, rows=ROWS)
    with world.fill(tmp_path_factory.mktemp("world") / "store") as database:
        yield database


def condition(chance: random.Random) -> str:
    """Over a column of one, two or four bytes, or a set."""
    low = chance.choice([0, 1, 3, 7, 8, 9, -30_000, -40_000, -1, 100, 500, -1_500_000_000])
    high = low + chance.choice([0, 1, 4, 300, 30_000, 70_000, 2_000_000_000])
    number = chance.choice(["level", "level", "constant", "points", "wide", "cost", "price"])
    city = ", ".join(f"'c{chance.randint(0, 25)}'" for _ in range(chance.randint(1, 6)))
    code = ", ".join(f"'k{chance.randint(0, 700)}'" for _ in range(chance.randint(1, 6)))
    return chance.choice(
        [
            f"{number} between {low} and {high}",
            f"{number} >= {low}",
            f"{number} < {high}",
            f"{number} != {low}",
            f"{number} not in ({low}, {high})",
            f"{chance.choice(['city', 'town'])} in ({city})",
            f"{chance.choice(['city', 'town'])} not in ({city})",
            f"code in ({code})",
            "tag = 'half'",
            "signed >= date '2026-01-01'",
        ]
    )


def masks(database: Database, binder: Binder, texts: list[str]) -> NDArray[np.bool_]:
    """Which rows each text holds for, text by text."""
    with database._store.snapshot() as snapshot:
        audience = Audience(snapshot, binder, as_of_us=NOW_US)
        for text in texts:
            audience.add(text)
        roots = [question.root for question in audience._questions]
        found, _ = blocks.many_masks(audience._program(roots), roots)
    return np.unpackbits(found.view(np.uint8), bitorder="little").reshape(len(texts), -1) > 0


@pytest.mark.parametrize("simd", kernels.tables())
def test_scores_are_the_sums_of_their_rules(
    database: Database, simd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATA_SIMD", simd)
    chance = random.Random(len(simd))
    assert database.model is not None
    for _ in range(SCORES):
        whens = [condition(chance) for _ in range(RULES)]
        whens = [f"not ({when})" if chance.random() < 0.25 else when for when in whens]
        points = [chance.choice([1, 2, 5, 10, 25, -5, -20]) for _ in whens]
        rules = tuple(
            {"when": when, "points": Decimal(one)} for when, one in zip(whens, points, strict=True)
        )
        scores = {"lead": {"rules": rules, "bands": {}, "hold": {}}}
        binder = Binder(replace(database.model, scores=scores))
        everybody, *holds = masks(database, binder, ["true", *whens])
        sums = sum(one * hold.astype(int) for one, hold in zip(points, holds, strict=True))
        thresholds = sorted(set(np.unique(sums[everybody]).tolist()))[:: max(1, RULES // 2)]
        found = masks(database, binder, [f"score('lead') >= {at}" for at in thresholds])
        for at, rows in zip(thresholds, found, strict=True):
            assert (rows == (everybody & (sums >= at))).all(), (whens, points, at)
