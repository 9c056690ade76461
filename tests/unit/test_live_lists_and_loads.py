"""Uploaded lists and bulk loads on a database that has profiles and goes on taking batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import InputInvalid, NotFound
from engine.live.bulk_load import BulkLoad
from engine.live.change import Cause
from tests.live_databases import SEGMENTS, LiveDatabase, model_files

LISTED = {
    **SEGMENTS,
    "chosen": "list('chosen')",
    "wanted": "segment('chosen') and segment('large')",
    "others": "not list('chosen')",
}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    """Members a to d of size 10, 40, 50, 60, with segments that read the list `chosen`: a, d
    and z, whom nobody knows."""
    made = LiveDatabase(tmp_path / "store")
    with made.database:
        made.sizes(("a", 10), ("b", 40), ("c", 50), ("d", 60))
        made.upload("chosen", "a", "d", "z")
        made.database.apply_model(model_files(LISTED))
        yield made


def load(live: LiveDatabase) -> BulkLoad:
    model = live.database.model
    assert model is not None
    return live.database.bulk_load(model.sources["crm"])


# -------------------------------------------------------------------------------- lists


def test_segments_over_a_list_are_kept(live: LiveDatabase) -> None:
    found = live.agree()
    assert live.database.unkept_segments() == {}
    assert (found["chosen"], found["wanted"], found["others"]) == (
        ["a", "d"], ["d"], ["b", "c"],
    )  # fmt: skip


def test_an_upload_moves_the_segments_that_read_it(live: LiveDatabase) -> None:
    before = live.database.data_version
    live.upload("chosen", "c", "d", "y")
    assert sorted(live.entries(before)) == [
        ("a", "+others", 2, Cause.UPDATE),
        ("a", "-chosen", 2, Cause.UPDATE),
        ("c", "+chosen", 2, Cause.UPDATE),
        ("c", "+wanted", 2, Cause.UPDATE),
        ("c", "-others", 2, Cause.UPDATE),
    ]
    live.agree()
    live.upload("somebody else's", "b")
    assert live.agree()["chosen"] == ["c", "d"]


def test_an_identifier_of_a_list_gets_an_owner(live: LiveDatabase) -> None:
    first = live.send({"member": "z", "size": 70}, {"member": "e"})
    assert live.moves(first.offset - 1) == ["e+others", "z+chosen", "z+large", "z+wanted"]
    live.upload("chosen", "139", "140", kind="phone")
    assert live.agree()["chosen"] == []
    second = live.send({"member": "c", "phone": "139"}, {"member": "b", "size": 51})
    assert live.moves(second.offset - 1) == ["b+large", "c+chosen", "c+wanted", "c-others"]
    assert live.agree()["wanted"] == ["c"]


def test_a_batch_before_its_upload_is_seen(live: LiveDatabase) -> None:
    """What is under way when a list is uploaded is judged by one list or the other, never both."""
    futures = []
    for n in range(30):
        futures.append(live.database.submit(live.batch({"member": f"n{n}", "size": 90})))
        if n % 10 == 9:
            live.upload("chosen", *(f"n{k}" for k in range(n % 3, 40, 3)))
    live.database.wait_visible(futures[-1].result().offset)
    assert live.agree()["wanted"] == sorted(f"n{k}" for k in range(2, 30, 3))


def test_a_deleted_list(live: LiveDatabase) -> None:
    with pytest.raises(NotFound):
        live.database.delete_list("chosem")
    live.database.apply_model(model_files(SEGMENTS))
    live.database.delete_list("chosen")
    assert live.database.lists() == []
    live.agree()


# -------------------------------------------------------------------------------- loads


def test_memberships_and_feed_follow_a_load(live: LiveDatabase) -> None:
    before = live.database.data_version
    with load(live) as bulk:
        bulk.add(live.batch({"member": "a", "size": 55}, {"member": "z", "size": 99}))
        bulk.add(live.batch({"member": "c", "size": 1}, {"member": "f", "city": "京"}))
        outcome = bulk.finish()
    assert outcome.created == 2 and outcome.data_version == live.database.data_version
    assert live.moves(before) == [
        "a+large", "a+wanted", "c-large", "f+northern", "f+others",
        "z+chosen", "z+large", "z+wanted",
    ]  # fmt: skip
    assert {cause for *_, cause in live.entries(before)} == {Cause.UPDATE}
    found = live.agree()
    assert found["large"] == ["a", "d", "z"] and found["others"] == ["b", "c", "f"]


def test_batches_go_on_after_a_load(live: LiveDatabase) -> None:
    live.send({"member": "g", "phone": "1", "size": 1})
    with load(live) as bulk:
        bulk.add(live.batch({"member": "h", "phone": "2"}, {"member": "g", "size": 70}))
        bulk.finish()
    ack = live.send({"phone": "2", "size": 80}, {"phone": "1", "size": 2}, {"member": "i"})
    assert (ack.accepted, ack.created) == (3, 1)
    assert live.attributes("h")["size"] == 80 and live.attributes("g")["size"] == 2
    assert live.members("true") == ["a", "b", "c", "d", "g", "h", "i"]
    assert live.agree()["large"] == ["c", "d", "h"]


def test_a_load_that_others_wrote_beside_is_refused(live: LiveDatabase) -> None:
    for disturb in (
        lambda: live.sizes(("b", 70)),
        lambda: live.sizes(("new", 1)),
        lambda: live.database.apply_model(model_files(SEGMENTS)),
    ):
        bulk = load(live)
        bulk.add(live.batch({"member": "a", "size": 99}))
        disturb()
        before = live.database.data_version
        with pytest.raises(InputInvalid, match="changed while the load was running"):
            bulk.finish()
        bulk.abandon()
        assert live.database.data_version == before
        assert live.attributes("a") == {"size": 10}
    live.agree()


def test_a_load_that_changes_nothing(live: LiveDatabase) -> None:
    before = live.database.data_version
    with load(live) as bulk:
        bulk.add(live.batch({"member": "a", "size": 10}))
        outcome = bulk.finish()
    assert (outcome.profiles_changed, outcome.data_version) == (0, before)
    assert live.entries(before) == [] and live.database.data_version == before


def test_an_abandoned_load_leaves_nothing(live: LiveDatabase) -> None:
    with load(live) as bulk:
        bulk.add(live.batch({"member": "x", "size": 99, "tag": ["vip"]}))
    assert live.profile("x") is None
    ack = live.send({"member": "x"})
    assert ack.created == 1 and live.attributes("x") == {}
    live.agree()
