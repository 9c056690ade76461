"""The model of the people, with what they did where that is wanted."""

from __future__ import annotations

from bench.data.conditions import row_text
from bench.data.events import PROPERTIES
from bench.data.scoring import RULES, SCORE

__all__ = ["HEAD", "SOURCE", "model_text"]

SOURCE = "people"

HEAD = """\
time_zone: UTC
identifiers:
  person: {per_profile: 1}
attributes:
  industry: {type: category}
  region: {type: category}
  title: {type: category}
  stage: {type: category}
  age: {type: int}
  company_size: {type: int}
  revenue: {type: decimal, scale: 2}
  joined: {type: time}
  last_seen: {type: time}
sources:
  people:
    identify: {person: id}
    attributes: {industry: industry, region: region, title: title, stage: stage, age: age,
                 company_size: company_size, revenue: revenue, joined: joined, last_seen: last_seen}
    tags: tags
"""


def model_text(*, events: bool) -> str:
    """The people, and with `events` a type and a source of the same name for each type of what
    they did."""
    if not events:
        return "\n".join([HEAD.rstrip(), *_score()])
    types, sources = ["events:"], []
    for kind, names in PROPERTIES.items():
        declared = ", ".join(
            f"{name}: {{type: decimal, scale: 2}}" if name == "amount" else f"{name}: category"
            for name in names
        )
        types.append(f"  {kind}: {{properties: {{{declared}}}}}")
        brought = ", ".join(f"{name}: {name}" for name in names)
        sources.append(
            f"  {kind}: {{event: {kind}, identify: {{person: id}}, time: time,"
            f" properties: {{{brought}}}}}"
        )
    # Sources stand last in the text of the people.
    return "\n".join([HEAD.rstrip(), *sources, *types, *_score()])


def _score() -> list[str]:
    """Lines of the score that all are asked by."""
    rules = [
        f'      - {{when: "{row_text(condition)}", points: {points}}}'
        for condition, points in RULES
    ]
    return ["scores:", f"  {SCORE}:", "    rules:", *rules, ""]
