"""Random expressions over events, mixed with attributes: what the store finds is what DuckDB
finds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from strata.client import Client
from tests.differential.conftest import served
from tests.differential.event_facts import FORMS, FUNCTIONS
from tests.differential.event_shop import EventShop, add_events
from tests.differential.in_rules import rule
from tests.differential.invoice_lines import invoice_lines
from tests.differential.shop import open_shop
from tests.skips import soaking

COUNT = 10_000 if soaking() else 1_000
AT_A_TIME = 100
# The made lines are asked about in the middle of a day without a midnight, so that a part of them
# has not happened yet; the real ones at their end.
AS_OF = {
    "made": datetime(2011, 10, 16, 15, tzinfo=UTC),
    "online-retail": datetime(2011, 12, 9, 12, 50, tzinfo=UTC),
}


@dataclass(frozen=True)
class Asked:
    """Question `number` as a rule, as SQL, and the customers that DuckDB finds."""

    number: int
    rule: str
    where: str
    members: list[str]


@pytest.fixture(scope="module", params=list(AS_OF))
def events(
    request: pytest.FixtureRequest, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EventShop]:
    """A shop with its lines as events; the real one where there is real data."""
    folder = tmp_path_factory.mktemp(request.param)
    lines, zone = invoice_lines(request, seed, folder)
    as_of = AS_OF[request.param]
    with open_shop(request.param, lines, zone, folder) as shop:
        add_events(shop, lines, folder, as_of=f"{as_of:%Y-%m-%d %H:%M:%S}")
        yield EventShop(shop, int(as_of.timestamp()) * 1_000_000, seed)


@pytest.fixture(scope="module")
def asked(events: EventShop) -> list[Asked]:
    """The questions of this run, answered by DuckDB."""
    generator, sql, oracle = events.generator, events.sql, events.shop.oracle
    assert generator.recipe_count * 2 <= COUNT
    found = []
    for number in range(COUNT):
        question = generator.question(number)
        where = sql.where(question)
        found.append(Asked(number, rule(question), where, oracle.members(where)))
    return found


@pytest.fixture(scope="module")
def client(events: EventShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server over the same customers."""
    with served(events.shop.store, tmp_path_factory.mktemp("served")) as connected:
        yield connected


def _told(events: EventShop, faults: list[str]) -> str:
    """The shortest faults first, and how to get them again."""
    head = f"{len(faults)} of {COUNT} differ; again with STRATA_SEED={events.seed}"
    return "\n\n".join([head, *sorted(faults, key=len)[:5]])


def _differing(events: EventShop, one: Asked, found: list[str]) -> str:
    more, less = sorted({*found} - {*one.members}), sorted({*one.members} - {*found})
    facts = {name: events.facts[name].sql for name in re.findall(r'"(fact \d+)"', one.where)}
    return (
        f"question {one.number}\n  rule  {one.rule}\n  SQL   {one.where}\n  of {facts}\n"
        f"  {len(found)} members, {len(one.members)} by DuckDB; not there: {more[:3]}, "
        f"left out: {less[:3]}"
    )


def test_embedded_members(events: EventShop, asked: list[Asked]) -> None:
    faults = [
        _differing(events, one, found)
        for one in asked
        if (found := events.members(one.rule)) != one.members
    ]
    assert not faults, _told(events, faults)


def test_counts_through_the_server(events: EventShop, client: Client, asked: list[Asked]) -> None:
    as_of = datetime.fromtimestamp(events.as_of_us / 1_000_000, UTC)
    faults = []
    for start in range(0, COUNT, AT_A_TIME):
        some = asked[start : start + AT_A_TIME]
        answers = client.count_many([one.rule for one in some], as_of=as_of)
        faults += [
            f"question {one.number}\n  {one.rule}\n  {answer.count}, {len(one.members)} by DuckDB"
            for one, answer in zip(some, answers, strict=True)
            if answer.count != len(one.members)
        ]
    assert not faults, _told(events, faults)


def test_the_questions_are_of_every_kind(events: EventShop, asked: list[Asked]) -> None:
    """Every function, every form of window, both kinds of links; and answers that say something."""
    met: Counter[str] = Counter()
    for one in asked:
        for name in set(re.findall(r'"(fact \d+)"', one.where)):
            fact = events.facts[name]
            met.update({fact.function, f"{fact.function} {fact.form}", fact.form})
    assert not [kind for kind in (*FUNCTIONS, "avg", "sequence", *FORMS) if met[kind] < 5], met
    pairs = [f"{function} {form}" for function in FUNCTIONS for form in FORMS]
    assert sum(met[pair] > 0 for pair in pairs) > 0.8 * len(pairs)
    texts = [one.rule for one in asked]
    for word in (" where ", " then no ", " within ", " and ", " or ", "not "):
        assert sum(word in text for text in texts) >= 20, word
    everybody = events.shop.customer_count
    assert sum(0 < len(one.members) < everybody for one in asked) > COUNT * 0.5
    assert len({tuple(one.members) for one in asked}) > COUNT * 0.4
