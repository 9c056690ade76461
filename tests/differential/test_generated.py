"""Random expressions: the members that the store finds are those that DuckDB finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pytest

from strata.client import Client
from tests.differential.in_rules import rule
from tests.differential.questions import All, Any, Not, Question, pre_order
from tests.differential.shop import AS_OF, AS_OF_US, Shop

COUNT = 600
AT_A_TIME = 100
LISTED = 60  # lists read through the server
GROUPED = ("country", "行业", "abroad", "returned")


@dataclass(frozen=True)
class Asked:
    """Question `number` as a rule, as SQL, and the customers that DuckDB finds."""

    number: int
    question: Question
    rule: str
    where: str
    members: list[str]

    def __str__(self) -> str:
        return f"question {self.number}\n  rule  {self.rule}\n  SQL   {self.where}"


@pytest.fixture(scope="module")
def asked(shop: Shop, seed: int) -> list[Asked]:
    """The questions of this run, answered by DuckDB."""
    generator = shop.generator(seed)
    assert generator.recipe_count * 2 <= COUNT
    found = []
    for number in range(COUNT):
        question = generator.question(number)
        where = shop.sql.where(question)
        found.append(Asked(number, question, rule(question), where, shop.oracle.members(where)))
    return found


def _told(seed: int, faults: Iterable[str]) -> str:
    """The shortest faults first, and how to get them again."""
    shown = sorted(faults, key=len)
    head = f"{len(shown)} of {COUNT} differ; again with STRATA_SEED={seed}"
    return "\n\n".join([head, *shown[:5]])


def _differing(one: Asked, found: Sequence[str]) -> str:
    more, less = sorted({*found} - {*one.members}), sorted({*one.members} - {*found})
    return (
        f"{one}\n  {len(found)} members, {len(one.members)} by DuckDB; "
        f"not there: {more[:3]}, left out: {less[:3]}"
    )


def test_embedded_members(shop: Shop, seed: int, asked: list[Asked]) -> None:
    faults = [
        _differing(one, found) for one in asked if (found := shop.members(one.rule)) != one.members
    ]
    assert not faults, _told(seed, faults)


def test_embedded_counts_in_one_pass(shop: Shop, seed: int, asked: list[Asked]) -> None:
    results = shop.database.count_many([one.rule for one in asked], as_of_us=AS_OF_US)
    faults = [
        f"{one}\n  {result.count}, {len(one.members)} by DuckDB"
        for one, result in zip(asked, results, strict=True)
        if result.count != len(one.members)
    ]
    assert not faults, _told(seed, faults)


def test_counts_through_the_server(client: Client, seed: int, asked: list[Asked]) -> None:
    faults = []
    for start in range(0, COUNT, AT_A_TIME):
        some = asked[start : start + AT_A_TIME]
        answers = client.count_many([one.rule for one in some], as_of=AS_OF)
        faults += [
            f"{one}\n  {answer.count}, {len(one.members)} by DuckDB"
            for one, answer in zip(some, answers, strict=True)
            if answer.count != len(one.members)
        ]
    assert not faults, _told(seed, faults)


def test_members_through_the_server(client: Client, seed: int, asked: list[Asked]) -> None:
    faults = []
    for one in asked[:: COUNT // LISTED]:
        listed = client.members(one.rule, identifier_kind="customer", as_of=AS_OF)
        found = sorted(listed.entries())
        if found != one.members or listed.header.matched != len(found):
            faults.append(_differing(one, found))
    assert not faults, _told(seed, faults)


def _label(question: Question) -> str:
    match question:
        case Not():
            return "not"
        case All():
            return "and"
        case Any():
            return "or"
    return ""


def test_counts_at_every_node(shop: Shop, client: Client, seed: int, asked: list[Asked]) -> None:
    faults = []
    for start in range(0, COUNT, AT_A_TIME):
        some = asked[start : start + AT_A_TIME]
        rules = [one.rule for one in some]
        here = shop.database.count_many(rules, as_of_us=AS_OF_US, nodes=True)
        there = client.count_many(rules, as_of=AS_OF, nodes=True)
        for one, embedded, served in zip(some, here, there, strict=True):
            inside = list(pre_order(one.question))
            sizes = shop.oracle.counts([shop.sql.where(part) for part, _ in inside])
            wanted = [
                (_label(part), depth, size)
                for (part, depth), size in zip(inside, sizes, strict=True)
            ]
            for way, nodes in (("embedded", embedded.nodes), ("served", served.nodes)):
                found = [
                    (node.text if node.text in ("and", "or", "not") else "", node.depth, node.count)
                    for node in nodes or ()
                ]
                if found != wanted:
                    faults.append(f"{one}\n  {way} {found}\n  DuckDB {wanted}")
    assert not faults, _told(seed, faults)


@pytest.mark.parametrize("column", GROUPED)
def test_groups(column: str, shop: Shop, client: Client, seed: int, asked: list[Asked]) -> None:
    faults = []
    for one in asked[GROUPED.index(column) :: COUNT // 25]:
        wanted = shop.oracle.groups(one.where, f'"{column}"')
        here = shop.database.count(one.rule, as_of_us=AS_OF_US, group_by=column).groups
        served = client.count(one.rule, as_of=AS_OF, group_by=column)
        there = {group.value: group.count for group in served.groups}
        if here != wanted or there != wanted:
            faults.append(f"{one}\n  {here}\n  served {there}\n  DuckDB {wanted}")
    assert not faults, _told(seed, faults)


def test_the_questions_tell_customers_apart(shop: Shop, asked: list[Asked]) -> None:
    """Most answers are neither nobody nor everybody, and few are the same."""
    telling = [one for one in asked if 0 < len(one.members) < shop.customer_count]
    assert len(telling) > COUNT * 0.6
    assert len({tuple(one.members) for one in asked}) > COUNT * 0.5
    assert len({one.rule for one in asked}) > COUNT * 0.9
