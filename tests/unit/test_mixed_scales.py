"""Aggregates over a decimal that types of events declare with different numbers of digits."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from tests.moving_events import EventDatabase
from tests.moving_worlds import START_US

MODEL = """\
time_zone: UTC
identifiers:
  member: {per_profile: 1}
attributes:
  weight: {type: float}
  size: {type: int}
events:
  fine: {properties: {amount: {type: decimal, scale: 3}}}
  coarse: {properties: {amount: {type: decimal, scale: 1}}}
  whole: {properties: {amount: {type: decimal, scale: 0}}}
  other: {properties: {page: category}}
event_groups: {money: [fine, coarse]}
"""
LARGE = 10**18 - 1


class _Mixed(EventDatabase):
    def apply(self, segments: dict[str, str], *, zone: str = "", rules: str = "") -> None:
        lines = "".join(f'  {name}: "{text}"\n' for name, text in segments.items())
        self.database.apply_model({"model.yaml": MODEL + "segments:\n" + (lines or "  {}\n")})

    def names(self, text: str) -> str:
        """Who an expression holds for, in the order of rows."""
        with self.database.members(text, as_of_us=START_US) as members:
            return "".join("abcdef"[row] for row in members.rows.tolist())


@pytest.fixture
def live(tmp_path: Path) -> Iterator[_Mixed]:
    """a: 1.250 and 1.2 and -1.3; b: the largest whole number, and 0.001; c: 1 three times, written
    in three ways; d: nothing; e: two values at one instant."""
    made = _Mixed(tmp_path / "store", {})

    def sent(who: str, what: str, amount: int, before_us: int = 0) -> None:
        made.send({"member": who, what: {"time": START_US - before_us, "amount": amount}})

    sent("a", "fine", 1250, 2)
    sent("a", "coarse", 12, 1)
    sent("a", "coarse", -13, 3)
    sent("b", "whole", LARGE, 5)
    sent("b", "fine", 1)
    for what, amount in (("fine", 1000), ("coarse", 10), ("whole", 1)):
        sent("c", what, amount)
    made.send({"member": "d", "other": {"time": START_US, "page": "p"}})
    sent("e", "fine", 2500)
    sent("e", "whole", 3)
    sent("e", "coarse", 26)
    made.send({"member": "a", "weight": 0.5, "size": 1})
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sum(any.amount) = 1.15", "a"),
        (f"sum(any.amount) = {LARGE}.001", "b"),
        (f"sum(any.amount) > {LARGE}", "b"),
        ("sum(any.amount) = 0", "d"),
        ("sum(any.amount) in (3, 1.15)", "ac"),
        ("sum(any.amount) != 3", "abde"),
        ("avg(any.amount) = 1", "c"),
        ("avg(any.amount) < 1", "a"),
        ("3 * avg(any.amount) - 1.15 = 0", "a"),
        (f"avg(any.amount) = 0.5 * {LARGE} + 0.0005", "b"),
        ("avg(any.amount) is missing", "d"),
        ("min(any.amount) = -1.3", "a"),
        ("min(any.amount) = 0.001", "b"),
        ("min(any.amount) >= 1", "ce"),
        (f"max(any.amount) = {LARGE}", "b"),
        ("max(any.amount) in (1, 1.25)", "ac"),
        ("max(any.amount) not in (1, 1.25)", "be"),
        ("max(any.amount) between 1.25 and 3", "ae"),
        ("max(any.amount) is present", "abce"),
        ("not max(any.amount) > 2", "acd"),
        ("distinct(any.amount) = 1", "c"),
        ("distinct(any.amount) = 3", "ae"),
        ("distinct(any.amount) = 2", "b"),
        ("first_value(any.amount) = -1.3", "a"),
        (f"first_value(any.amount) = {LARGE}", "b"),
        ("first_value(any.amount) = 2.5", "e"),
        ("last_value(any.amount) = 1.2", "a"),
        ("last_value(any.amount) = 3", "e"),
        ("last_value(any.amount) = last_value(whole.amount)", "ce"),
        ("last_value(any.amount) - 2 * first_value(any.amount) = -2", "e"),
        ("sum(any.amount) + weight = 1.65", "a"),
        ("max(any.amount) + weight = 1.75", "a"),
        ("sum(any.amount) > 1.1 * size", "a"),
        ("sum(any.amount where amount > 1.2) > 2", "be"),
        ("sum(money.amount) = 1.15", "a"),
        ("sum(coarse.amount) = sum(any.amount)", "d"),
    ],
)
def test_conditions(live: _Mixed, text: str, names: str) -> None:
    """As they are worked out by hand, for all at once and explained one by one."""
    assert live.names(text) == names
    for name in "abcde":
        found = live.database.explanations.explain(("member", name), text, as_of_us=START_US)
        assert found is not None and found.nodes[0].truth == (name in names), name


@pytest.mark.parametrize(
    ("value", "total", "least", "greatest"),
    [
        ("sum(any.amount)", f"{LARGE + 12}.251", "0", f"{LARGE}.001"),
        ("max(any.amount)", f"{LARGE + 5}.25", "1", f"{LARGE}"),
        ("min(any.amount)", "2.201", "-1.3", "2.5"),
        ("last_value(any.amount)", "5.201", "0.001", "3"),
    ],
)
def test_values(live: _Mixed, value: str, total: str, least: str, greatest: str) -> None:
    found = live.database.measures.summarize(value, as_of_us=START_US).total
    expected = [Fraction(Decimal(one)) for one in (total, least, greatest)]
    assert [found.sum, found.least, found.greatest] == expected
