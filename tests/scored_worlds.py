"""Scores of every kind for the databases whose clock is set by hand, and what reads them."""

from __future__ import annotations

__all__ = ["SCORE_RULES", "SCORE_SEGMENTS"]

# Scores of scores, of points that come, go and fade; bands with and without `hold`, and a tier, a
# live tag and a sticky one over them.
SCORE_RULES = """\
scores:
  lead:
    rules:
    - {when: "stage = 'x'", points: 20}
    - {when: "size >= 5 and not stage = 'y'", points: 4.5}
    - {when: "count(order in last 2 days) >= 2", points: 30.5}
    - {each: "read where page = 'p'", points: 5, at_most: 12}
    - {each: "order in last 3 days", points: 7.25}
    - {each: "read", points: 30, at_most: 70, half_life: 1 day}
    - {when: "last(order) < now - 36 hours", points: -15}
    floor: 0
    ceiling: 100
    bands: {cold: 0, warm: 30, hot: 60, top: 90}
    hold: {warm: 20.5, top: 62}
    feed: changes
  deep:
    rules:
    - {when: "score('lead') >= 40", points: 1}
    - {when: "segment('warm') or seen > now - 1 day", points: 0.75}
    - {each: "order where pieces > 1", points: -2.5, half_life: 90 minutes}
    - {each: "order where due < now in last 9 days", points: 0.001}
    bands: {low: -100, high: 0.5}
  quick:
    rules:
    - {each: "any in last 5 hours", points: 0.003, half_life: 100 seconds}
    - {each: "read in last 30 hours", points: 0.004, at_most: 0.006, half_life: 2 hours}
    - {each: "order between 2 days and 6 hours ago", points: -3, half_life: 7 hours, at_most: 4}
    feed: changes
  still:
    rules: [{when: "size >= 5", points: 2}, {when: "stage = 'x'", points: -1.5}]
tiers:
  grade:
    stages:
    - {name: A, when: "band('lead') = 'hot' and band('deep') = 'high'"}
    - {name: B, when: "band('lead') >= 'warm' or score('deep') < -1"}
    default: C
tag_rules:
- {tag: WARM, when: "score('lead') >= 30", keep: live}
- {tag: DEEP, when: "score('deep') > 0 and band('lead') >= 'warm'", keep: sticky}
"""

SCORE_SEGMENTS = {
    "warm": "score('lead') >= 30",
    "bottom": "score('lead') = 0",
    "full": "score('lead') = 100",
    "bands": "band('deep') = 'high' and size < 7",
    "deep": "score('deep') < 0",
    "among": "score('deep') in (0.75, 1, 1.75)",
    "mixed": "score('lead') - 3 * score('deep') > count(read in last 2 days) + size",
    "doubles": "score('quick') >= weight or weight + score('lead') > 50.2",
    "some_double": "weight + score('still') in (2.1, 1.5, 0.6)",
    "quick": "score('quick') between 0.002 and 0.006",
    "apart": "score('quick') != 0",
    "beside": "count(read in last 1 day) > score('still')",
    "graded": "tier('grade') = 'A' or tag = 'WARM' and not segment('deep')",
    "held": "band('lead') in ('warm', 'top')",
    "not_held": "not band('lead') >= 'hot' and tag = 'DEEP'",
}
