"""Loads that fold while they run and write blocks ahead of their commit: in the end all or nothing,
and what comes out is what one fold at the end makes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings
from engine.columns.zone import Encoded
from engine.errors import InputInvalid, StoreUnwritable
from engine.identity import grown_shards, index, spilled
from engine.live import load_folding
from engine.live.batch import Ints, ProfileBatch, SetColumn, Texts
from engine.live.bulk_load import BulkLoad
from engine.live.field_load import FieldLoad
from engine.store.catalog import UIDS
from engine.store.drafts import left_behind
from engine.store.records import RecordType
from engine.store.store import Store, Writer
from tests.loads import MODEL, SOURCE, load, new_store, profile

BLOCK = 65_536
# Not multiples of anything: blocks begin and end within batches.
BATCH = 40_000
CITIES = Strings.from_list(["上海", None, "北京", "上海", "西安"])
LIKES = Strings.from_list([f"t{i}" for i in range(40)])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path / "store") as store:
        yield store


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever can be folded or written ahead is."""
    for limit in ("LOAD_STAGED_BYTES", "LOAD_ORDERED_BYTES", "LOAD_KEPT_BYTES"):
        monkeypatch.setattr(load_folding, limit, 0)
    monkeypatch.setattr(index, "LOAD_IDENTITIES", 60_000)
    monkeypatch.setattr(index, "LOAD_IDENTITY_DRAFT_BYTES", 100_000)
    monkeypatch.setattr(grown_shards, "STRETCH_ENTRIES", 30_000)
    monkeypatch.setattr(spilled, "_FILTER_BYTES_AT_FIRST", 1 << 10)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever can be folded or written ahead is."""
    hurry(monkeypatch)


def people(numbers: np.ndarray, shift: int = 0) -> ProfileBatch:
    """One update of each of some people, all cells following from their numbers."""
    count = len(numbers)
    chance = np.random.default_rng(7).integers(0, 40, (4_000, 3))
    sizes = (numbers + shift) % 4
    offsets = np.append(0, np.cumsum(sizes))
    at = np.repeat(numbers % 4_000, sizes), np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    cities = CodedStrings.of(CITIES, (numbers + shift) % 6 - 1)
    return ProfileBatch(
        count,
        {"member": Strings.from_list([f"m{number}" for number in numbers.tolist()])},
        {
            "city": Texts(cities),
            "size": Ints(numbers * 1_000 + shift, numbers % 5 > 0),
            "remark": Texts(Strings.from_list([f"r{n}" if n % 3 else None for n in numbers])),
        },
        {"likes": SetColumn(offsets, CodedStrings.of(LIKES, chance[at]))},
    )


def payloads(store: Store) -> dict[tuple[str, int], list[bytes]]:
    """The bytes of every field of every block, but for the uids, which are drawn."""
    with store.snapshot() as snapshot:
        return {
            (name, block): [bytes(part) for part in snapshot.stored_payloads(field.id, block)]
            for name, field in snapshot.fields.items()
            if name != UIDS.name
            for block in range(snapshot.block_count)
        }


def add_people(bulk: BulkLoad, numbers: np.ndarray, shift: int = 0) -> None:
    for start in range(0, len(numbers), BATCH):
        bulk.add(people(numbers[start : start + BATCH], shift))
    bulk._folding.settle()


def drafts_of(store: Store) -> list[bytes]:
    with store.snapshot() as snapshot:
        return left_behind(snapshot.version.state, store.view_of_now().transaction.key_from)


ORDERS = {
    "in order": np.arange(150_001),
    "backwards": np.arange(150_001)[::-1],
    "with gaps between": np.append(np.arange(0, 120_000, 2), np.arange(1, 120_000, 2)),
    "with repeats": np.append(np.arange(100_000), np.arange(500, 90_000, 7)),
}


@pytest.mark.parametrize("order", ORDERS)
def test_folding_on_the_way_makes_what_folding_at_the_end_makes(
    store: Store, tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = ORDERS[order]
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        add_people(bulk, numbers)
        add_people(bulk, numbers[: BATCH + 10], shift=1)
        at_the_end = bulk.finish()
    hurry(monkeypatch)
    with new_store(tmp_path / "other") as other:
        with BulkLoad(other, MODEL, SOURCE) as bulk:
            add_people(bulk, numbers)
            assert drafts_of(other)
            add_people(bulk, numbers[: BATCH + 10], shift=1)
            assert bulk._index.spilled_runs > 1
            on_the_way = bulk.finish()
        assert replace(on_the_way, data_version=at_the_end.data_version) == at_the_end
        assert payloads(other) == payloads(store)
        assert other.verify().is_sound and not drafts_of(other)
        with BulkLoad(other, MODEL, SOURCE) as bulk:
            add_people(bulk, numbers)
            add_people(bulk, numbers[: BATCH + 10], shift=1)
            again = bulk.finish()
        assert (again.created, again.profiles_changed, again.blocks_written) == (0, 0, 0)
    with Store.open(tmp_path / "other") as reopened:
        assert payloads(reopened) == payloads(store)


def test_blocks_of_people_in_order_are_folded_once(
    store: Store, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded: list[tuple[str, int]] = []
    keep = FieldLoad.keep

    def noted(self: FieldLoad, block: int, encoded: Encoded) -> None:
        folded.append((self.field.name, block))
        keep(self, block, encoded)

    monkeypatch.setattr(FieldLoad, "keep", noted)
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        add_people(bulk, np.arange(3 * BLOCK - 17))
        bulk.finish()
    assert len(folded) == len(set(folded))
    assert {block for _, block in folded} == {0, 1, 2}


def test_an_abandoned_load_takes_what_it_wrote_ahead_with_it(store: Store, hurried: None) -> None:
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        add_people(bulk, np.arange(BLOCK + 5))
        assert drafts_of(store)
        assert store.verify().is_sound
    assert not drafts_of(store)
    assert store.verify().is_sound
    assert store.snapshot().row_count == 0


@pytest.mark.parametrize("kind", [RecordType.DATA, RecordType.META])
def test_a_crash_leaves_a_store_as_before_and_opening_clears_it(
    store: Store, tmp_path: Path, hurried: None, kind: RecordType
) -> None:
    """While blocks are written ahead, and when shards of identifiers are, too."""
    load(store, [{"member": "before"}])
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        write = bulk._write_through

        def copied(put: Callable[[Writer], None]) -> int:
            if kind is RecordType.META:
                shutil.copytree(store.path, tmp_path / "crashed")
            return write(put)

        bulk._write_through = copied
        add_people(bulk, np.arange(3 * BLOCK))
        if kind is RecordType.DATA:
            shutil.copytree(store.path, tmp_path / "crashed")
        bulk.finish()
    with Store.open(tmp_path / "crashed", read_only=True) as crashed:
        assert crashed.snapshot().live_count == 1
        assert {RecordType(key[0]) for key in drafts_of(crashed)} == {RecordType.DATA, kind}
        assert crashed.verify().is_sound
    with Store.open(tmp_path / "crashed") as crashed:
        assert not drafts_of(crashed)
        assert crashed.verify().is_sound
        assert profile(crashed, "member", "before") is not None
        assert profile(crashed, "member", "m1") is None
        load(crashed, [{"member": "after"}])
        assert crashed.verify().is_sound
    assert profile(store, "member", f"m{3 * BLOCK - 1}") is not None


def test_blocks_that_another_write_makes_meanwhile_are_not_touched(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with BulkLoad(store, MODEL, SOURCE) as bulk:
        with monkeypatch.context() as patched:
            hurry(patched)
            add_people(bulk, np.arange(2 * BLOCK + 9))
        assert drafts_of(store)
        load(store, [{"member": "other", "city": "西安"}])
        # Its block has nothing of the load; the blocks beyond it have, for now.
        assert store.verify().is_sound
        hurry(monkeypatch)
        with pytest.raises(InputInvalid, match="changed while the load was running"):
            add_people(bulk, np.arange(2 * BLOCK + 9, 5 * BLOCK))
    assert not drafts_of(store)
    assert store.verify().is_sound
    record = profile(store, "member", "other")
    assert record is not None and record.attributes == {"city": "西安"}
    assert store.snapshot().live_count == 1


def test_a_draft_that_shrinks_leaves_nothing_behind(store: Store, hurried: None) -> None:
    long = [{"member": f"m{i}", "remark": "x" * 60_000} for i in range(50)]
    short = [{"member": f"m{i}", "remark": "y"} for i in range(50)]
    outcome, _ = load(store, long, short)
    assert outcome.created == 50
    assert store.verify().is_sound and not drafts_of(store)
    record = profile(store, "member", "m3")
    assert record is not None and record.attributes["remark"] == "y"


def test_what_goes_wrong_while_folding_ends_the_load(
    store: Store, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreUnwritable("the disk is full")

    monkeypatch.setattr(Store, "apply_ahead", full)
    with pytest.raises(StoreUnwritable, match="full"), BulkLoad(store, MODEL, SOURCE) as bulk:
        add_people(bulk, np.arange(2 * BLOCK))
        bulk.finish()
    monkeypatch.undo()
    assert store.verify().is_sound
    load(store, [{"member": "after"}])
    assert store.snapshot().live_count == 1
