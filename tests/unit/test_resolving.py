"""The resolver: what a record says, and what records that are not applied yet give away."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.live.batch import ProfileBatch, SetColumn
from engine.live.update import ADD, NO_TIME, REMOVE, REPLACE, ProfileUpdate
from tests.loads import ERASE
from tests.updates import Log, update_batch


def _resolved(log: Log, *updates: dict[str, Any], giver: str = "crm") -> ProfileUpdate:
    update = log.submit(list(updates), giver).update
    assert update is not None
    return update


def test_new_profiles_get_the_next_rows_and_own_their_identifiers_at_once() -> None:
    log = Log(first_row=5)
    update = _resolved(log, {"member": "m1", "phone": "p1"}, {"member": "m2"})
    assert (update.first_new, update.row_count, log.resolver.next_row) == (5, 7, 7)
    by_field = {links.field_id: links for links in update.identifiers}
    members = by_field[log.fields[":id:member"].id]
    assert sorted(zip(members.rows.tolist(), members.values.to_list(), strict=True)) == [
        (5, "m1"),
        (6, "m2"),
    ]
    assert np.array_equal(members.digests, log.digests("member", members.values))
    assert log.find(update.uid_digests).tolist() == [5, 6]
    assert len({uid.tobytes() for uid in update.uids}) == 2
    again = _resolved(log, {"phone": "p1", "size": 1})
    assert (len(again.uids), again.identifiers) == (0, ())
    assert again.vectors[0].rows.tolist() == [5]


def test_an_update_without_cells_is_an_update() -> None:
    log = Log()
    _resolved(log, {"member": "m1"})
    update = _resolved(log, {"member": "m1"})
    assert (update.vectors, update.texts, update.sets, update.identifiers) == ((), (), (), ())


def test_a_batch_of_which_nothing_is_accepted_is_no_update() -> None:
    resolved = Log().submit([{"member": "", "phone": "000"}, {"rate": float("nan")}])
    assert (resolved.update, resolved.accepted, resolved.created) == (None, 0, 0)
    assert resolved.blocked == 1
    assert resolved.refused == [(0, "no identifier"), (1, "rate is not a finite number")]


def test_cells_follow_the_updates_that_have_some() -> None:
    log = Log()
    update = _resolved(
        log,
        {"member": "m1", "size": 1, "city": "a", "remark": "r", "time": 7},
        {"member": "m2"},
        {"member": "m1", "size": ERASE, "city": ERASE, "remark": ERASE},
    )
    cells = {each.field_id: each for each in (*update.vectors, *update.texts)}
    size, city, remark = (cells[log.fields[name].id] for name in ("size", "city", "remark"))
    for each in (size, city, remark):
        assert each.rows.tolist() == [0, 0]
        assert each.times is not None and each.times.tolist() == [7, NO_TIME]
    assert size.present.tolist() == city.present.tolist() == [True, False]
    assert city.values.tolist() == [1, 0]
    assert remark.values.to_list() == ["r", None]


def test_cells_without_any_time_have_none() -> None:
    log = Log()
    update = _resolved(log, {"member": "m1", "size": 1}, {"member": "m2", "city": "a", "time": 1})
    size, city = sorted(update.vectors, key=lambda cells: cells.values.dtype.name)
    assert (size.times, None if city.times is None else city.times.tolist()) == (None, [1])


def test_mentions_of_an_update_replace_then_remove_then_add() -> None:
    log = Log()
    update = _resolved(
        log,
        {"member": "m1", "likes": ["a"], "+likes": ["b", "c"], "-likes": ["d"]},
        {"member": "m1", "+likes": ["a"], "by": "ann"},
        {"member": "m1", "likes": ERASE},
        {"member": "m1", "likes": []},
    )
    (cells,) = update.sets
    assert cells.modes.tolist() == [REPLACE, REMOVE, ADD, ADD, REPLACE]
    strings = log.strings[log.fields["likes"].id]
    named = [strings[code - 1] for code in cells.values.tolist()]
    limits = cells.offsets.tolist()
    assert [named[a:b] for a, b in pairwise(limits)] == [
        ["a"],
        ["d"],
        ["b", "c"],
        ["a"],
        [],
    ]
    givers = [log.strings[0][code - 1] for code in cells.givers.tolist()]
    assert givers == ["crm", "crm", "crm", "ann", "crm"]
    assert cells.giver_field_id == log.fields[":giver:likes"].id


def test_updates_that_are_passed_over_leave_nothing() -> None:
    log = Log()
    batch = update_batch([{"member": "m1"}, {"member": "m2", "size": 1}, {"rate": float("nan")}])
    active = np.array([False, True, False])
    resolved = log.resolver.resolve(batch, "crm", 1, active)
    assert (resolved.accepted, resolved.refused, resolved.created) == (1, [], 1)
    assert log.find(log.digests("member", batch.identifiers["member"])).tolist()[1] == 0
    assert active.tolist() == [False, True, False]


# --------------------------------------------------------------- records not applied yet


def test_identifiers_of_records_not_applied_count_against_the_limit() -> None:
    log = Log()
    for phone in ("p1", "p2", "p3"):
        resolved = log.submit([{"member": "m1", "phone": phone}])
    assert [reason for _, reason in resolved.refused] == [
        "phone:p3 would be one phone too many: its profile has 2, and may have 2"
    ]
    log.apply()
    assert log.submit([{"member": "m1", "phone": "p4"}]).accepted == 0


def test_a_record_that_is_visible_and_not_reported_yet_counts_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Log()
    monkeypatch.setattr(log.resolver, "applied", lambda sequence: None)
    for phone in ("p0", "p1"):
        log.submit([{"member": phone, "phone": phone}])
        log.apply()
        assert log.submit([{"member": phone, "phone": f"{phone}0"}]).accepted == 1
        assert log.submit([{"member": phone, "phone": f"{phone}1"}]).accepted == 0
        log.apply()
        log.apply()
        assert log.submit([{"member": phone, "phone": f"{phone}2"}]).accepted == 0
        log.apply()


def test_a_commit_that_failed_gives_rows_and_identifiers_back() -> None:
    log = Log()
    log.submit([{"member": "m1"}])
    owners = dict(log.owners)
    log.submit([{"member": "m2"}, {"member": "m1", "phone": "p1"}])
    log.submit([{"member": "m3"}, {"member": "m1", "phone": "p2"}])
    assert log.resolver.next_row == 3
    log.resolver.forget_after(1)
    log.owners = owners
    del log.records[1:]
    assert log.resolver.next_row == 1
    update = _resolved(log, {"member": "m3"}, {"member": "m1", "phone": "p3"})
    assert update.first_new == 1
    assert log.submit([{"member": "m1", "phone": "p4"}]).accepted == 1
    assert log.submit([{"member": "m1", "phone": "p5"}]).accepted == 0


def test_a_batch_that_cannot_be_taken_leaves_nothing_behind() -> None:
    log = Log()

    def full(number: int, values: Strings) -> Any:
        raise InputInvalid("full")

    log.resolver._intern = full
    with pytest.raises(InputInvalid, match="full"):
        log.submit([{"member": "m1", "phone": "p1", "city": "new"}])
    assert (log.owners, log.resolver.next_row) == ({}, 0)
    log.resolver._intern = log.intern
    assert _resolved(log, {"member": "m1", "phone": "p2"}).first_new == 0


# -------------------------------------------------------------------------- at the door

_MEMBER = {"member": Strings.from_list(["m1"])}
_PAIR = SetColumn(np.array([0, 2]), Strings.from_list(["a", "b"]))
_UNSET = replace(_PAIR, unset=np.ones(1, np.bool_))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (ProfileBatch(1, _MEMBER, added={"city": _PAIR}), "city is not a set"),
        (ProfileBatch(1, _MEMBER, removed={"none": _PAIR}), "no attribute none"),
        (ProfileBatch(1, _MEMBER, added={"tag": _UNSET}), "tag is unset among values"),
        (ProfileBatch(1, _MEMBER, removed={"tag": _UNSET}), "tag is unset among values"),
        (ProfileBatch(2, {}, added={"tag": _PAIR}), "tag has 1 cells in a batch of 2"),
        (ProfileBatch(1, _MEMBER, times=np.zeros(2, np.int64)), "the event time has 2 cells"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_batch_that_does_not_fit_is_refused_whole(batch: ProfileBatch, message: str) -> None:
    with pytest.raises(InputInvalid, match=message):
        Log().resolver.resolve(batch, "crm", 1)


@pytest.mark.parametrize("time", [NO_TIME + 1, -62_135_596_800_000_001, 253_402_300_800_000_000])
def test_an_event_time_that_no_calendar_has_refuses_its_row(time: int) -> None:
    resolved = Log().submit([{"member": "m1", "time": time}, {"member": "m2"}])
    assert resolved.refused == [(0, "the event time is outside the years 1 to 9999")]


def test_values_that_are_added_are_checked_like_others() -> None:
    resolved = Log().submit([{"member": "m1", "+tag": ["x" * 4097]}, {"member": "m2"}])
    assert resolved.refused == [(0, "tag is longer than 4,096 bytes")]
