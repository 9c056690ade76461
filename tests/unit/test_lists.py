"""Uploaded lists: what they keep, whom they match, what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.columns.strings import Strings
from engine.errors import InputInvalid, NotFound, StoreCorrupt
from engine.identity.index import IdentityIndex
from engine.live import lists
from engine.live.lists import (
    ListInfo,
    ListOutcome,
    delete_list,
    list_names,
    list_rows,
    prepare_list,
    read_list,
    upload_list,
)
from engine.store.store import Store
from tests.loads import MODEL, load, new_store, profile


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "store") as store:
        load(store, [{"member": f"m{i}", "phone": f"p{i}"} for i in range(5)])
        yield store


def _upload(store: Store, name: str, values: list[str | None], kind: str = "phone") -> ListOutcome:
    upload = prepare_list(MODEL, name, kind, Strings.from_list(values))
    with store.write() as writer:
        return upload_list(writer, IdentityIndex(writer.snapshot), MODEL, upload)


def _rows(store: Store, name: str) -> tuple[list[int], int]:
    with store.snapshot() as snapshot:
        rows, waiting = list_rows(snapshot, IdentityIndex(snapshot), MODEL, name)
        return rows.tolist(), waiting


def test_an_upload_counts_what_it_took(store: Store) -> None:
    outcome = _upload(store, "vip", ["p3", "p1", "p3", "later", "", None, "000", "x" * 257])
    assert (outcome.size, outcome.known, outcome.waiting, outcome.ignored) == (3, 2, 1, 4)
    assert _rows(store, "vip") == ([1, 3], 1)
    with store.snapshot() as snapshot:
        info, values = read_list(snapshot, "vip")
    assert info == ListInfo("vip", "phone", 3)
    assert values.to_list() == ["p3", "p1", "later"]


def test_who_waits_matches_once_somebody_owns_it(store: Store) -> None:
    _upload(store, "vip", ["later", "p0"])
    assert _rows(store, "vip") == ([0], 1)
    load(store, [{"member": "m9", "phone": "later"}])
    assert _rows(store, "vip") == ([0, 5], 0)


def test_an_upload_replaces_the_list_of_its_name(store: Store) -> None:
    _upload(store, "vip", ["p1", "p2"])
    _upload(store, "vip", ["m4"], "member")
    assert _rows(store, "vip") == ([4], 0)
    with store.snapshot() as snapshot:
        assert list_names(snapshot) == [ListInfo("vip", "member", 1)]


def test_the_same_upload_again_changes_nothing(store: Store) -> None:
    _upload(store, "vip", ["p1"])
    version = store.snapshot().data_version
    _upload(store, "vip", ["p1"])
    assert store.snapshot().data_version == version


def test_uids_make_a_list(store: Store) -> None:
    record = profile(store, "member", "m2")
    assert record is not None
    _upload(store, "by uid", [record.uid.hex(), "0" * 32], "uid")
    assert _rows(store, "by uid") == ([2], 1)


def test_a_list_may_be_empty(store: Store) -> None:
    _upload(store, "nobody", [])
    assert _rows(store, "nobody") == ([], 0)


def test_two_identifiers_of_one_profile_are_one_row(store: Store) -> None:
    load(store, [{"member": "m1", "phone": "second"}])
    _upload(store, "vip", ["p1", "second"])
    assert _rows(store, "vip") == ([1], 0)


def test_a_value_blocked_since_waits(store: Store) -> None:
    _upload(store, "vip", ["p1", "p2"])
    phone = replace(MODEL.identifiers["phone"], blocked=frozenset({"p1"}))
    stricter = replace(MODEL, identifiers={**MODEL.identifiers, "phone": phone})
    with store.snapshot() as snapshot:
        rows, waiting = list_rows(snapshot, IdentityIndex(snapshot), stricter, "vip")
    assert (rows.tolist(), waiting) == ([2], 1)


def test_a_list_whose_kind_left_the_model_waits(store: Store) -> None:
    _upload(store, "vip", ["p1", "p2"])
    kinds = {"member": MODEL.identifiers["member"]}
    with store.snapshot() as snapshot:
        model = replace(MODEL, identifiers=kinds)
        rows, waiting = list_rows(snapshot, IdentityIndex(snapshot), model, "vip")
    assert (rows.tolist(), waiting) == ([], 2)


def test_lists_come_by_name_and_go(store: Store) -> None:
    for name in ("乙", "b/c", "a"):
        _upload(store, name, ["p1"])
    with store.snapshot() as snapshot:
        assert [info.name for info in list_names(snapshot)] == ["a", "b/c", "乙"]
    with store.write() as writer:
        delete_list(writer, "b/c")
    with store.snapshot() as snapshot:
        assert [info.name for info in list_names(snapshot)] == ["a", "乙"]
        assert snapshot.meta_names("list-values/") == ["list-values/a", "list-values/乙"]
    with store.write() as writer, pytest.raises(NotFound, match="no list b/c"):
        delete_list(writer, "b/c")


def test_an_unknown_list_is_named_with_the_nearest(store: Store) -> None:
    _upload(store, "november", ["p1"])
    with store.snapshot() as snapshot:
        with pytest.raises(NotFound, match="Did you mean november"):
            list_rows(snapshot, IdentityIndex(snapshot), MODEL, "novembre")
        with pytest.raises(NotFound, match="Upload it first"):
            list_rows(snapshot, IdentityIndex(snapshot), MODEL, "zzz")


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\x7f", "乙" * 67])
def test_names_that_cannot_be(store: Store, name: str) -> None:
    version = store.snapshot().data_version
    with pytest.raises(InputInvalid, match="name of a list"):
        _upload(store, name, ["p1"])
    assert store.snapshot().data_version == version


def test_an_unknown_kind_is_refused(store: Store) -> None:
    with pytest.raises(InputInvalid, match="no identifier kind fone"):
        _upload(store, "vip", ["p1"], "fone")


def test_too_many_identifiers_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LIST_VALUES", 2)
    _upload(store, "vip", ["a", "b", "a"])
    with pytest.raises(InputInvalid, match="3 different identifiers"):
        _upload(store, "vip", ["a", "b", "c"])


@pytest.mark.parametrize("value", [None, b"", b"\x01\0\0\0", b"\x01\0\0\0p2"])
def test_records_that_make_no_sense_are_corruption(store: Store, value: bytes | None) -> None:
    _upload(store, "vip", ["p1"])
    with store.write() as writer:
        if value is None:
            writer.delete_meta("list-values/vip")
        else:
            writer.put_meta("list-values/vip", value)
    with store.snapshot() as snapshot, pytest.raises(StoreCorrupt, match="list vip"):
        list_rows(snapshot, IdentityIndex(snapshot), MODEL, "vip")
