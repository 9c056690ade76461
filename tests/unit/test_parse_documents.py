"""The expressions of the documents, and those of the language's contract, are what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.errors import ExpressionInvalid
from engine.rules.canonical import format_expression
from engine.rules.literals import RESERVED
from engine.rules.parse import parse, parse_step, parse_value
from engine.rules.structured import from_structured, to_structured

LANGUAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """The fenced blocks of a kind: `rules` are read, `refused` are not, line by line."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", LANGUAGE, flags=re.M | re.S)


EXAMPLES = [text.strip() for block in blocks("rules") for text in block.split("\n\n")]
REFUSED = [line for block in blocks("refused") for line in block.splitlines()]

# The examples of the contract, and every rule of its model file.
CONTRACT = [
    "industry in ('制造业','高科技') and title in ('CIO','技术总监') "
    "and count(visit where page = 'PaaS平台') >= 1",
    "count(order in last 90 days) >= 3 and sum(order.amount in last 90 days) > 5000",
    "tag = '制造业' and not segment('churn_risk') and bucket('exp-42') < 1000",
    "last(add_wecom) < now - 7 days and count(chat) = 0",
    "sequence(download where asset = '白皮书' then no register within 3 days) "
    "and count(register) = 0",
    "days(any in last 7 calendar days) >= 4 or last_value(order.channel) = '抖音'",
    "sum(line.amount) >= 200 * distinct(line.invoice) and first(deal) - first(lead) > 30 days",
    "count(a in last 30 days) < 0.5 * count(a between 60 days and 30 days ago)",
    "count(register) = 0",
    "not city = 'A'",
    "city != 'A'",
    "tag has all ('x', 'y')",
    "count(download where asset = 'A产品白皮书') >= 1",
    "industry in ('制造业')",
    "count(any in last 30 days) = 0",
    "band('lead') = 'mql'",
]
CONTRACT_VALUES = [
    "first_value(entry.code)",
    "last(order)",
    "count(order in last 365 days)",
    "sum(order.amount in last 365 days)",
    "last(content)",
    "count(content in last 90 days)",
    "count(order)",
]
CONTRACT_STEPS = ["finish_live", "visit where page = '官网'", "download where asset = '白皮书'"]


def test_the_document_has_its_examples() -> None:
    assert len(EXAMPLES) >= 30
    assert len(REFUSED) >= 12


@pytest.mark.parametrize("text", [*EXAMPLES, *CONTRACT])
def test_examples_are_read(text: str) -> None:
    expr = parse(text)
    canonical = format_expression(expr)
    assert parse(canonical) == expr
    assert format_expression(parse(canonical)) == canonical
    assert from_structured(to_structured(expr)) == expr


@pytest.mark.parametrize("text", CONTRACT_VALUES)
def test_values_of_the_contract_are_read(text: str) -> None:
    parse_value(text)


@pytest.mark.parametrize("text", CONTRACT_STEPS)
def test_steps_of_the_contract_are_read(text: str) -> None:
    parse_step(text)


@pytest.mark.parametrize("text", REFUSED)
def test_refused_examples_are_refused(text: str) -> None:
    with pytest.raises(ExpressionInvalid):
        parse(text)


def test_the_error_shown_is_the_error_given() -> None:
    with pytest.raises(ExpressionInvalid) as raised:
        parse(REFUSED[0])
    assert str(raised.value) in " ".join(LANGUAGE.split())


def test_the_structured_example_is_what_is_sent() -> None:
    (form,) = blocks("json")
    assert json.loads(form) == to_structured(parse("city = 'A' and not vip"))


def test_the_reserved_words_are_listed() -> None:
    match = re.search(r"These eighteen are reserved.*?`([a-z\s]+)`", LANGUAGE, re.S)
    assert match is not None
    assert sorted(match[1].split()) == sorted(RESERVED)
    assert len(RESERVED) == 18
