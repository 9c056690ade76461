"""Expressions against SQL written by hand: the same members, embedded and through gRPC."""

from __future__ import annotations

import pytest

from strata.client import Client
from tests.differential.pairs import PAIRS
from tests.differential.shop import AS_OF, AS_OF_US, Shop

each_pair = pytest.mark.parametrize(("rule", "where"), PAIRS, ids=[rule for rule, _ in PAIRS])


@each_pair
def test_embedded(shop: Shop, rule: str, where: str) -> None:
    wanted = shop.oracle.members(where)
    assert shop.members(rule) == wanted
    assert shop.database.count(rule, as_of_us=AS_OF_US).count == len(wanted)


@each_pair
def test_through_the_server(shop: Shop, client: Client, rule: str, where: str) -> None:
    wanted = shop.oracle.members(where)
    members = client.members(rule, identifier_kind="customer", as_of=AS_OF)
    assert members.header.matched == len(wanted)
    assert sorted(members.entries()) == wanted


def test_counts_of_all_in_one_call(shop: Shop, client: Client) -> None:
    wanted = shop.oracle.counts([where for _, where in PAIRS])
    answers = client.count_many([rule for rule, _ in PAIRS], as_of=AS_OF)
    assert [answer.count for answer in answers] == wanted
    assert {answer.as_of for answer in answers} == {AS_OF}


def test_the_pairs_tell_customers_apart(shop: Shop) -> None:
    """A pair that nobody or everybody satisfies shows little."""
    counts = shop.oracle.counts([where for _, where in PAIRS])
    telling = [count for count in counts if 0 < count < shop.customer_count]
    assert len(PAIRS) >= 60
    assert len(telling) >= len(PAIRS) - 8
