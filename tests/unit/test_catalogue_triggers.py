"""Rows 39 to 48 of the catalogue: who is told of at which instant, to the microsecond, and once.

The example model is in a database whose clock is set by hand. Everything happens at one instant;
then the clock goes on by more than half a year, in one step and in many.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from strata.cli.embedded import EmbeddedTransport
from strata.client import Client
from strata.updates import Event, Update
from tests.catalogue import Did, ago, did
from tests.example_models import example_files
from tests.moving_worlds import START_US, MovingDatabase

pytestmark = pytest.mark.usefixtures("whole_feed")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = EPOCH + timedelta(microseconds=START_US)
END = START + timedelta(days=200)
MICROSECOND = timedelta(microseconds=1)
NOW = timedelta(0)


@dataclass(frozen=True)
class Case:
    """A person, and all that the feed says of definitions about them: (cause, what, instant)."""

    row: int
    keys: tuple[str, ...]
    told: tuple[tuple[str, str, datetime], ...]
    events: tuple[Did, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def enters(name: str, after: timedelta) -> tuple[str, str, datetime]:
    return ("clock", f"+{name}", START + after)


def leaves(name: str, after: timedelta) -> tuple[str, str, datetime]:
    return ("clock", f"-{name}", START + after)


def at_once(what: str) -> tuple[str, str, datetime]:
    return ("update", what, START)


def midnight(days: int) -> datetime:
    """The midnight of the model's zone some days after the start's."""
    local = START.astimezone(ZoneInfo("Asia/Shanghai"))
    return (local + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def fades_below(points: int, download: int, line: int) -> timedelta:
    """After how many hours, of more than thirty days, a download has faded so far that the points
    are below a line."""
    hours = 720
    while 1000 * points + round(1000 * download * 2 ** (-hours / 720)) >= 1000 * line:
        hours += 1
    return timedelta(hours=hours)


_DAYS_30, _DAYS_60 = timedelta(days=30), timedelta(days=60)
_LEAD = {"industry": "制造业", "role": "决策者", "region": "西北"}

CASES = {
    "hysteresis": Case(
        39,
        ("scores.lead", "tags.MQL", "actions.mql_to_sales"),
        (
            at_once("+actions.mql_to_sales"),
            at_once("scores.lead: cold -> mql"),
            at_once("+tags.MQL"),
            # At 100 until the download fades, at 85 once idle, and in the band down to 80.
            ("clock", "-tags.MQL", START + fades_below(75, 30, 80)),
            ("clock", "scores.lead: mql -> hot", START + fades_below(75, 30, 80)),
        ),
        (did("trial", NOW), did("download", NOW, asset="白皮书")),
        _LEAD,
    ),
    "follows": Case(40, ("followed",), (at_once("+followed"),), (did("follow", NOW),)),
    "does not register": Case(
        41,
        ("downloaded_not_registered",),
        (enters("downloaded_not_registered", timedelta(days=3)),),
        (did("download", NOW, asset="白皮书"),),
    ),
    "registers": Case(
        41,
        ("downloaded_not_registered",),
        (),
        (did("download", NOW, asset="白皮书"), did("register", -timedelta(hours=1))),
    ),
    "says nothing": Case(
        42,
        ("silent_in_wecom",),
        (enters("silent_in_wecom", timedelta(days=7) + MICROSECOND),),
        (did("add_wecom", NOW, channel="S"),),
    ),
    "third day": Case(
        43,
        ("third_day_after_following",),
        (
            ("clock", "+third_day_after_following", midnight(3)),
            ("clock", "-third_day_after_following", midnight(4)),
        ),
        (did("follow", NOW),),
    ),
    "silent week": Case(
        44,
        ("silent_week_after_following",),
        (enters("silent_week_after_following", timedelta(days=7)),),
        (did("follow", NOW),),
    ),
    "becomes interested": Case(
        45,
        ("tiers.lifecycle", "actions.became_interested", "actions.trial_to_owner"),
        (
            at_once("tiers.lifecycle: 潜在 -> 意向"),
            at_once("+actions.became_interested"),
            at_once("+actions.trial_to_owner"),
        ),
        (did("trial", NOW),),
    ),
    "is not called": Case(
        46,
        (
            "trial_without_contact",
            "trial_without_contact_for_a_day",
            "actions.escalate_trial",
        ),
        (
            enters("actions.escalate_trial", timedelta(hours=24)),
            enters("trial_without_contact", timedelta(hours=2)),
            enters("trial_without_contact_for_a_day", timedelta(hours=24)),
        ),
        (did("trial", NOW),),
    ),
    "is not answered": Case(
        46,
        ("large_form_unanswered", "actions.large_form"),
        (
            at_once("+actions.large_form"),
            enters("large_form_unanswered", timedelta(minutes=5)),
        ),
        (did("form", NOW, company_size=501),),
    ),
    "goes quiet": Case(
        47,
        ("at_risk",),
        (
            # Three, two and one of the last month are not below half of none, one and two.
            enters("at_risk", _DAYS_30 - timedelta(days=5)),
            leaves("at_risk", _DAYS_60 - timedelta(days=5)),
        ),
        tuple(did("chat", ago(days=days)) for days in (7, 6, 5)),
        {"status": "服务中"},
    ),
    "sleeps": Case(
        48,
        ("wake_up",),
        (enters("wake_up", timedelta(days=180) - timedelta(hours=3)),),
        (did("follow", ago(days=20)), did("read", ago(hours=3))),
        {"industry": "高科技", "position": "CEO"},
    ),
}


class ExampleDatabase(MovingDatabase):
    """The example model in a database whose clock is `now_us`, with a profile for each case."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with Client(transport=EmbeddedTransport(self.database)) as client:
            # Who becomes interested was a follower first.
            before = [Update({"unionid": name}, events=[]) for name in CASES]
            before.append(_update("becomes interested", did("follow", ago(days=1))))
            self._ingest(client, before)
            self.began = len(self.entries())
            self._ingest(
                client,
                [
                    update
                    for name, case in CASES.items()
                    for update in (
                        Update({"unionid": name}, attributes=case.attributes),
                        *(_update(name, one) for one in case.events),
                    )
                ],
            )

    def apply(self, *_: Any, **__: Any) -> None:
        """Puts the example model in force."""
        self.database.apply_model(example_files("b2b_wechat"))

    def _ingest(self, client: Client, updates: list[Update]) -> None:
        ack = client.ingest_batch(updates, source="crm")
        assert not ack.refused
        self.database.wait_visible(ack.offset)

    def told(self) -> dict[str, list[tuple[str, str, datetime]]]:
        """What the feed says of each case, of the definitions that it is about, in order."""
        with self.database.members("true") as members:
            names = [name for chunk in members.identifiers("unionid") for name in chunk]
        found: dict[str, list[tuple[str, str, datetime]]] = {name: [] for name in CASES}
        for cause, what, row, at_us in self.entries()[self.began :]:
            name = names[row]
            if what.lstrip("+-").split(":")[0] in CASES[name].keys:
                found[name].append((cause, what, EPOCH + timedelta(microseconds=at_us)))
        return found


