"""The guide to models: its examples can be applied, and say what the text says of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.model.load import load_model
from engine.rules.check import check_expressions
from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.updates import Event, Update
from tests.model_texts import applicable, merged
from tests.moving_worlds import START_US, MovingDatabase

GUIDE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
COMPLETE, *SNIPPETS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)
START = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START_US)
DAY = timedelta(days=1)


class GuideDatabase(MovingDatabase):
    """The complete example with the snippets, in force; the clock is set by hand."""

    def apply(self, *_: Any, **__: Any) -> None:
        """Puts the guide in force."""
        text = merged([COMPLETE, *SNIPPETS])
        model, positions = load_model({"model.yaml": text})
        assert check_expressions(model, positions) == []
        self.database.apply_model({"model.yaml": applicable(text)})

    def update(self, *updates: Update) -> None:
        """Ingests updates."""
        with Client(transport=EmbeddedTransport(self.database)) as client:
            ack = client.ingest_batch(updates, source="crm")
        assert not ack.refused
        self.database.wait_visible(ack.offset)

    def holds(self, expression: str) -> bool:
        """Whether an expression holds for the one profile there is."""
        return self.database.count(expression, as_of_us=self.now_us).count == 1


@pytest.fixture
def guide(tmp_path: Path) -> Iterator[GuideDatabase]:
    database = GuideDatabase(tmp_path / "store")
    yield database
    database.close()


def did(type_: str, at: datetime, **properties: Any) -> Update:
    return Update({"member": "m1"}, events=[Event(type_, properties, at)])


def test_the_guide_has_its_snippets() -> None:
    assert len(SNIPPETS) >= 2


def test_the_ledger_of_the_guide(guide: GuideDatabase) -> None:
    guide.update(
        Update({"member": "m1"}, attributes={"industry": "制造业"}),
        *(did("visit", START - number * DAY, page="官网") for number in range(6)),
        did("download", START - 30 * DAY, asset="白皮书"),
        did("download", START, asset="白皮书"),
    )
    assert guide.holds("score('lead') = 90 and band('lead') = 'hot'")
    guide.update(did("download", START, asset="白皮书"))
    assert guide.holds("score('lead') = 120 and band('lead') = 'mql'")


def test_a_band_is_left_below_what_holds_it(guide: GuideDatabase) -> None:
    guide.update(
        Update({"member": "m1"}, attributes={"industry": "制造业"}),
        *(did("visit", START - number * DAY, page="官网") for number in range(6)),
        did("download", START - 30 * DAY, asset="白皮书"),
        did("download", START, asset="白皮书"),
        did("download", START, asset="白皮书"),
    )
    # 75 halves by 30 days a bit more than once until it is 35.
    hours = 0
    while _faded(hours) >= 35_000:
        hours += 1
    # So that nobody is idle.
    guide.go(START_US + 29 * 86_400_000_000)
    guide.update(did("read", START + 29 * DAY))
    guide.go(START_US + hours * 3_600_000_000 - 1)
    assert guide.holds("score('lead') between 80 and 81 and band('lead') = 'mql'")
    guide.go(START_US + hours * 3_600_000_000)
    assert guide.holds("score('lead') < 80 and band('lead') = 'hot'")


def _faded(hours: int) -> int:
    """Thousandths of the downloads of the test after some hours."""
    ages = (hours, hours, hours + 720)
    return sum(round(30_000 * 2 ** (-age / 720)) for age in ages)


def test_tags_of_the_guide(guide: GuideDatabase) -> None:
    guide.update(
        *(did("visit", START - timedelta(hours=hour), page="官网") for hour in range(3)),
        did("entry", START - 2 * DAY, code="A"),
        did("entry", START - DAY, code="B"),
        did("trial", START),
    )
    assert guide.holds(
        "tag has all ('待激活', '申请过试用', '来自A', '来自B') and first_source = 'A'"
    )
    guide.go(START_US + 7 * 86_400_000_000)
    assert guide.holds("not tag = '待激活' and tag has all ('申请过试用', '来自A', '来自B')")


def test_grades_of_the_guide(guide: GuideDatabase) -> None:
    guide.update(Update({"member": "m1"}, attributes={"industry": "制造业", "company_size": 200}))
    assert guide.holds("tier('grade') = 'A2'")
    guide.update(*(did("visit", START, page="官网") for _ in range(5)))
    guide.update(did("download", START, asset="白皮书"))
    assert guide.holds("score('lead') = 75 and tier('grade') = 'A1'")
