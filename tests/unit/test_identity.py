"""The identity index: digests to rows, in memory and in the store."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.errors import InputInvalid, StoreCorrupt
from engine.identity import shards as shards_module
from engine.identity.digest_groups import group_digests
from engine.identity.digests import UNKNOWN
from engine.identity.index import IdentityIndex
from engine.identity.of_snapshot import identities_of
from engine.identity.owners import owners, row_of, rows_of
from engine.identity.replay import KindColumn
from engine.identity.resolve import counted, resolve
from engine.identity.view import UID, uid_strings
from engine.model.definitions import Identifier, Model
from engine.store.store import Store, Writer
from tests.loads import MODEL, load, new_store, profile


def _digests(pairs: list[tuple[int, int]]) -> NDArray[np.uint64]:
    return np.array(pairs, np.uint64).reshape(-1, 2)


def test_groups_are_equal_digests_in_order_of_position() -> None:
    groups, firsts = group_digests(_digests([(7, 1), (7, 0), (3, 9), (7, 1), (7, 0)]))
    assert groups.tolist() == [0, 1, 2, 0, 1] and firsts.tolist() == [0, 1, 2]
    assert [len(column) for column in group_digests(_digests([]))] == [0, 0]


@pytest.mark.parametrize("count", [1, 2, 3, 500])
def test_groups_are_those_of_a_dictionary(count: int, seed: int) -> None:
    # High halves collide on purpose, and so do places in the table.
    digests = np.random.default_rng(seed).integers(0, 12, (count, 2)).astype(np.uint64)
    numbers: dict[tuple[int, int], int] = {}
    expected = [numbers.setdefault(pair, len(numbers)) for pair in map(tuple, digests.tolist())]
    groups, firsts = group_digests(digests)
    assert groups.tolist() == expected
    assert firsts.tolist() == [expected.index(number) for number in range(len(numbers))]


def _numbered(count: int, start: int = 0) -> Strings:
    return Strings.from_list([f"v{i}" for i in range(start, start + count)])


def test_index_grows_by_shards_and_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "IDENTITY_SHARD_ENTRIES", 16)
    with new_store(tmp_path / "store") as store:
        count = 0
        for added in (1, 15, 1, 200, 3):
            with store.snapshot() as snapshot, store.write() as writer:
                index = IdentityIndex(snapshot)
                values = _numbered(added, count)
                rows = np.arange(count, count + added, dtype=np.uint32)
                index.add(index.digests("phone", values), rows)
                index.save(writer)
            count += added
            with store.snapshot() as snapshot:
                read = IdentityIndex(snapshot)
                assert read.lookup("phone", _numbered(count + 5)).tolist() == [
                    *range(count),
                    *[UNKNOWN] * 5,
                ]
                assert (read.lookup("mail", _numbered(count)) == UNKNOWN).all()
                shards = snapshot.meta_names("identity/")
                sizes = [len(snapshot.meta(name) or b"") for name in shards]
                # A head of 8 bytes each, and every entry once.
                assert sum(sizes) == 8 * len(shards) + 20 * count
                assert max(sizes) <= 8 + 20 * 16
        assert len(shards) > 220 // 16


def test_only_touched_shards_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "IDENTITY_SHARD_ENTRIES", 16)
    with new_store(tmp_path / "store") as store:
        for start, added in ((0, 256), (256, 1)):
            with store.snapshot() as snapshot, store.write() as writer:
                index = IdentityIndex(snapshot)
                rows = np.arange(start, start + added, dtype=np.uint32)
                index.add(index.digests("phone", _numbered(added, start)), rows)
                index.save(writer)
                put = [name for name in _metas_put(writer) if name.startswith("identity/")]
            assert len(put) >= 16 if start == 0 else len(put) <= 2


def _metas_put(writer: Writer) -> list[str]:
    return list(writer._open().metas)


def test_profiles_that_share_a_new_identifier_become_one() -> None:
    unknown = np.full(4, UNKNOWN, np.uint32)
    # The strong kind tells all four apart; the weak one joins the first with the last.
    kinds = [[(1, 0), (2, 0), (3, 0), (4, 0)], [(9, 1), (8, 1), (7, 1), (9, 1)]]
    columns = [
        KindColumn(Identifier(str(i), i), _numbered(4), np.ones(4, np.bool_), _digests(d), unknown)
        for i, d in enumerate(kinds)
    ]
    outcome = resolve(
        columns, np.ones(4, np.bool_), 10, lambda _, rows: np.zeros(len(rows), np.int64)
    )
    assert outcome.rows.tolist() == [10, 11, 12, 10] and outcome.created == 3
    assert [sorted(links.at.tolist()) for links in outcome.links] == [[0, 1, 2, 3], [0, 1, 2]]


def test_each_store_has_its_own_key(tmp_path: Path) -> None:
    keys = set()
    for name in ("a", "b"):
        with new_store(tmp_path / name) as store:
            load(store, [{"member": "m"}])
            with store.snapshot() as snapshot:
                keys.add(IdentityIndex(snapshot).key)
                assert IdentityIndex(snapshot).key == IdentityIndex(snapshot).key
    assert len(keys) == 2


def _directory(*depths: int) -> bytes:
    return struct.pack("<IIQ16s", 2, len(depths), 2, bytes(16)) + bytes(depths)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity", b"short"),
        ("identity", b"\x03" + bytes(32)),
        ("identity", _directory(1)),
        ("identity", _directory(1, 1, 1)),
        ("identity", _directory(1, 2, 2, 1, 2)),
        ("identity", _directory(17)),
        ("identity", _directory(0)[:-1]),
        ("identity/0000", b""),
        ("identity/0000", b"\x02\0\0\0\x09\0\0\0"),
        ("identity/0000", b"\x03\0\0\0\0\0\0\0"),
        ("identity/0000", None),
    ],
)
def test_records_that_make_no_sense_are_corruption(
    tmp_path: Path, name: str, value: bytes | None
) -> None:
    with new_store(tmp_path / "store") as store:
        load(store, [{"member": "m"}])
        with store.write() as writer:
            if value is None:
                writer.delete_meta(name)
            else:
                writer.put_meta(name, value)
        with store.snapshot() as snapshot, pytest.raises(StoreCorrupt, match="identity index"):
            IdentityIndex(snapshot).lookup("member", _numbered(1))


def _three(tmp_path: Path) -> Store:
    store = new_store(tmp_path / "store")
    load(store, [{"member": "m1", "phone": "p1"}, {"phone": "p2"}, {"member": "m3"}])
    return store


def test_rows_of_keeps_the_order_of_the_questions(tmp_path: Path) -> None:
    with _three(tmp_path) as store, store.snapshot() as snapshot:
        asked = [("phone", "p2"), ("member", "m1"), ("member", "p2"), ("phone", "p1")]
        assert rows_of(IdentityIndex(snapshot), MODEL, asked).tolist() == [1, 0, UNKNOWN, 0]
        assert rows_of(IdentityIndex(snapshot), MODEL, []).tolist() == []


def test_uids_are_found_in_any_case_and_nonsense_is_not(tmp_path: Path) -> None:
    with _three(tmp_path) as store, store.snapshot() as snapshot:
        record = profile(store, "member", "m3")
        assert record is not None and len(record.uid) == 16
        hexadecimal = record.uid.hex()
        values = Strings.from_list(
            [hexadecimal.upper(), hexadecimal, hexadecimal[:-1], "g" * 32, None, "0" * 32]
        )
        rows = owners(IdentityIndex(snapshot), MODEL, UID, values).tolist()
        assert rows == [2, 2, *[UNKNOWN] * 4]


def test_uids_are_distinct(tmp_path: Path) -> None:
    with new_store(tmp_path / "store") as store:
        load(store, [{"member": str(i)} for i in range(200)])
        assert len({p.uid for i in range(200) if (p := profile(store, "member", str(i)))}) == 200


def test_a_value_blocked_since_has_no_owner(tmp_path: Path) -> None:
    stricter = Model(
        MODEL.time_zone,
        {"phone": Identifier("phone", 0, blocked=frozenset({"p1"}))},
        MODEL.attributes,
    )
    with _three(tmp_path) as store, store.snapshot() as snapshot:
        values = Strings.from_list(["p1", "p2"])
        assert owners(IdentityIndex(snapshot), MODEL, "phone", values).tolist() == [0, 1]
        assert owners(IdentityIndex(snapshot), stricter, "phone", values).tolist() == [UNKNOWN, 1]


def test_one_identifier_has_the_owner_that_it_has_among_many(tmp_path: Path) -> None:
    blocking = Model(
        MODEL.time_zone,
        MODEL.identifiers | {"phone": Identifier("phone", 0, blocked=frozenset({"p1"}))},
        MODEL.attributes,
    )
    with _three(tmp_path) as store, store.snapshot() as snapshot:
        record = profile(store, "member", "m3")
        assert record is not None
        uid, identities = record.uid.hex(), identities_of(snapshot)
        asked = [("phone", "p2"), ("phone", "p1"), ("member", "p2"), ("member", "m3")]
        asked += [("member", ""), (UID, uid), (UID, uid.upper()), (UID, uid[1:]), (UID, "g" * 32)]
        for model in (MODEL, blocking):
            found = [row_of(identities, model, *one) for one in asked]
            assert found == rows_of(identities, model, asked).tolist()
            assert found[:4] == [1, 0 if model is MODEL else UNKNOWN, UNKNOWN, 2]
            assert found[5:] == [2, 2, UNKNOWN, UNKNOWN]
        with pytest.raises(InputInvalid, match="Did you mean phone"):
            row_of(identities, MODEL, "phon", "p1")


def test_an_unknown_kind_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with _three(tmp_path) as store, store.snapshot() as snapshot:
        with pytest.raises(InputInvalid, match="Did you mean phone"):
            rows_of(IdentityIndex(snapshot), MODEL, [("phon", "p1")])
        with pytest.raises(InputInvalid, match="member, phone, mail, uid"):
            rows_of(IdentityIndex(snapshot), MODEL, [("zzz", "p1")])


def test_uid_strings_have_sixteen_bytes_each() -> None:
    uids = np.arange(32, dtype=np.uint8).reshape(2, 16)
    strings = uid_strings(uids)
    assert strings.lengths().tolist() == [16, 16]
    assert strings.data.tobytes() == bytes(range(32))


@pytest.mark.parametrize(
    "values", [[], [7], [1, 2, 9], [1, 1, 2], [2, 1], [5, 5], [1, 2, 3, 3], [3, 1, 2, 1]]
)
def test_values_are_counted_as_numpy_counts_them(values: list[int]) -> None:
    rows = np.array(values, np.uint32)
    expected = np.unique(rows, return_counts=True)
    for found, wanted in zip(counted(rows), expected, strict=True):
        assert found.tolist() == wanted.tolist() and found.dtype == wanted.dtype
