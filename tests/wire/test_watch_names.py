"""Watching bands, tiers and tags over a real server: what is sent, and what there is to watch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from engine.live.change import Transition
from engine.live.moved_key import moved_key
from engine.live.resume_token import FeedPosition
from strata.client import Client
from strata.errors import StrataError
from strata.watching import Watch, WatchMessage, watch
from tests.feeds import WatchedStore, rows_of, transition, uid
from tests.wire.conftest import running

PATIENCE_S = 30


@pytest.fixture
def database() -> WatchedStore:
    """Sequence 3: gold gets 1 and 2, silver 5."""
    database = WatchedStore(blocks=2)
    database.add(3, transition("gold", [1, 2]), transition("silver", [5]))
    return database


@pytest.fixture
def address(database: WatchedStore) -> Iterator[str]:
    with running(database) as found:
        yield found


def until_caught_up(watching: Watch) -> list[WatchMessage]:
    """The messages with entries until there are no more."""
    messages = []
    for message in watching:
        messages += [message] if message.changes else []
        if message.caught_up:
            break
    return messages


def test_bands_and_tags(address: str, database: WatchedStore) -> None:
    database.add(
        7,
        Transition("tags.VIP", 3, rows_of([2]), rows_of([1])),
        Transition(moved_key("scores.lead", "", "hot"), 2, rows_of([1, 7]), rows_of([])),
        Transition(moved_key("scores.lead", "hot", ""), 2, rows_of([3]), rows_of([])),
        Transition(moved_key("scores.lead", "cold", "hot"), 2, rows_of([4]), rows_of([])),
    )
    with Client(address, timeout_s=PATIENCE_S) as client:
        with watch(client, from_oldest=True, scores=["lead"], tags=["VIP"]) as watching:
            changes = [c for message in until_caught_up(watching) for c in message.changes]
        assert [(c.definition, c.old_value, c.new_value, c.uid) for c in changes] == [
            ("tags.VIP", False, True, uid(2).hex()),
            ("tags.VIP", True, False, uid(1).hex()),
            ("scores.lead", None, "hot", uid(1).hex()),
            ("scores.lead", None, "hot", uid(7).hex()),
            ("scores.lead", "hot", None, uid(3).hex()),
            ("scores.lead", "cold", "hot", uid(4).hex()),
        ]
        assert [c.ordinal for c in changes] == list(range(6))
        # Who names nothing follows segments alone.
        with watch(client, from_oldest=True) as watching:
            found = [c for message in until_caught_up(watching) for c in message.changes]
        assert {c.definition for c in found} == {"segments.gold", "segments.silver"}


def test_tags_that_properties_name(address: str, database: WatchedStore) -> None:
    """All of a rule by the rule's tag, or one of them by its own name; each token goes on."""
    key = 'tags."saw {x}"'
    database.add(
        7,
        Transition(moved_key(key, "", "saw a"), 2, rows_of([1, 7]), rows_of([])),
        Transition(moved_key(key, "", "saw b"), 2, rows_of([1]), rows_of([])),
        Transition(moved_key(key, "saw a", ""), 2, rows_of([3]), rows_of([])),
        Transition("tags.VIP", 3, rows_of([2]), rows_of([])),
    )
    entries = [
        (key, None, "saw a", uid(1).hex()),
        (key, None, "saw a", uid(7).hex()),
        (key, None, "saw b", uid(1).hex()),
        (key, "saw a", None, uid(3).hex()),
    ]
    with Client(address, timeout_s=PATIENCE_S) as client:

        def seen(tags: list[str], **begin: Any) -> list[tuple[object, ...]]:
            with watch(client, tags=tags, **(begin or {"from_oldest": True})) as watching:
                found = [c for message in until_caught_up(watching) for c in message.changes]
            return [(c.definition, c.old_value, c.new_value, c.uid) for c in found]

        assert seen(["saw {x}"]) == entries
        assert seen(["saw a"]) == [one for one in entries if "saw a" in one]
        assert seen(["saw b"]) == [entries[2]]
        assert seen(["saw nothing so far"]) == []
        assert seen(["saw b", "VIP"]) == [entries[2], ("tags.VIP", False, True, uid(2).hex())]
        token = database.feed.token(FeedPosition(7, 2))
        assert seen(["saw {x}"], resume_token=token) == entries[2:]


@pytest.mark.parametrize(
    ("named", "reason", "message"),
    [
        ({"scores": ["leed"]}, "NOT_FOUND", "no score leed to watch. Did you mean lead?"),
        ({"tiers": ["stages"]}, "NOT_FOUND", "no tier stages to watch. Did you mean stage?"),
        ({"tags": ["saw"]}, "NOT_FOUND", "no rule for the tag saw to watch"),
        (
            {"tiers": ["stage"]},
            "NOT_YET",
            "tiers.stage cannot be watched in this version: its cuts",
        ),
        ({"tags": ["VIP"] * 10_001}, "INPUT_INVALID", "has 10,001 entries"),
    ],
)
def test_what_cannot_be_watched(
    address: str, database: WatchedStore, named: Any, reason: str, message: str
) -> None:
    with Client(address, timeout_s=PATIENCE_S) as client:
        with pytest.raises(StrataError, match=re.escape(message)) as refused:
            next(iter(watch(client, **named)))
        assert refused.value.reason == reason
