"""Identifiers and attributes read by column, beside the same read profile by profile."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from engine.database import Database
from engine.errors import NotFound
from engine.listing import batches
from engine.members import Members
from tests.live_databases import LiveDatabase, model_files
from tests.wire.real_store import build


def agree(database: Database, members: Members) -> int:
    """Holds every form of a list against the profiles of its rows; gives their number."""
    model = database.model
    assert model is not None
    uids = [one.hex() for one in _uids(members)]
    assert len(uids) == members.count == len(set(uids))
    records = database.profiles([("uid", uid) for uid in uids])
    names = list(model.attributes)
    for kind in (None, "member", "phone"):
        tables = list(members.table(kind, names))
        entries: list[str | None] = []
        for table in tables:
            if kind is None:
                entries += [table.uids[at : at + 16].hex() for at in range(0, len(table.uids), 16)]
            else:
                assert table.identifiers is not None
                entries += table.identifiers.to_list()
        cells = [[cell for table in tables for cell in table.columns[i]] for i in range(len(names))]
        expected = [
            (entry, record)
            for uid, record in zip(uids, records, strict=True)
            if record is not None
            for entry in ([uid] if kind is None else record.identifiers.get(kind, []))
        ]
        assert entries == [entry for entry, _ in expected]
        for name, column in zip(names, cells, strict=True):
            wanted: list[Any] = [record.attributes.get(name) for _, record in expected]
            assert column == wanted, name
            assert list(map(type, column)) == list(map(type, wanted)), name
        if kind is not None:
            assert [one for chunk in members.identifiers(kind) for one in chunk] == entries
    return len(uids)


def _uids(members: Members) -> list[bytes]:
    joined = b"".join(members.uids())
    return [joined[at : at + 16] for at in range(0, len(joined), 16)]


@pytest.mark.parametrize("order_by", [None, "age", "weight"])
def test_a_loaded_store(tmp_path: Path, order_by: str | None) -> None:
    with Database.open(build(tmp_path / "store")) as database:
        for expression in ("age > 30", "true", "false", "remark is present and vip"):
            with database.members(expression, order_by=order_by) as members:
                assert agree(database, members) == database.count(expression).count


def test_ordered_rows_of_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ORDERED_ROWS", 100)
    with (
        Database.open(build(tmp_path / "store")) as database,
        database.members("age > 30", order_by="spend", descending=True) as members,
    ):
        assert agree(database, members) > 1000


def test_a_store_that_is_written_in_place(tmp_path: Path) -> None:
    """Profiles that lie in memory alone, a few updates after another, and saved ones."""
    rng = random.Random(6)
    live = LiveDatabase(tmp_path / "store")
    with live.database as database:
        for turn in range(6):
            live.send(*(_update(rng, rng.randrange(60)) for _ in range(40)))
            if turn == 3:
                database.checkpoint()
            for order_by in (None, "size", "rate", "seen"):
                with database.members("true", order_by=order_by) as members:
                    assert agree(database, members) == database.profile_count


def _update(rng: random.Random, person: int) -> dict[str, Any]:
    update: dict[str, Any] = {"member": f"m{person}"}
    if rng.random() < 0.3:
        update["phone"] = f"{person}-{rng.randrange(2)}"
    for name, value in {
        "city": rng.choice(["京", "津", "x"]),
        "size": rng.randrange(-50, 1 << rng.choice([4, 40])),
        "spent": rng.randrange(-(10**6), 10**6),
        "rate": rng.choice([0.5, -1e300, 3.0]),
        "seen": rng.randrange(10**15),
        "remark": rng.choice(["", "note", "客" * 9]),
    }.items():
        if rng.random() < 0.5:
            update[name] = value if rng.random() < 0.9 else None
    if rng.random() < 0.6:
        update["likes"] = rng.sample(["x", "y", "客", "a"], rng.randrange(4))
    return update


def test_an_attribute_that_has_no_cells_yet(tmp_path: Path) -> None:
    live = LiveDatabase(tmp_path / "store")
    with live.database as database:
        live.send({"member": "a", "size": 1})
        with database.members("true") as before:
            files = model_files()
            files["model.yaml"] = files["model.yaml"].replace(
                "  size:", "  later: {type: set}\n  size:"
            )
            database.apply_model(files)
            with database.members("true", order_by="size") as members:
                assert agree(database, members) == 1
            assert [table.columns for table in before.table("member", ["size"])] == [[[1]]]
            with pytest.raises(NotFound, match="Did you mean size"):
                before.table("member", ["siz"])
            with pytest.raises(NotFound, match="Did you mean member"):
                before.identifiers("membr").__next__()
