"""Frozen audiences: what is kept of them, what is refused, and what is told of who is gone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.bitmaps.containers import mask_of_rows
from engine.bitmaps.portable import portable
from engine.columns.sets import encode_rows
from engine.core.memberships import stored_masks
from engine.errors import (
    AlreadyExists,
    ExpressionInvalid,
    InputInvalid,
    NotFound,
    StoreCorrupt,
    StoreUnwritable,
)
from engine.frozen_audiences import FrozenName
from engine.limits import FROZEN_BY_BYTES
from engine.listing import frozen as frozen_module
from engine.listing.frozen import Page, page_of_masks
from engine.live.staged import Staged
from engine.store.catalog import LIVE
from engine.store.writer import Writer
from tests.live_databases import LiveDatabase

NOW_US = 1_750_000_000_000_000


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveDatabase]:
    live = LiveDatabase(tmp_path / "store")
    live.sizes(*((f"m{number}", number) for number in range(10)))
    yield live
    live.database.close()


def names(live: LiveDatabase, name: str, **how: object) -> list[str]:
    """Members of a frozen audience, in listed order."""
    with live.database.frozen.members(name, **how) as members:  # type: ignore[arg-type]
        return [value for chunk in members.identifiers("member") for value in chunk]


def kill(live: LiveDatabase, *members: str) -> None:
    """Takes profiles out of the live ones, as erasing them will."""
    with live.database.members("true") as everybody:
        listed = [value for chunk in everybody.identifiers("member") for value in chunk]
        rows = dict(zip(listed, everybody.rows.tolist(), strict=True))
    left = np.array([row for name, row in rows.items() if name not in members], np.uint16)

    def stage(writer: Writer) -> Staged:
        writer.put_field(LIVE.id, 0, encode_rows(np.sort(left)))
        return Staged()

    live.database._live.edit(stage)


def test_members_stay_whatever_becomes_of_them(live: LiveDatabase) -> None:
    made = live.database.frozen.freeze("big", "size >= 6", made_by="ann")
    assert (made.count, made.matched, made.made_by, made.expression) == (4, 4, "ann", "size >= 6")
    assert made.data_version == live.database.data_version - 1, "frozen before its own edit"
    live.sizes(("m9", 1), ("m0", 100))
    assert names(live, "big") == ["m6", "m7", "m8", "m9"]
    assert live.members("size >= 6") == ["m0", "m6", "m7", "m8"]
    state = live.database.frozen.get("big")
    assert (state.frozen, state.gone) == (made, 0)


def test_they_survive_closing(live: LiveDatabase) -> None:
    made = live.database.frozen.freeze("big", "size >= 6", expires_at_us=time.time_ns())
    live.database.close()
    again = LiveDatabase(live.path, read_only=True)
    with again.database:
        assert [state.frozen for state in again.database.frozen.page()] == [made]
        assert names(again, "big") == ["m6", "m7", "m8", "m9"]
        with pytest.raises(StoreUnwritable):
            again.database.frozen.freeze("other", "true")
        assert again.database.verify().is_sound


def test_a_name_is_taken_once(live: LiveDatabase) -> None:
    frozen = live.database.frozen
    made = frozen.freeze("big", "size >= 6")
    with pytest.raises(AlreadyExists):
        frozen.freeze("big", "true")
    assert frozen.get("big").frozen == made and names(live, "big") == ["m6", "m7", "m8", "m9"]
    frozen.drop("big")
    assert frozen.page() == []
    assert frozen.freeze("big", "size >= 9").count == 1
    assert names(live, "big") == ["m9"]


def test_a_name_taken_meanwhile_is_refused_by_the_writer(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = live.database.frozen
    frozen.freeze("big", "size >= 6")
    monkeypatch.setattr(frozen, "_refuse_taken", lambda *_: None)
    version = live.database.data_version
    with pytest.raises(AlreadyExists):
        frozen.freeze("big", "true")
    assert live.database.data_version == version
    assert names(live, "big") == ["m6", "m7", "m8", "m9"]


def test_what_is_refused(live: LiveDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen = live.database.frozen
    version = live.database.data_version
    for name in ("", " a", "a ", "a\nb", "a\x7f", "x" * 201):
        with pytest.raises(InputInvalid):
            frozen.freeze(name, "true")
    with pytest.raises(InputInvalid):
        frozen.freeze("a", "true", made_by="é" * (FROZEN_BY_BYTES // 2 + 1))
    with pytest.raises(InputInvalid, match="expired"):
        frozen.freeze("a", "true", expires_at_us=1)
    with pytest.raises(ExpressionInvalid):
        frozen.freeze("a", "sizee > 3")
    with pytest.raises(NotFound, match="Did you mean size"):
        frozen.freeze("a", "true", limit=3, order_by="siz")
    for act in (frozen.get, frozen.drop, frozen.members):
        with pytest.raises(NotFound):
            act("a")
    assert live.database.data_version == version
    frozen.freeze("one", "true")
    monkeypatch.setattr(frozen_module, "FROZEN_AUDIENCES", 1)
    with pytest.raises(InputInvalid, match="the most"):
        frozen.freeze("two", "true")
    with pytest.raises(NotFound, match="Did you mean one"):
        frozen.get("on")


def test_an_expired_audience_is_not_there_and_makes_room(
    live: LiveDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = live.database.frozen
    soon = time.time_ns() // 1000 + 3600 * 10**6
    frozen.freeze("short", "true", expires_at_us=soon)
    frozen.freeze("long", "true", expires_at_us=soon + 1)
    monkeypatch.setattr("engine.frozen_audiences._now_us", lambda: soon)
    assert [state.frozen.name for state in frozen.page()] == ["long"]
    for act in (frozen.get, frozen.drop, frozen.members):
        with pytest.raises(NotFound, match="expired"):
            act("short")
    frozen.freeze("short", "size = 3")
    assert names(live, "short") == ["m3"]
    monkeypatch.setattr("engine.frozen_audiences._now_us", lambda: soon + 1)
    frozen.drop("short")
    with live.database._store.snapshot() as snapshot:
        assert snapshot.meta_names("frozen") == []


def test_those_who_are_gone_are_told_and_not_listed(live: LiveDatabase) -> None:
    frozen = live.database.frozen
    frozen.freeze("big", "size >= 6")
    kill(live, "m7", "m9", "m0")
    assert names(live, "big") == ["m6", "m8"]
    with frozen.members("big") as members:
        assert (members.matched, members.count, members.gone) == (2, 2, 2)
        assert len(b"".join(members.uids())) == 32
    assert [state.gone for state in frozen.page()] == [2]
    counted = frozen.count(frozen.page()[0].frozen.name)
    assert (counted.count, counted.gone) == (2, 2)
    # Places count them, so that a page never shifts.
    pages = [names(live, "big", page=Page(first, 2)) for first in (0, 1, 2, 3, 4)]
    assert pages == [["m6"], ["m8"], ["m8"], [], []]
    with frozen.members("big", page=Page(1, 2)) as members:
        assert members.gone == 1
    found = frozen.compare(FrozenName("big"), "not size < 8")
    assert (found.left, found.right, found.both) == (2, 1, 1)


def test_a_limit_is_kept_and_an_order_is_not(live: LiveDatabase) -> None:
    frozen = live.database.frozen
    frozen.freeze("top", "true", limit=3, order_by="size", descending=True)
    assert names(live, "top") == ["m7", "m8", "m9"]
    frozen.freeze("drawn", "true", limit=4, salt="s")
    with live.database.members("true", limit=4, salt="s") as members:
        drawn = [value for chunk in members.identifiers("member") for value in chunk]
    live.sizes(*((f"n{number}", number) for number in range(50)))
    assert names(live, "drawn") == drawn
    live.sizes(("m8", -5))
    assert names(live, "top", order_by="size") == ["m8", "m7", "m9"]
    assert names(live, "top", order_by="size", descending=True, limit=1) == ["m9"]


def test_comparing(live: LiveDatabase) -> None:
    frozen = live.database.frozen
    frozen.freeze("low", "size < 6")
    frozen.freeze("high", "size >= 4")
    live.sizes(("m5", 50))
    both = frozen.compare(FrozenName("low"), FrozenName("high"))
    assert (both.left, both.right, both.both) == (6, 6, 2)
    now = frozen.compare("size < 6", FrozenName("low"))
    assert (now.left, now.right, now.both) == (5, 6, 5)
    assert now.data_version == live.database.data_version
    with pytest.raises(NotFound):
        frozen.compare(FrozenName("nobody"), "true")


def test_rows_of_later_blocks_are_none_of_it(live: LiveDatabase) -> None:
    """A page is cut at any place of any block."""
    rng = np.random.default_rng(5)
    masks = np.zeros((4, 1024), np.uint64)
    for block, count in ((0, 70), (2, 65_536), (3, 3)):
        rows = np.sort(rng.choice(65_536, count, replace=False)).astype(np.uint16)
        masks[block] = mask_of_rows(rows)
    rows_of = np.flatnonzero(np.unpackbits(masks.view(np.uint8).reshape(-1), bitorder="little"))
    for first in (0, 1, 69, 70, 71, 65_605, 65_606, 65_608, 65_609, 1 << 40):
        for size in (1, 2, 70, 65_536, 1 << 63):
            kept = page_of_masks(masks, Page(first, size)).view(np.uint8).reshape(-1)
            found = np.flatnonzero(np.unpackbits(kept, bitorder="little"))
            assert np.array_equal(found, rows_of[first : first + size])


@pytest.mark.parametrize(
    "damage",
    [
        {"frozen/big": None},
        {"frozen/big": b"nonsense"},
        {"frozen/big": b"[]"},
        {"frozen/big": {"version": 2}},
        {"frozen/big": {"row_epoch": 2}},
        {"frozen/big": {"count": 3}},
        {"frozen/big": {"more": 3}},
        {"frozen-rows/big": None},
        {"frozen-rows/big": b"nonsense"},
        {"frozen-rows/big": portable([(7, np.ones(1024, np.uint64))])},
    ],
    ids=range(10),
)
def test_damage_is_said(live: LiveDatabase, damage: dict[str, object]) -> None:
    live.database.frozen.freeze("big", "size >= 6")

    def stage(writer: Writer) -> Staged:
        for name, change in damage.items():
            if change is None:
                writer.delete_meta(name)
            elif isinstance(change, dict):
                said = json.loads(writer.meta(name) or b"")
                writer.put_meta(name, json.dumps({**said, **change}).encode())
            else:
                assert isinstance(change, bytes)
                writer.put_meta(name, change)
        return Staged()

    live.database._live.edit(stage)
    with pytest.raises(NotFound if damage == {"frozen/big": None} else StoreCorrupt):
        live.database.frozen.members("big")


def test_live_rows_are_read_as_members_are(live: LiveDatabase) -> None:
    with live.database._store.snapshot() as snapshot:
        masks = stored_masks(snapshot.addresses(LIVE.id), snapshot.block_count)
        assert int(np.bitwise_count(masks).sum()) == snapshot.live_count
