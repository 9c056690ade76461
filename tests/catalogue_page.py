"""`python -m tests.catalogue_page` writes docs/catalogue.md: every rule and its text.

Rules are read from the example models and from the rows that the tests hold, so that the page
cannot say what is not there; reports and what waits are written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.model.load import load_model
from engine.model.plain import ScoreRule, Tier
from tests import catalogue_b2b, catalogue_retail
from tests.catalogue_reports import REPORTS

__all__ = ["PAGE", "page"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "catalogue.md"
_DAY_US = 86_400_000_000
_ROWS = {"b2b_wechat": catalogue_b2b.ROWS, "retail": catalogue_retail.ROWS}

_HEAD = """\
# Rules that users bring

What companies write down about their customers today, and how it is said here. Each rule is in one
of two example models, [b2b_wechat](../examples/b2b_wechat/model.yaml) and
[retail](../examples/retail/model.yaml), and is tested with profiles just inside and just outside
of it (`tests/unit/test_catalogue.py`). Chinese「以上」is read as `>=` and「超过」as `>`.

`python -m examples.years MODEL DIR` writes a believable year of customers for either model, to try
all of it on.

| row | says | where | rule |
| --- | --- | --- | --- |
"""

_REPORTS = """
## Reports

Asked of a store that has the model in force. Each command is tried on a generated year of 2,000
people, and its figures are held against SQL over the files
(`tests/unit/test_catalogue_reports.py`). Row 50, a message that the platform sends again, counts
once by the `id` of the source `messages`.

| row | what | model | how |
| --- | --- | --- | --- |
"""
_WAITING = {
    5: "attributes that need consent",
    49: "one profile by several identifiers, joined when they meet",
    51: "tags of two employees, and what becomes of them when one leaves",
    59: "consent by purpose and channel",
    60: "opting out of profiling",
    61: "erasure and export",
    62: "unsubscribing as erasure",
}


def page() -> str:
    """The text of docs/catalogue.md."""
    rows = sorted(
        (row.number, model, row.says, row.key) for model, found in _ROWS.items() for row in found
    )
    texts = {model: dict(_texts(model)) for model in _ROWS}
    lines = [_HEAD]
    told = set()
    for number, model, says, key in rows:
        shown = "as above" if (model, key) in told else _cell(texts[model][key])
        told.add((model, key))
        lines.append(f"| {number} | {says} | {model}: `{key}` | {shown} |\n")
    lines.append(_REPORTS)
    for report in REPORTS:
        how = "<br>".join(f"`{_escaped(command)}`" for command in report.commands)
        lines.append(f"| {report.number} | {report.says} | {report.model} | {how} |\n")
    lines.append("\n## What waits\n\nProfiles are not merged and consent is not kept so far.\n\n")
    lines.append("| row | what |\n| --- | --- |\n")
    lines += [f"| {number} | {what} |\n" for number, what in _WAITING.items()]
    return "".join(lines)


def _texts(model: str) -> Iterator[tuple[str, str]]:
    """Key path -> rule, as the model says it."""
    text = (ROOT / "examples" / model / "model.yaml").read_text()
    found, _ = load_model({"model.yaml": text})
    for name, segment in found.segments.items():
        yield f"segments.{name}", segment.rule
    for at, rule in enumerate(found.tag_rules):
        yield f"tag_rules[{at}]", f"{rule['tag']}: {rule.get('when') or rule.get('each')}"
    for name, score in found.scores.items():
        yield f"scores.{name}", "; ".join(_points(rule) for rule in score["rules"])
    for name, tier in found.tiers.items():
        yield f"tiers.{name}", _stages(tier)
    for name, action in found.actions.items():
        yield f"actions.{name}", f"{action['do']}: {action.get('on') or action.get('each')}"


def _points(rule: ScoreRule) -> str:
    told = f"{_signed(rule['points'])} {rule.get('when') or rule.get('each')}"
    if "at_most" in rule:
        told += f", at most {rule['at_most']}"
    if "half_life_us" in rule:
        told += f", half life {rule['half_life_us'] // _DAY_US} days"
    return told


def _signed(points: Decimal) -> str:
    return f"+{points}" if points > 0 else str(points)


def _stages(tier: Tier) -> str:
    if "stages" in tier:
        return "; ".join(f"{stage['name']}: {stage['when']}" for stage in tier["stages"])
    kind: Mapping[str, Any] = tier.get("rfm") or tier.get("rfe") or tier["top"]
    return ", ".join(f"{key}: {_plain(value)}" for key, value in kind.items() if key != "cells")


def _plain(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    days = {name: f"{of // _DAY_US} days" for name, of in value.items() if name[-3:] == "_us"}
    return ", ".join(
        f"{name.removesuffix('_us')} {days.get(name, of)}" for name, of in value.items()
    )


def _cell(text: str) -> str:
    return f"`{_escaped(' '.join(text.split()))}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