def _update(name: str, one: Did) -> Update:
    return Update({"unionid": name}, events=[Event(one.type, one.properties, START - one.ago)])


def one_step(database: ExampleDatabase) -> None:
    database.go(_us(END))


def small_steps(database: ExampleDatabase) -> None:
    """To just before, to and just after each instant, and to others at random."""
    chance = random.Random(40)
    instants = {at for case in CASES.values() for _, _, at in case.told}
    stops = {_us(at) + shift for at in instants for shift in (-1, 0, 1)}
    stops |= {chance.randint(START_US, _us(END)) for _ in range(60)}
    for stop_us in sorted(stops):
        database.go(max(stop_us, database.now_us))
    database.go(_us(END))


def _us(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def _expected(database: ExampleDatabase, case: Case) -> list[tuple[str, str, datetime]]:
    """What is to be told; of actions only where the model in force has them."""
    model = database.database.model
    assert model is not None
    there = {f"+actions.{name}" for name in model.actions}
    return [one for one in case.told if not one[1].startswith("+actions.") or one[1] in there]


@pytest.mark.parametrize("steps", [one_step, small_steps])
def test_the_feed_tells_each_at_its_instant_and_once(
    tmp_path: Path, steps: Callable[[ExampleDatabase], None]
) -> None:
    database = ExampleDatabase(tmp_path / "store")
    steps(database)
    told = {name: sorted(of) for name, of in database.told().items()}
    assert told == {name: sorted(_expected(database, case)) for name, case in CASES.items()}
    database.close()


def test_every_row_of_a_time_trigger_is_there() -> None:
    assert {case.row for case in CASES.values()} == set(range(39, 49))
