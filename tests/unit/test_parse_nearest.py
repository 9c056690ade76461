"""The nearest known name."""

from __future__ import annotations

import pytest

from engine.nearest import nearest

KNOWN = ["industry", "company_size", "title", "city", "行业类别", "Region"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("indutry", "industry"),
        ("Industry", "industry"),
        ("company_sise", "company_size"),
        ("titel", "title"),
        ("行业", "行业类别"),
        ("region", "Region"),
        ("xyz", None),
        ("", None),
        ("i" * 200, None),
        ("industry" + "y" * 100, None),
    ],
)
def test_nearest(name: str, found: str | None) -> None:
    assert nearest(name, KNOWN) == found


def test_a_name_is_not_its_own_nearest() -> None:
    assert nearest("city", ["city"]) is None
    assert nearest("city", ["city", "citys"]) == "citys"


def test_of_equally_near_names_the_first_wins() -> None:
    assert nearest("abx", ["aby", "abz"]) == "aby"
    assert nearest("abx", ["abz", "aby"]) == "abz"


def test_nothing_known_is_nothing_near() -> None:
    assert nearest("a", []) is None


def test_long_known_names_are_passed_over() -> None:
    assert nearest("a" * 99, ["a" * 101, "a" * 98]) == "a" * 98
