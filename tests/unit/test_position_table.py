"""Positions of partitions: what is new of a batch, who may write, and what survives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputInvalid, OwnerFenced
from engine.live.log_entry import Mark
from engine.live.position_table import PositionTable
from engine.live.positions import Position, StoredPosition
from engine.store.store import Store


def at(*offsets: int, epoch: int = 1, partition: str = "0") -> Position:
    return Position("crm", partition, epoch, np.array(offsets, np.uint64))


def taken(table: PositionTable, position: Position, sequence: int) -> list[int]:
    """Takes a batch whose commit succeeds; the places of its new records."""
    fresh = table.fresh(position).tolist()
    table.advance(position)
    table.settle(sequence)
    return fresh


@pytest.fixture
def table() -> PositionTable:
    return PositionTable({}, 0)


def test_what_was_durable_is_not_taken_again(table: PositionTable) -> None:
    assert taken(table, at(0, 1, 2), 1) == [0, 1, 2]
    assert taken(table, at(1, 2, 7), 2) == [2]
    assert taken(table, at(7, 7 + 2**40), 3) == [1]
    assert taken(table, at(3, 4), 4) == [], "gaps are never filled"
    assert table.get("crm", "0") == StoredPosition(1, 7 + 2**40)
    assert taken(table, at(3, 4, partition="1"), 5) == [0, 1]


def test_batches_of_one_commit_follow_each_other(table: PositionTable) -> None:
    table.advance(at(0, 1))
    assert table.fresh(at(1, 2)).tolist() == [1]
    assert table.get("crm", "0") is None, "nothing is durable before the commit"
    table.forget()
    assert table.fresh(at(1, 2)).tolist() == [0, 1]


def test_an_older_owner_is_fenced_off(table: PositionTable) -> None:
    taken(table, at(0, epoch=3), 1)
    with pytest.raises(OwnerFenced, match="epoch 3"):
        table.fresh(at(1, epoch=2))
    assert taken(table, at(0, 1, epoch=4), 2) == [1], "a new owner goes on where the old one was"
    with pytest.raises(OwnerFenced):
        table.fresh(at(2, epoch=3))


def test_a_new_owner_without_news_fences_too(table: PositionTable) -> None:
    taken(table, at(0, epoch=3), 1)
    mark = table.advance(at(0, epoch=5))
    assert mark == Mark("crm", "0", StoredPosition(5, 0))
    table.settle(2)
    with pytest.raises(OwnerFenced):
        table.fresh(at(1, epoch=4))


def test_a_batch_of_nothing_moves_nothing(table: PositionTable) -> None:
    assert table.advance(at()) is None
    taken(table, at(5), 1)
    assert table.advance(at(5)) is None


@pytest.mark.parametrize("name", ["source", "partition"])
def test_long_names_are_refused(table: PositionTable, name: str) -> None:
    given = {"source": "s", "partition": "p", name: "x" * 257}
    with pytest.raises(InputInvalid, match=name):
        table.fresh(Position(**given, owner_epoch=0, offsets=np.zeros(1, np.uint64)))


def test_what_a_commit_brings_is_dirty_also_where_it_saves_the_rest(tmp_path: Path) -> None:
    with Store.create(tmp_path / "store") as store:
        table = PositionTable.load(store.snapshot())
        taken(table, at(0), 1)
        assert table.dirty_since == 1
        with store.write() as writer:
            table.advance(at(1))
            table.save(writer, 1)
        table.saved(1)
        table.settle(2)
        assert table.dirty_since == 2
        again = PositionTable.load(store.snapshot())
        assert again.get("crm", "0") == StoredPosition(1, 0)
        again.replay(Mark("crm", "0", StoredPosition(1, 9)), 1)
        assert again.get("crm", "0") == StoredPosition(1, 0), "the table has that record"
        again.replay(Mark("crm", "0", StoredPosition(1, 1)), 2)
        assert again.get("crm", "0") == StoredPosition(1, 1)
        assert again.dirty_since == 2
