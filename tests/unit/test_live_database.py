"""Batches into an open database: what is taken, what is refused, and what becomes visible."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.database import Database
from engine.errors import InputInvalid, OwnerFenced
from engine.limits import POSITION_NAME_BYTES
from engine.live.batch import ProfileBatch
from engine.live.change import Cause
from engine.live.positions import IngestAck, StoredPosition
from tests.live_databases import LiveDatabase, place
from tests.loads import ERASE


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    """An empty live store."""
    made = LiveDatabase(tmp_path / "store")
    with made.database:
        yield made


def counts(ack: IngestAck) -> tuple[int, int, int]:
    """Accepted, duplicates, created."""
    return ack.accepted, ack.duplicates, ack.created


def test_an_update_is_visible_counted_and_told(live: LiveDatabase) -> None:
    before = live.database.data_version
    ack = live.sizes(("a", 60), ("b", 50), ("c", 49))
    assert counts(ack) == (3, 0, 3) and ack.offset == before + 1
    assert live.database.data_version == ack.offset
    assert live.database.profile_count == 3
    assert live.database.count("segment('large')").count == 2
    assert live.members("segment('large')") == ["a", "b"]
    assert live.entries() == [(m, "+large", 1, Cause.UPDATE) for m in "ab"]

    second = live.send({"member": "a", "city": "京"}, {"member": "b", "size": 3})
    assert counts(second) == (2, 0, 0) and second.offset == ack.offset + 1
    assert live.moves(ack.offset) == ["a+both", "a+northern", "b-large"]
    assert live.agree() == {"large": ["a"], "northern": ["a"], "both": ["a"], "fan": []}


def test_what_changes_nothing_is_told_nobody(live: LiveDatabase) -> None:
    ack = live.sizes(("a", 60))
    again = live.sizes(("a", 60), ("a", 10), ("a", 61))
    assert again.offset == ack.offset + 1
    assert live.moves(ack.offset) == []


def test_batches_under_way_together_keep_their_order(live: LiveDatabase) -> None:
    futures = [
        live.database.submit(live.batch({"member": f"m{n % 7}", "size": n, "likes": [str(n)]}))
        for n in range(100)
    ]
    acks = [future.result() for future in futures]
    live.database.wait_visible(acks[-1].offset)
    assert [ack.offset for ack in acks] == list(range(acks[0].offset, acks[0].offset + 100))
    assert sum(ack.created for ack in acks) == 7
    last = {n % 7: n for n in range(100)}
    for n, size in last.items():
        assert live.attributes(f"m{n}") == {"size": size, "likes": [str(size)]}
    live.agree()


# ---------------------------------------------------------------------------- positions


def test_a_batch_sent_again_is_taken_once(live: LiveDatabase) -> None:
    updates = [{"member": "a", "size": 60}, {"member": "b", "size": 60}]
    first = live.send(*updates, at=place([5, 9]))
    assert counts(first) == (2, 0, 2)
    again = live.send(*({**update, "size": 0} for update in updates), at=place([5, 9]))
    assert counts(again) == (0, 2, 0) and again.offset == first.offset
    assert live.database.position("orders", "p") == StoredPosition(1, 9)
    assert live.members("size = 60") == ["a", "b"]


def test_gaps_and_batches_cut_anew(live: LiveDatabase) -> None:
    def sent(*offsets: int) -> tuple[int, int, int]:
        updates = [{"member": f"m{n}", "likes": ["x"], "size": len(offsets)} for n in offsets]
        return counts(live.send(*updates, at=place(offsets)))

    assert sent(0, 1, 2) == (3, 0, 3)
    assert sent(10, 20) == (2, 0, 2)
    assert sent(2, 10, 20, 21) == (1, 3, 1)
    assert sent(3, 4) == (0, 2, 0), "the offsets of a gap come too late"
    assert sent(0, 1, 2, 3, 10, 19, 20, 21, 22) == (1, 8, 1)
    assert live.members("true") == sorted(f"m{n}" for n in (0, 1, 2, 10, 20, 21, 22))
    assert live.attributes("m20")["size"] == 2
    assert live.database.position("orders", "p") == StoredPosition(1, 22)


def test_partitions_and_sources_stand_for_themselves(live: LiveDatabase) -> None:
    places = [place([7]), place([3], partition="q"), place([1], source="web"), place([0], epoch=9)]
    for n, at in enumerate(places[:3]):
        assert counts(live.send({"member": f"m{n}"}, at=at)) == (1, 0, 1)
    assert counts(live.send({"member": "m9"}, at=places[3])) == (0, 1, 0)
    found = [live.database.position(s, p) for s, p in (("orders", "p"), ("orders", "q"))]
    assert found == [StoredPosition(9, 7), StoredPosition(1, 3)]
    assert live.database.position("web", "p") == StoredPosition(1, 1)
    assert live.database.position("web", "q") is None
    assert live.members("true") == ["m0", "m1", "m2"]


def test_an_earlier_owner_is_fenced_off(live: LiveDatabase) -> None:
    live.send({"member": "a"}, at=place([1], epoch=3))
    live.send({"member": "b"}, at=place([2], epoch=4))
    for offsets in ([3], [2]):
        with pytest.raises(OwnerFenced, match=r"epoch 4 now, and this one has epoch 3"):
            live.send({"member": "c"}, at=place(offsets, epoch=3))
    assert counts(live.send({"member": "c"}, at=place([3], partition="q", epoch=3))) == (1, 0, 1)
    assert counts(live.send({"member": "d"}, at=place([3], epoch=4))) == (1, 0, 1)
    assert live.members("true") == ["a", "b", "c", "d"]


def test_a_fenced_batch_spares_those_of_its_group(live: LiveDatabase) -> None:
    live.send({"member": "a"}, at=place([1], epoch=4))
    with live.database._live.pipeline.drained():
        good = live.database.submit(live.batch({"member": "b"}), place([2], epoch=4))
        fenced = live.database.submit(live.batch({"member": "c"}), place([3], epoch=3))
        later = live.database.submit(live.batch({"member": "d"}), place([3], epoch=4))
    assert counts(good.result()) == counts(later.result()) == (1, 0, 1)
    assert isinstance(fenced.exception(), OwnerFenced)
    live.database.wait_visible(later.result().offset)
    assert live.members("true") == ["a", "b", "d"]


def test_empty_batches(live: LiveDatabase) -> None:
    nothing = ProfileBatch(0, {})
    before = live.database.data_version
    for at in (None, place([])):
        ack = live.database.ingest(nothing, at)
        assert (counts(ack), ack.offset) == ((0, 0, 0), before)
        live.database.wait_visible(ack.offset)
    assert live.database.position("orders", "p") is None
    only_identifiers = live.send({"member": "a"}, {"member": "a"})
    assert counts(only_identifiers) == (2, 0, 1) and live.attributes("a") == {}


def test_positions_that_fit_no_batch(live: LiveDatabase) -> None:
    long = "s" * (POSITION_NAME_BYTES + 1)
    for at, reason in [
        (place([1]), "1 offsets stand beside 2 records"),
        (place([2, 2]), "must rise"),
        (place([2, 1]), "must rise"),
        (place([1, 2], source=long), "name of a source has at most"),
        (place([1, 2], partition=long), "name of a partition has at most"),
    ]:
        with pytest.raises(InputInvalid, match=reason):
            live.send({"member": "a"}, {"member": "b"}, at=at)
    assert live.database.profile_count == 0 and live.database.position("orders", "p") is None


# ----------------------------------------------------------------------------- refusals


def test_records_are_refused_one_by_one(live: LiveDatabase) -> None:
    live.send({"member": "a", "phone": "1"}, {"member": "b", "phone": "2"})
    ack = live.send(
        {"member": "c", "size": 60},
        {"member": "d", "rate": float("nan")},
        {"phone": "000", "size": 1},
        {"size": 1},
        {"member": "a", "phone": "2", "size": 99},
        {"member": "x", "phone": "1"},
        {"member": "b", "phone": "3"},
        {"member": "b", "phone": "4"},
        {"member": "e", "phone": "000", "size": 70},
        at=place(range(9)),
    )
    assert counts(ack) == (3, 0, 2) and ack.blocked == 2
    several = "member:a and phone:2 belong to different profiles"
    assert ack.refused == (
        (1, "rate is not a finite number"),
        (2, "no identifier"),
        (3, "no identifier"),
        (4, f"{several}, and merging profiles is not built yet"),
        (5, "member:x would be one member too many: its profile has 1, and may have 1"),
        (7, "phone:4 would be one phone too many: its profile has 2, and may have 2"),
    )
    assert live.members("true") == ["a", "b", "c", "e"]
    assert live.attributes("a") == {} and live.attributes("e") == {"size": 70}
    assert live.profile("4", "phone") is None
    assert live.database.position("orders", "p") == StoredPosition(1, 8)
    assert live.agree()["large"] == ["c", "e"]


def test_a_batch_of_which_everything_is_refused_is_durable_too(live: LiveDatabase) -> None:
    before = live.database.data_version
    ack = live.send({"size": 1}, {"rate": 0.5}, at=place([3, 4]))
    assert counts(ack) == (0, 0, 0) and len(ack.refused) == 2 and ack.offset == before + 1
    assert live.database.position("orders", "p") == StoredPosition(1, 4)
    again = live.send({"member": "a"}, {"member": "b"}, at=place([3, 4]))
    assert counts(again) == (0, 2, 0)


def test_what_was_durable_before_is_refused_for_nothing(live: LiveDatabase) -> None:
    live.send({"member": "a"}, at=place([1]))
    ack = live.send({"size": 1}, {"member": "b"}, at=place([1, 2]))
    assert (counts(ack), ack.refused) == ((1, 1, 1), ())


def test_a_batch_that_does_not_fit_the_model_is_refused_whole(live: LiveDatabase) -> None:
    batch = live.batch({"member": "a", "size": 1})
    wrong = [
        ProfileBatch(1, batch.identifiers, {"weight": batch.attributes["size"]}),
        ProfileBatch(1, batch.identifiers, {"city": batch.attributes["size"]}),
        ProfileBatch(2, batch.identifiers),
        ProfileBatch(1, {"card": batch.identifiers["member"]}),
    ]
    for one in wrong:
        at = place(np.arange(one.count).tolist())
        with pytest.raises(InputInvalid):
            live.database.ingest(one, at)
    assert live.database.position("orders", "p") is None
    assert counts(live.send({"member": "a"}, at=place([0]))) == (1, 0, 1)


def test_nothing_is_taken_without_a_model(tmp_path: Path) -> None:
    with Database.create(tmp_path / "none", threads=1) as database:
        with pytest.raises(InputInvalid, match="no model yet"):
            database.ingest(ProfileBatch(0, {}))
        assert database.data_version == 0


# ------------------------------------------------------------------------------- values


def test_unset(live: LiveDatabase) -> None:
    everything = {"size": 60, "city": "京", "remark": "r", "rate": 0.5, "likes": ["x"]}
    live.send({"member": "a", **everything}, {"member": "b", **everything})
    sent = live.send({"member": "a", **dict.fromkeys(everything, ERASE)})
    assert live.attributes("a") == {}
    assert live.attributes("b") == everything
    assert live.moves(sent.offset - 1) == ["a-both", "a-fan", "a-large", "a-northern"]
    live.send({"member": "a", "size": ERASE}, {"member": "a", "size": 51})
    assert live.agree()["large"] == ["a", "b"]


def test_set_values_belong_to_who_gave_them(live: LiveDatabase) -> None:
    live.send({"member": "a", "tag": ["vip", "new"]}, giver="crm")
    live.send({"member": "a", "+tag": ["vip", "late"]}, at=place([1]))
    assert live.attributes("a")["tag"] == ["late", "new", "vip"]
    live.send({"member": "a", "-tag": ["new", "late"]}, at=place([2]))
    assert live.attributes("a")["tag"] == ["new", "vip"], "orders takes away what orders gave"
    live.send({"member": "a", "tag": ["old"]}, giver="crm")
    assert live.attributes("a")["tag"] == ["old", "vip"]
    last = live.send({"member": "a", "by": "orders", "tag": ERASE}, giver="crm")
    assert live.attributes("a")["tag"] == ["old"]
    assert live.moves(last.offset - 1) == ["a-fan"] and live.moves(0)[0] == "a+fan"
    live.send({"member": "a", "tag": ["one"], "-tag": ["one", "old"], "+tag": ["two", "old"]})
    live.send({"member": "a", "-tag": ["one"]}, {"member": "a", "+likes": ["x"]}, giver="ingest")
    assert live.attributes("a") == {"tag": ["old", "two"], "likes": ["x"]}
    assert live.agree()["fan"] == ["a"]


def test_event_times_out_of_order(live: LiveDatabase) -> None:
    def sent(time: int | None, **cells: object) -> None:
        live.send({"member": "a", **cells, **({} if time is None else {"time": time})})

    sent(100, size=60, city="京")
    sent(50, size=10, city="沪", remark="early")
    assert live.attributes("a") == {"size": 60, "city": "京", "remark": "early"}
    sent(100, size=61)
    assert live.attributes("a")["size"] == 61, "the later in the log of one instant"
    sent(200, size=ERASE)
    sent(150, size=70, city="津")
    assert live.attributes("a") == {"city": "津", "remark": "early"}
    sent(None, size=5)
    sent(60, size=80)
    assert live.attributes("a")["size"] == 80, "a cell without a time forgets the one before"
    late = live.send(
        {"member": "a", "size": 1, "time": 300}, {"member": "a", "size": 2, "time": 250}
    )
    assert live.attributes("a")["size"] == 1
    assert live.moves(late.offset - 1) == ["a-both", "a-large"]
    live.agree()
