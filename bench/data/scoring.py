"""The score that people are asked by: ten rules as a company would write them.

The rules stand in the model of the store; of a question, only the threshold is drawn.
"""

from __future__ import annotations

from bench.data.conditions import AnyOf, Between, Has
from bench.data.people import TAGS, VALUES

__all__ = ["HIGHEST", "RULES", "SCORE"]

SCORE = "lead"
# Conditions, and the points that they give.
RULES: tuple[tuple[Has | AnyOf | Between, int], ...] = (
    (AnyOf("industry", VALUES["industry"][1:3]), 20),
    (AnyOf("title", VALUES["title"][2:4]), 15),
    (AnyOf("stage", VALUES["stage"][1:2]), 10),
    (AnyOf("region", VALUES["region"][:5]), 5),
    (Between("company_size", 50, 5_000), 15),
    (Between("revenue", 50_000, 5_000_000), 20),
    (Between("age", 30, 50), 5),
    (Has(TAGS[1]), 10),
    (Has(TAGS[4]), 15),
    (Has(TAGS[0], wanted=False), -10),
)
HIGHEST = sum(points for _, points in RULES if points > 0)
