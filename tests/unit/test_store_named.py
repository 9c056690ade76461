"""Named records: their listing in pages, what of it a commit writes, and stores of layout 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from engine.store.checksum import crc32c
from engine.store.directory import MetaListing, Root, Section, pack_metas
from engine.store.named import RECORDS_PER_PAGE, NamedRecords
from engine.store.records import (
    HEADER_BYTES,
    Expected,
    PayloadKind,
    RecordName,
    RecordType,
    key_of,
    name_of_key,
    pack_header,
)
from engine.store.store import Store
from tests.sample_stores import MAP_BYTES, contents, sample_store


def _listing(number: int) -> MetaListing:
    return MetaListing(number, (Expected(number, 7, 9),))


def test_listings_stand_in_the_page_of_their_number(seed: int) -> None:
    random = np.random.default_rng(seed)
    plain: dict[str, MetaListing] = {}
    named, following = NamedRecords({}), 1
    for _ in range(60):
        changes: dict[str, MetaListing | None] = {}
        for name in random.choice(600, random.integers(0, 60), replace=False).astype(str).tolist():
            if random.random() < 0.3:
                changes[name] = None
            elif name in plain:
                changes[name] = MetaListing(plain[name].id, ())
            else:
                changes[name], following = _listing(following), following + 1
        before = {page: dict(listings) for page, listings in named.pages.items()}
        earlier, (named, touched) = named, named.changed(changes)
        assert earlier.pages == before and dict(earlier) == plain
        for name, listing in changes.items():
            if listing is None:
                plain.pop(name, None)
            else:
                plain[name] = listing
        assert dict(named) == plain and len(named) == len(plain)
        for page in {*before, *named.pages} - touched:
            assert named.pages[page] == before[page]
        assert NamedRecords.of(plain).pages == {p: v for p, v in named.pages.items() if v}
    assert len(named.pages) > 2


@pytest.mark.parametrize(
    "pages",
    [
        {0: {"a": _listing(RECORDS_PER_PAGE)}},
        {0: {"a": _listing(1), "b": _listing(1)}},
        {0: {"a": _listing(1)}, 1: {"a": _listing(RECORDS_PER_PAGE)}},
    ],
)
def test_pages_that_make_no_sense_are_noticed(pages: dict[int, dict[str, MetaListing]]) -> None:
    with pytest.raises(ValueError, match="named record"):
        NamedRecords(pages)


def _sections_written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the sections that later commits write."""
    written: list[int] = []
    apply = Store.apply

    def noting(self: Store, puts: dict[bytes, Any], deletes: set[bytes]) -> None:
        names = map(name_of_key, [*puts, *deletes])
        written.extend(n.number for n in names if n is not None and n.type == RecordType.SECTION)
        apply(self, puts, deletes)

    monkeypatch.setattr(Store, "apply", noting)
    return written


def _put(store: Store, values: dict[str, bytes | None]) -> None:
    with store.write() as writer:
        for name, value in values.items():
            if value is None:
                writer.delete_meta(name)
            else:
                writer.put_meta(name, value)


def test_a_commit_writes_the_pages_of_what_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, values = tmp_path / "store", {f"n{i:04}": bytes([i % 251]) for i in range(1_000)}
    with Store.create(path, map_size=MAP_BYTES) as store:
        _put(store, values)  # numbered from 1 on, in the order of names
        written = _sections_written(monkeypatch)
        _put(store, {"n0000": b"other", "n0500": b"other"})
        assert sorted(written) == [Section.NAMED, Section.NAMED + 501 // RECORDS_PER_PAGE]
        written.clear()
        _put(store, dict.fromkeys(f"n{i:04}" for i in range(RECORDS_PER_PAGE - 1)))
        assert written == [Section.NAMED]
        assert store.verify().is_sound
        assert Section.NAMED not in dict(store.root.sections)
        written.clear()
        _put(store, {"n0999": values["n0999"], "never": None})
        assert not written
    with Store.open(path, map_size=MAP_BYTES) as store, store.snapshot() as snapshot:
        left = {name: value for name, value in values.items() if name >= "n0127"}
        left["n0500"] = b"other"
        assert {name: snapshot.meta(name) for name in snapshot.meta_names()} == left


def _make_layout_2(path: Path) -> None:
    """Rewrites a store as a program of layout 2 would have."""
    with Store.open(path, map_size=MAP_BYTES) as store, store.snapshot() as snapshot:
        listing = pack_metas(snapshot.version.state.metas)
        root = store.root
    kept = [(number, section) for number, section in root.sections if number < Section.NAMED]
    expected = Expected(len(listing), crc32c(listing), root.commit)
    kept = sorted([*kept, (int(Section.METAS), expected)])
    payload = Root(**{**_fields_of(root), "sections": tuple(kept)}).pack()
    with (
        lmdb.open(str(path), lib_version=0, map_size=MAP_BYTES) as raw,
        raw.begin(write=True) as transaction,
    ):
        for key, value in list(transaction.cursor()):
            name = name_of_key(key)
            assert name is not None
            if name.type == RecordType.SECTION and name.number >= Section.NAMED:
                transaction.delete(key)
                continue
            length, crc = (int.from_bytes(value[at : at + 4], "little") for at in (32, 36))
            sequence = int.from_bytes(value[24:32], "little")
            parts = int.from_bytes(value[18:20], "little")
            stands = Expected(length, crc, sequence)
            head = pack_header(name, value[6], parts, stands, version=2)
            transaction.put(key, head + value[HEADER_BYTES:])
        for name, kind, body in (
            (RecordName(RecordType.SECTION, Section.METAS), PayloadKind.SECTION, listing),
            (RecordName(RecordType.ROOT), PayloadKind.ROOT, payload),
        ):
            stands = Expected(len(body), crc32c(body), root.commit)
            transaction.put(key_of(name), pack_header(name, kind, 1, stands, version=2) + body)


def _fields_of(root: Root) -> dict[str, Any]:
    return {name: getattr(root, name) for name in Root.__slots__}


def test_a_store_of_layout_2_is_read_and_goes_over_to_pages(tmp_path: Path) -> None:
    path = tmp_path / "store"
    sample_store(path)
    with Store.open(path, map_size=MAP_BYTES) as store:
        _put(store, {f"n{i}": bytes([i % 251]) for i in range(300)})
        before = contents(store.snapshot())
    _make_layout_2(path)
    with Store.open(path, map_size=MAP_BYTES) as store:
        assert contents(store.snapshot()) == before and store.verify().is_sound
        assert [n for n, _ in store.root.sections if n in (2, 1024)] == [Section.METAS]
        with store.write() as writer:
            writer.set_model({"model.yaml": "attributes: {}\n"})
        assert store.verify().is_sound
    with Store.open(path, map_size=MAP_BYTES) as store:
        _put(store, {"n7": b"other"})
        assert store.verify().is_sound
        sections = [n for n, _ in store.root.sections]
        assert Section.METAS not in sections and {1024, 1025, 1026} <= set(sections)
    with Store.open(path, map_size=MAP_BYTES) as store, store.snapshot() as snapshot:
        assert snapshot.meta("n7") == b"other" and snapshot.meta("n299") == bytes([299 % 251])
        assert len(snapshot.meta_names("n")) == 300 and snapshot.meta("short") is not None
