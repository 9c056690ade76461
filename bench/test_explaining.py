"""One profile with all that a model says of it, and why: in process, on a small store.

Measured: `Database.cards` of one profile with 20 segments, 3 scores, 3 tiers and 3 tags by rule,
and `Explanations.explain` of a condition with its reasons, with and without what would help.
Data: 2,000 people with 3 events each, held in memory by the system.
Not shown: cold pages, the wire, and how it grows with the events of one profile.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from engine.database import Database
from engine.explaining.subjects import Subject
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.updates import Event, Update

PEOPLE = 2_000
NOW = datetime.datetime(2026, 11, 22, 4, tzinfo=datetime.UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
_SEGMENTS = "".join(f'  s{n}: "size > {n} and count(order) >= {n % 3}"\n' for n in range(20))
_SCORES = "".join(
    f"""\
  score{n}:
    rules:
    - {{when: "size > {n}", points: 20}}
    - {{each: order, points: 5, at_most: 12}}
    - {{each: read, points: 30, half_life: 24 hours}}
    - {{when: "count(order) = 0", points: -15}}
    bands: {{cold: 0, warm: 20, hot: 60}}
"""
    for n in range(3)
)
MODEL = f"""\
time_zone: Asia/Shanghai
identifiers: {{member: {{}}}}
attributes: {{size: {{type: int}}, stage: {{type: category}}}}
events:
  order: {{properties: {{amount: {{type: decimal, scale: 2}}}}}}
  read: {{properties: {{page: category}}}}
segments:
{_SEGMENTS}scores:
{_SCORES}tiers:
  life:
    stages:
    - {{name: new, when: "count(order) = 0"}}
    - {{name: big, when: "sum(order.amount) >= 5000"}}
    default: rest
  rfm:
    rfm:
      recency: last(order)
      frequency: count(order)
      monetary: sum(order.amount)
      cut: mean
  core: {{top: {{by: count(order), shares: {{core: 20%}}}}, default: rest}}
tag_rules:
- {{tag: buyer, when: "count(order) >= 1", keep: live}}
- {{tag: reader, when: "count(read) >= 1", keep: sticky}}
- {{tag: 'read {{page}}', each: read, keep: live}}
"""
ASKED = "segment('s1') and score('score1') > 90 and (stage = 'x' or sum(order.amount) > 1000)"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store whose clock stands still."""
    path = tmp_path_factory.mktemp("explaining") / "store"
    hour = datetime.timedelta(hours=1)
    with Database.create(path, now=lambda: NOW_US) as made:
        made.apply_model({"model.yaml": MODEL})
        with Client(transport=EmbeddedTransport(made)) as client:
            for kind in range(3):
                updates = []
                for n in range(PEOPLE):
                    at = NOW - (n % 90 + kind) * hour
                    order = Event("order", {"amount": Decimal(n % 300)}, at, f"o{n} {kind}")
                    event = order if kind else Event("read", {"page": f"p{n % 9}"}, at, f"r{n}")
                    updates.append(Update({"member": f"m{n}"}, {"size": n % 30}, events=[event]))
                ack = client.ingest_batch(updates, source="shop")
            client.profile("member", "m1", min_offset=ack.offset)
        made.tiers.refresh()
        yield made


def test_card(benchmark: BenchmarkFixture, database: Database) -> None:
    """One profile with its segments, scores, tiers and tags."""
    (found,) = benchmark(database.cards, [("member", "m77")])
    assert found is not None and len(found.card.scores) == 3 and len(found.card.tiers) == 3


@pytest.mark.parametrize("with_ways", [True, False], ids=["ways", "reasons"])
def test_explain(benchmark: BenchmarkFixture, database: Database, with_ways: bool) -> None:
    """Why a condition with a segment, a score and a sum does not hold."""
    explain = database.explanations.explain
    found = benchmark(explain, ("member", "m77"), ASKED, with_ways=with_ways)
    assert found is not None and not found.truth


@pytest.mark.parametrize("with_ways", [True, False], ids=["ways", "reasons"])
def test_score(benchmark: BenchmarkFixture, database: Database, with_ways: bool) -> None:
    """A score by its name."""
    explain, asked = database.explanations.explain, Subject("score", "score1")
    found = benchmark(explain, ("member", "m77"), asked, with_ways=with_ways)
    assert found is not None and found.truth
