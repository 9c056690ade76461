"""Conditions on bands, bound: a profile is in the highest band whose latch is on, a latch being a
comparison of the score, or a fact where the band has `hold`; worked out here band by band."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.hidden_events import ON, band_fact
from engine.rules.bind import Binder
from engine.rules.bound import BoundCompare, BoundOr, ScoreSource, Source
from engine.rules.bound_scores import BoundWhenRule
from engine.rules.parse import parse
from engine.rules.reference_events import ReferenceEvent
from tests.property.bound_evaluator import BoundEvaluation
from tests.unit.bind_model import model

NOW_US = 1_780_000_000_000_000
HOUR_US = 3_600_000_000
NAMES = ("cold", "warm", "hot", "mql")


@dataclass(frozen=True)
class WithScores(BoundEvaluation):
    """The evaluation of bound trees, with scores whose rules have `when` alone."""

    def source(self, source: Source) -> Any:
        if not isinstance(source, ScoreSource):
            return super().source(source)
        points = 0
        for rule in source.score.rules:
            assert isinstance(rule, BoundWhenRule)
            points += rule.points if self.holds(rule.condition) else 0
        return Fraction(points, 1000)


def bands(chance: random.Random) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Bounds of some bands in any order, and which of them are held."""
    names = chance.sample(NAMES, chance.randrange(1, 5))
    bounds = chance.sample(range(-2, 7), len(names))
    found = {name: Decimal(bound) / 2 for name, bound in zip(names, bounds, strict=True)}
    return found, {name: found[name] - 1 for name in names if chance.random() < 0.4}


def condition(chance: random.Random, names: list[str], others: list[str]) -> tuple[str, Any]:
    """A condition on a band, and what it asks of the band's name (None: missing), the rank of
    names, the city and the other score's band."""
    one, two = chance.choice(names), chance.choice(names)
    some = chance.sample(names, chance.randrange(1, len(names) + 1))
    listed = ", ".join(f"'{name}'" for name in some)
    both = set(names) & set(others)
    forms: list[tuple[str, Any]] = [
        (f"= '{one}'", lambda b, r, c, o: b == one),
        (f"!= '{one}'", lambda b, r, c, o: b is not None and b != one),
        (f"in ({listed})", lambda b, r, c, o: b in some),
        (f"not in ({listed})", lambda b, r, c, o: b is not None and b not in some),
        (f"< '{one}'", lambda b, r, c, o: b is not None and r[b] < r[one]),
        (f"<= '{one}'", lambda b, r, c, o: b is not None and r[b] <= r[one]),
        (f"> '{one}'", lambda b, r, c, o: b is not None and r[b] > r[one]),
        (f">= '{one}'", lambda b, r, c, o: b is not None and r[b] >= r[one]),
        (
            f"between '{one}' and '{two}'",
            lambda b, r, c, o: b is not None and r[one] <= r[b] <= r[two],
        ),
        (
            f"not between '{one}' and '{two}'",
            lambda b, r, c, o: b is not None and not r[one] <= r[b] <= r[two],
        ),
        ("is missing", lambda b, r, c, o: b is None),
        ("is present", lambda b, r, c, o: b is not None),
        ("contains 'o'", lambda b, r, c, o: b is not None and "o" in b),
        ("not ends with 't'", lambda b, r, c, o: b is not None and not b.endswith("t")),
        ("= city", lambda b, r, c, o: b is not None and b == c),
        ("!= city", lambda b, r, c, o: None not in (b, c) and b != c),
        ("= band('other')", lambda b, r, c, o: b is not None and b == o and b in both),
        ("!= band('other')", lambda b, r, c, o: None not in (b, o) and b != o),
    ]
    text, asked = chance.choice(forms)
    if text.startswith(("<", ">")) and chance.random() < 0.3:
        mirrored = {"<": ">", ">": "<"}[text[0]] + text[1:].split(" ")[0]
        return f"'{one}' {mirrored} band('lead')", asked
    return f"band('lead') {text}", asked


@settings(max_examples=settings.default.max_examples * 5)
@given(seed=st.integers(0, 2**32))
def test_bands_are_the_highest_latch(seed: int) -> None:
    chance = random.Random(seed)
    conditions = ("age > 1", "vip", "size > 0", "city is present")
    scores = {}
    for name in ("lead", "other"):
        bounds, hold = bands(chance)
        rules = [
            {"when": when, "points": Decimal(chance.randrange(-2, 4)) / 2} for when in conditions
        ]
        scores[name] = {"rules": tuple(rules), "bands": bounds, "hold": hold}
    made = replace(model(), scores=scores)
    binder = Binder(made)
    ranks = {name: rank for rank, name in enumerate(made.bands("lead"))}
    listed = [condition(chance, list(ranks), list(made.bands("other"))) for _ in range(6)]
    bound = [binder.bind(parse(text), text) for text, _ in listed]
    for _ in range(6):
        profile = {
            "age": chance.randrange(3), "vip": chance.random() < 0.5, "size": chance.randrange(2),
            "city": chance.choice((None, *NAMES)),
        }  # fmt: skip
        truths = [
            profile["age"] > 1,
            profile["vip"],
            profile["size"] > 0,
            profile["city"] is not None,
        ]
        events, found = [], {}
        for name, score in scores.items():
            points = sum(
                rule["points"] for rule, truth in zip(score["rules"], truths, strict=True) if truth
            )
            on = set()
            for band, bound_of in score["bands"].items():
                if band not in score["hold"]:
                    on |= {band} if points >= bound_of else set()
                elif chance.random() < 0.6:
                    held = chance.random() < 0.5
                    on |= {band} if held else set()
                    fact = f":fact:{band_fact(name, band)}"
                    events.append(ReferenceEvent(fact, NOW_US - HOUR_US, {ON.name: not held}))
                    events.append(ReferenceEvent(fact, NOW_US, {ON.name: held}))
                    events.append(ReferenceEvent(fact, NOW_US + 1, {ON.name: not held}))
            found[name] = max(on, key=lambda one: score["bands"][one], default=None)
        judge = WithScores(profile, made.time_zone, NOW_US, events=events)
        for (text, asked), expression in zip(listed, bound, strict=True):
            expected = asked(found["lead"], ranks, profile["city"], found["other"])
            assert judge.holds(expression) == expected, (text, scores, profile, events)


def test_neighbours_are_one_comparison() -> None:
    """However many bands lie above it."""
    (bound,) = [Binder(model()).bind(parse("band('lead') >= 'warm'"))]
    assert isinstance(bound, BoundOr)
    (compared,) = bound.items
    assert isinstance(compared, BoundCompare) and compared.form.constant == -40
