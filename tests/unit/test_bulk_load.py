"""Bulk loads: what they keep of each type, refuse at the door, and leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.columns.strings import Strings
from engine.database import Database
from engine.errors import InputInvalid
from engine.identity.index import IdentityIndex
from engine.limits import SET_VALUES_PER_CELL, TEXT_BYTES
from engine.live import interning
from engine.live.batch import Floats, Ints, ProfileBatch, SetColumn, Texts
from engine.live.bulk_load import BulkLoad
from engine.live.lists import prepare_list, upload_list
from engine.live.profiles import read_profiles
from engine.store.store import Store
from tests.loads import ERASE, MODEL, SOURCE, batch_of, load, new_store, profile

BLOCK = 65_536
NONE_REFUSED: list[tuple[int, str]] = []


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "store") as store:
        yield store


FULL: dict[str, Any] = {
    "member": "m1",
    "phone": "p1",
    "city": "上海",
    "size": -(2**63),
    "revenue": Decimal("-9999999999999999.99"),
    "rate": 0.1,
    "listed": False,
    "born": date(1, 1, 1),
    "joined": datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    "remark": "x" * TEXT_BYTES,
    "likes": ["b", "a"],
    "tag": ["制造业"],
}


def test_every_type_comes_back_as_it_went_in(store: Store) -> None:
    _, refused = load(store, [FULL, {"member": "m2"}])
    assert refused == NONE_REFUSED
    record = profile(store, "phone", "p1")
    assert record is not None
    assert record.identifiers == {"member": ["m1"], "phone": ["p1"]}
    expected = {k: v for k, v in FULL.items() if k in MODEL.attributes} | {"likes": ["a", "b"]}
    assert record.attributes == expected
    assert [type(v) for v in record.attributes.values()] == [type(v) for v in expected.values()]
    assert list(record.attributes) == list(MODEL.attributes)
    assert record.tags == ["制造业"]
    other = profile(store, "member", "m2")
    assert other is not None and other.attributes == {} and other.tags == []


def test_an_empty_cell_leaves_and_an_erasing_one_erases(store: Store) -> None:
    load(store, [FULL])
    names = list(MODEL.attributes)
    load(store, [{"member": "m1", **dict.fromkeys(names)}])
    before = profile(store, "member", "m1")
    assert before is not None and len(before.attributes) == len(names)
    outcome, _ = load(store, [{"member": "m1", **dict.fromkeys(names, ERASE)}])
    after = profile(store, "member", "m1")
    assert after is not None and after.attributes == {} and after.uid == before.uid
    assert (outcome.created, outcome.profiles_changed) == (0, 1)
    again, _ = load(store, [{"member": "m1", **dict.fromkeys(names, ERASE)}])
    assert (again.profiles_changed, again.blocks_written) == (0, 0)


def test_a_second_load_of_the_same_changes_nothing(store: Store) -> None:
    updates: list[dict[str, Any]] = [
        FULL,
        {"member": "m2", "size": 4, "tag": ["x"]},
        {"member": "m2", "size": 5},
    ]
    first, _ = load(store, updates)
    assert (first.accepted, first.created, first.profiles_changed) == (3, 2, 2)
    assert first.blocks_written > 0
    second, _ = load(store, updates)
    assert (second.accepted, second.created, second.profiles_changed) == (3, 0, 0)
    assert (second.blocks_written, second.data_version) == (0, first.data_version)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("city", "a", "b"),
        ("size", 1, 2),
        ("revenue", 1, 2),
        ("rate", 1.0, 1.5),
        ("listed", True, False),
        ("born", 1, 2),
        ("joined", 1, 2),
        ("remark", "ab", "ac"),
        ("remark", "a", "ab"),
        ("likes", ["a"], ["b"]),
        ("phone", "p1", "p2"),
    ],
)
def test_one_changed_profile_is_counted_as_one(store: Store, name: str, old: Any, new: Any) -> None:
    load(store, [{"member": "m1", name: old}, {"member": "m2", name: None}])
    outcome, refused = load(store, [{"member": "m1", name: new}, {"member": "m2", name: None}])
    assert refused == NONE_REFUSED
    assert (outcome.created, outcome.profiles_changed) == (0, 1)
    assert outcome.blocks_written == (2 if name == "likes" else 1)


def test_updates_across_the_border_of_blocks(store: Store) -> None:
    count = BLOCK + 2
    outcome, _ = load(store, _numbered(0, BLOCK - 1), _numbered(BLOCK - 1, count))
    assert (outcome.created, outcome.profiles_changed) == (count, count)
    touched = [BLOCK + 1, BLOCK - 1, 0, BLOCK]
    updates = [{"member": f"m{i}", "remark": f"r{i}", "tag": [f"t{i}"]} for i in touched]
    outcome, _ = load(store, updates)
    assert (outcome.created, outcome.profiles_changed) == (0, 4)
    for i in (*touched, 1, BLOCK - 2):
        record = profile(store, "member", f"m{i}")
        assert record is not None and record.row == i
        texts = {"remark": f"r{i}", "tag": [f"t{i}"]} if i in touched else {}
        assert record.attributes == {"size": i, **texts}
    with store.snapshot() as snapshot:
        assert (snapshot.row_count, snapshot.live_count, snapshot.block_count) == (count, count, 2)


def _numbered(start: int, end: int) -> list[dict[str, Any]]:
    return [{"member": f"m{i}", "size": i} for i in range(start, end)]


def test_a_person_twice_in_a_batch_is_one_profile_and_the_last_value_stays(store: Store) -> None:
    updates: list[dict[str, Any]] = [
        {"member": "m1", "city": "a", "size": 1},
        {"member": "m1", "phone": "p1", "city": "b"},
        {"phone": "p1", "size": None, "tag": ["x"]},
        {"phone": "p1", "tag": ["y", "z"]},
    ]
    outcome, refused = load(store, updates)
    assert (refused, outcome.created) == (NONE_REFUSED, 1)
    record = profile(store, "member", "m1")
    assert record is not None
    assert record.attributes == {"city": "b", "size": 1, "tag": ["y", "z"]}


def test_columns_end_with_their_last_present_row(store: Store) -> None:
    load(store, [{"member": f"m{i}", "size": i if i < 9 else None} for i in range(2000)])
    with store.snapshot() as snapshot:
        (part,) = snapshot.payloads(snapshot.fields["size"].id, 0)
    assert len(part) < 200


def test_a_batch_of_nothing(store: Store) -> None:
    outcome, refused = load(store, [])
    assert (outcome.accepted, outcome.refused, outcome.data_version) == (0, 0, 1)
    assert refused == NONE_REFUSED


# ----------------------------------------------------------------------- refused rows


def test_updates_that_lead_to_several_profiles_are_refused(store: Store) -> None:
    load(store, [{"member": "m1"}, {"phone": "p2"}])
    outcome, refused = load(store, [{"member": "m1", "phone": "p2", "size": 1}, {"member": "m1"}])
    ((at, reason),) = refused
    assert at == 0
    assert reason.startswith("member:m1 and phone:p2 belong to different profiles")
    assert "not built yet" in reason
    assert (outcome.accepted, outcome.refused, outcome.blocks_written) == (1, 1, 0)


def test_one_identifier_too_many_is_refused_with_its_record(store: Store) -> None:
    load(store, [{"member": "m1", "phone": "p1"}])
    _, refused = load(store, [{"member": "m1", "phone": "p2"}], [{"member": "m1", "phone": "p3"}])
    ((_, reason),) = refused
    assert reason.startswith("phone:p3 would be one phone too many")
    assert "has 2, and may have 2" in reason
    record = profile(store, "member", "m1")
    assert record is not None and record.identifiers["phone"] == ["p1", "p2"]
    assert profile(store, "phone", "p3") is None
    _, refused = load(store, [{"member": "m2", "phone": "p1"}])
    assert refused[0][1].startswith("member:m2 would be one member too many")


def test_identifiers_of_batches_before_count_against_the_limit(store: Store) -> None:
    batches = [[{"member": "m1", "phone": f"p{i}"}] for i in range(4)]
    outcome, refused = load(store, *batches)
    assert [reason.split()[0] for _, reason in refused] == ["phone:p2", "phone:p3"]
    assert (outcome.accepted, outcome.refused, outcome.created) == (2, 2, 1)


def test_blocked_and_empty_identifiers_are_none(store: Store) -> None:
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        outcome = bulk.add(
            batch_of([{"phone": "000"}, {"phone": ""}, {"member": "m1", "phone": "000"}, {}])
        )
        done = bulk.finish()
    assert outcome.refused == [(i, "no identifier") for i in (0, 1, 3)]
    assert (outcome.accepted, outcome.blocked, done.blocked) == (1, 2, 2)
    assert profile(store, "phone", "000") is None


def test_a_batch_without_identifiers_is_refused_row_by_row(store: Store) -> None:
    outcome, refused = load(store, [{"size": 1}, {"size": 2}])
    assert refused == [(0, "no identifier"), (1, "no identifier")]
    assert outcome.data_version == 1


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"rate": float("nan")}, "rate is not a finite number"),
        ({"rate": float("-inf")}, "rate is not a finite number"),
        ({"revenue": 10**18}, "revenue has more than 18 digits"),
        ({"revenue": -(10**18)}, "revenue has more than 18 digits"),
        ({"born": -719_163}, "born is a day outside the years 1 to 9999"),
        ({"born": 2_932_897}, "born is a day outside the years 1 to 9999"),
        ({"joined": 253_402_300_800_000_000}, "joined is a time outside the years 1 to 9999"),
        ({"joined": -62_135_596_800_000_001}, "joined is a time outside the years 1 to 9999"),
        ({"remark": "x" * (TEXT_BYTES + 1)}, "remark is longer than 65,536 bytes"),
        ({"city": "x" * 4097}, "city is longer than 4,096 bytes"),
        ({"tag": ["ok", "x" * 4097]}, "tag is longer than 4,096 bytes"),
        ({"tag": ["x"] * (SET_VALUES_PER_CELL + 1)}, "tag has more than 10,000 values"),
        ({"by": "x" * 257, "tag": ["a"]}, "giver is longer than 256 bytes"),
        ({"mail": "x" * 257}, "mail is longer than 256 bytes"),
        ({"mail": "a\tb"}, "mail has a control character"),
        ({"mail": "a\x7f"}, "mail has a control character"),
        ({"mail": "a\x85"}, "mail has a control character"),
        ({"mail": "\0"}, "mail has a control character"),
    ],
)
def test_a_value_that_cannot_be_kept_refuses_its_row_alone(
    store: Store, update: dict[str, Any], reason: str
) -> None:
    rows = [{"member": "m0"}, {"member": "m1", **update}, {"member": "m2"}]
    outcome, refused = load(store, rows)
    assert refused == [(1, reason)]
    assert (outcome.accepted, outcome.refused, outcome.created) == (2, 1, 2)
    assert profile(store, "member", "m1") is None


def test_identifiers_may_hold_any_printable_text(store: Store) -> None:
    values = ["é", "ÿ", "\u00a0", "行业", "a b", "x" * 256, "𠀀"]
    _, refused = load(store, [{"mail": value} for value in values])
    assert refused == NONE_REFUSED
    for row, value in enumerate(values):
        record = profile(store, "mail", value)
        assert record is not None and record.row == row and record.identifiers["mail"] == [value]


@pytest.mark.parametrize(
    ("data", "offsets"),
    [(b"ab\xffc", [0, 1, 2, 3, 4]), ("aéb".encode(), [0, 1, 2, 3, 4])],
    ids=["a byte of no character", "a character cut in two"],
)
def test_what_is_not_utf8_refuses_its_rows(store: Store, data: bytes, offsets: list[int]) -> None:
    count = len(offsets) - 1
    broken = Strings.from_buffers(np.array(offsets), np.frombuffer(data, np.uint8), None)
    members = Strings.from_list([f"m{i}" for i in range(count)])
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        outcome = bulk.add(ProfileBatch(count, {"member": members}, {"city": Texts(broken)}))
    expected = [2] if data[2] == 0xFF else [1, 2]
    assert outcome.refused == [(i, "city is not valid UTF-8") for i in expected]


# -------------------------------------------------------------------- refused batches


def _ones(count: int) -> Ints:
    return Ints(np.ones(count, np.int64), np.ones(count, np.bool_))


_MEMBER = {"member": Strings.from_list(["m1"])}
_PAIR = SetColumn(np.array([0, 2], np.int64), Strings.from_list(["a", "b"]))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (ProfileBatch(1, {"fax": _MEMBER["member"]}), "no identifier kind fax"),
        (ProfileBatch(1, _MEMBER, {"nope": _ones(1)}), "no attribute nope"),
        (ProfileBatch(1, _MEMBER, {"city": _ones(1)}), "city is of type category"),
        (ProfileBatch(1, _MEMBER, {"tag": _ones(1)}), "tag is of type set"),
        (ProfileBatch(1, _MEMBER, sets={"city": _PAIR}), "city is not a set"),
        (ProfileBatch(2, _MEMBER), "member has 1 cells in a batch of 2"),
        (ProfileBatch(1, _MEMBER, {"size": _ones(2)}), "size has 2 cells in a batch of 1"),
        (
            ProfileBatch(1, _MEMBER, {"rate": Floats(np.ones(1), np.ones(3, np.bool_))}),
            "rate has 3 cells",
        ),
        (
            ProfileBatch(1, _MEMBER, {"size": replace(_ones(1), unset=np.ones(2, np.bool_))}),
            "size has 2 cells",
        ),
        (
            ProfileBatch(1, _MEMBER, sets={"tag": replace(_PAIR, offsets=np.array([0, 1]))}),
            "the cells of tag do not cover its values",
        ),
        (
            ProfileBatch(1, _MEMBER, sets={"tag": replace(_PAIR, values=Strings.missing(2))}),
            "tag has a missing value",
        ),
        (ProfileBatch(1, _MEMBER, giver=Strings.missing(2)), "giver has 2 cells"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_whole(
    store: Store, batch: ProfileBatch, message: str
) -> None:
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        with pytest.raises(InputInvalid, match=message):
            bulk.add(batch)
        bulk.add(batch_of([{"member": "m7"}]))
        outcome = bulk.finish()
    assert (outcome.accepted, outcome.created) == (1, 1)


def test_computed_attributes_are_refused(store: Store) -> None:
    computed = replace(MODEL.attributes["size"], computed="first_value(entry.code)")
    model = replace(MODEL, attributes={**MODEL.attributes, "size": computed})
    with (
        BulkLoad(store, model, SOURCE) as bulk,
        pytest.raises(InputInvalid, match="size is computed"),
    ):
        bulk.add(batch_of([{"member": "m1", "size": 1}]))


# --------------------------------------------------------------------- all or nothing


def test_an_abandoned_load_leaves_nothing(store: Store) -> None:
    load(store, [{"member": "m1", "city": "a"}])
    version = store.snapshot().data_version
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        bulk.add(batch_of([{"member": "m1", "city": "new"}, {"member": "m2"}]))
    with pytest.raises(RuntimeError, match="lost"), BulkLoad(store, MODEL, SOURCE) as bulk:
        bulk.add(batch_of([{"member": "m3"}]))
        raise RuntimeError("lost")
    with store.snapshot() as snapshot:
        assert (snapshot.data_version, snapshot.row_count) == (version, 1)
        assert list(snapshot.dictionary(snapshot.fields["city"].id).values) == ["a"]
    assert profile(store, "member", "m2") is None


def test_loads_at_the_same_time_do_not_mix(store: Store) -> None:
    with BulkLoad(store, MODEL, SOURCE) as slow:
        slow.add(batch_of([{"member": "m1", "city": "a"}]))
        load(store, [{"member": "m2", "city": "b"}])
        with pytest.raises(InputInvalid, match="Load again"):
            slow.finish()
    assert profile(store, "member", "m1") is None
    assert load(store, [{"member": "m1", "city": "a"}])[0].created == 1


def test_a_list_uploaded_meanwhile_does_not_disturb_a_load(store: Store) -> None:
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        bulk.add(batch_of([{"member": "m1"}]))
        upload = prepare_list(MODEL, "vip", "member", Strings.from_list(["m1"]))
        with store.write() as writer:
            upload_list(writer, IdentityIndex(writer.snapshot), MODEL, upload)
        assert bulk.finish().created == 1


def test_a_model_changed_meanwhile_refuses_the_load(store: Store) -> None:
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        bulk.add(batch_of([{"member": "m1"}]))
        with store.write() as writer:
            writer.set_model({"model.yaml": "time_zone: Asia/Shanghai"})
        with pytest.raises(InputInvalid, match="the model changed"):
            bulk.finish()
    larger = replace(MODEL, identifiers={**MODEL.identifiers, "fax": MODEL.identifiers["mail"]})
    with pytest.raises(InputInvalid, match="the model changed just before"):
        BulkLoad(store, larger, SOURCE)


def test_a_dictionary_beyond_its_limit_ends_the_load(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interning, "DICTIONARY_VALUES", 2)
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        bulk.add(batch_of([{"member": "m1", "city": "a"}, {"member": "m2", "city": "b"}]))
        with pytest.raises(InputInvalid, match="attribute city would have more than 2"):
            bulk.add(batch_of([{"member": "m3", "city": "c"}]))
        with pytest.raises(AssertionError, match="the load is over"):
            bulk.finish()
    assert store.snapshot().row_count == 0


# ------------------------------------------------------------------------------- sets


def test_a_load_replaces_its_own_givers_values_and_no_others(store: Store) -> None:
    load(
        store,
        [
            {"member": "m1", "tag": ["a", "b"], "by": "ann"},
            {"member": "m1", "tag": ["b", "c"], "by": "bob"},
            {"member": "m1", "tag": ["d"]},
        ],
    )
    assert _tags(store) == ["a", "b", "c", "d"]
    load(store, [{"member": "m1", "tag": ["e"]}])
    assert _tags(store) == ["a", "b", "c", "e"]
    load(store, [{"member": "m1", "tag": ["d"]}])
    load(store, [{"member": "m1", "tag": ["x"], "by": "ann"}])
    assert _tags(store) == ["b", "c", "d", "x"]
    load(store, [{"member": "m1", "tag": [], "by": "bob"}])
    assert _tags(store) == ["b", "c", "d", "x"]
    load(store, [{"member": "m1", "tag": ERASE, "by": "bob"}, {"member": "m1", "tag": ERASE}])
    assert _tags(store) == ["x"]
    load(store, [{"member": "m1", "tag": ERASE, "by": "ann"}])
    assert _tags(store) == []


def _tags(store: Store) -> list[str]:
    record = profile(store, "member", "m1")
    assert record is not None
    return record.tags


# --------------------------------------------------------------------------- profiles


def test_rows_that_are_nobody_read_as_none(store: Store) -> None:
    load(store, [{"member": "m1"}])
    with store.snapshot() as snapshot:
        records = read_profiles(snapshot, MODEL, [0, 1, BLOCK, 0xFFFFFFFF])
    assert [record is not None for record in records] == [True, False, False, False]


def test_attributes_may_be_called_like_the_stores_own_fields(tmp_path: Path) -> None:
    """`live`, `uid` and `id:member` are names like any other."""
    text = (
        "identifiers: {member: }\n"
        "attributes: {live: int, uid: category, 'id:member': int}\n"
        "sources: {crm: {identify: {member: id}}}\n"
    )
    with Database.create(tmp_path / "store") as database:
        database.apply_model({"m.yaml": text})
        assert database.model is not None
        yes = np.ones(2, np.bool_)
        batch = ProfileBatch(
            2,
            {"member": Strings.from_list(["a", "b"])},
            {
                "live": Ints(np.array([1, 2]), yes),
                "uid": Texts(Strings.from_list(["x", "y"])),
                "id:member": Ints(np.array([5, 5]), yes),
            },
        )
        with database.bulk_load(database.model.sources["crm"]) as load:
            load.add(batch)
            load.finish()
        assert database.count("live = 2 and uid = 'y' and \"id:member\" = 5").count == 1
        record = database.profiles([("member", "a")])[0]
        assert record is not None and record.attributes["uid"] == "x"
