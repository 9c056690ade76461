"""What one profile's reading makes of doubles."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from engine.explaining.reading import Reading
from engine.rules.bind import Binder
from engine.rules.parse import parse
from tests.explained import as_one_profile
from tests.unit.bind_model import model

NOW_US = 1_795_320_000_000_000
MODEL = replace(
    model(),
    scores={
        "lead": {
            "rules": ({"when": "city = 'x'", "points": Decimal("20.5")},),
            "floor": None,
            "ceiling": None,
            "bands": {},
            "hold": {},
        }
    },
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("score('lead') + weight >= 20.75", True),
        ("score('lead') + weight > 20.75", False),
        ("weight < score('lead')", True),
        ("score('lead') - weight = 20.25", True),
        ("score('lead') - weight = 20", False),
        ("2 * score('lead') - weight in (40.75, 1)", True),
    ],
)
def test_a_score_among_doubles_is_in_points(text: str, holds: bool) -> None:
    profile = as_one_profile({"city": "x", "weight": 0.25}, str(MODEL.time_zone))
    bound = Binder(MODEL).bind(parse(text))
    assert Reading(profile, NOW_US).holds(bound) is holds
