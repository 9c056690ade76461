"""Bands on real stores, in every place that takes them: expressions, stages over two bands, shares
of a score, groups and flows; as the reference evaluator finds them."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from engine.errors import InputInvalid
from engine.rules.parse import parse, parse_step, parse_value
from engine.rules.reference_scores import read_score
from engine.rules.reference_tiers import ReferenceTier
from tests.moving_worlds import DAY_US, START_US
from tests.tiered import Customers, TieredDatabase

ZONE = ZoneInfo("Europe/Berlin")
SCORES = """\
scores:
  lead:
    rules:
      - {each: order, points: 5, at_most: 20}
      - {when: "count(read) >= 1", points: 7.5}
      - {each: "read in last 9 days", points: 10, half_life: 5 days}
    bands: {cold: 0.001, warm: 10, hot: 20}
  loss:
    rules: [{when: "last(any) < now - 3 days", points: -10}, {each: order, points: 1.25}]
    bands: {away: -10, here: 0}
"""
TIERS = """\
tiers:
  grade:
    stages:
      - {name: A, when: "band('lead') = 'hot' and band('loss') = 'here'"}
      - {name: B, when: "band('lead') >= 'warm' or score('loss') > 1"}
    default: C
  first: {top: {by: "score('lead')", shares: {top: 10%, next: 30%}}}
"""
TEXTS = (
    "band('lead') = 'hot'", "band('lead') >= 'warm'", "band('lead') != 'cold'",
    "band('lead') between 'cold' and 'warm'", "band('loss') is missing", "band('lead') is present",
    "band('lead') not in ('hot')", "not band('loss') < 'here'", "tier('grade') in ('A', 'C')",
    "tier('first') = 'top'", "tier('first') = 'next'", "tier('first') is missing",
)  # fmt: skip


def test_bands_and_what_is_made_of_them(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    segments = {f"s{place}": text for place, text in enumerate(TEXTS)}
    live = TieredDatabase(tmp_path / "store", {}, now_us=START_US)
    live.apply(segments, rules=SCORES, tiers=TIERS)
    customers = Customers()
    try:
        for _ in range(3):
            live.send(*customers.updates(chance, live.now_us, 40))
            (told,) = live.database.tiers.refresh()
            assert live.database.model is not None
            scores = {
                name: read_score(score, parse, parse_step)
                for name, score in live.database.model.scores.items()
            }
            plain = customers.context(live.now_us, {}, ZONE, scores=scores)
            ranked = sorted(customers.values(parse_value("score('lead')"), plain), reverse=True)
            through = [-(-len(ranked) * share // 100) - 1 for share in (10, 40)]
            cuts = [Fraction(ranked[place]) for place in through]
            assert [cut.value for cut in told.cuts] == cuts
            stages = live.database.model.tiers["grade"]["stages"]
            tiers = {
                "grade": ReferenceTier(
                    stages=[(one["name"], parse(one["when"])) for one in stages], default="C"
                ),
                "first": ReferenceTier(
                    shares=("top", "next"), by=parse_value("score('lead')"), cuts=cuts
                ),
            }
            context = customers.context(live.now_us, tiers, ZONE, scores=scores)
            for text in TEXTS:
                expected = customers.holding(text, context)
                assert live.database.count(text, as_of_us=live.now_us).count == expected, text
            for by, names in (("band('lead')", ("cold", "warm", "hot")), ("tier('grade')", "ABC")):
                found = live.database.count("true", group_by=by, as_of_us=live.now_us).groups
                each = {name: customers.holding(f"{by} = '{name}'", context) for name in names}
                each |= {None: customers.holding(f"{by} is missing", context)}  # type: ignore[dict-item]
                assert found == {name: count for name, count in each.items() if count}
                spread = live.database.measures.distribution(by, as_of_us=live.now_us)
                assert {one.value: one.count for one in spread.values} == {
                    name: count for name, count in found.items() if name is not None
                }
                assert spread.answer.count - spread.present == found.get(None, 0)
            with pytest.raises(InputInvalid, match=r"take band\('lead'\), or ask"):
                live.database.count("true", group_by="score('lead')")
            flow = live.database.flows.flow("grade", live.now_us - 5 * DAY_US, live.now_us)
            assert sum(map(sum, flow.counts)) == len(customers.events)
            live.go(live.now_us + 2 * DAY_US)
    finally:
        live.close()
