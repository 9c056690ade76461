"""String columns: to and from lists and buffers, taking, joining, and distinct values."""

from __future__ import annotations

import numpy as np
import pytest

from engine.columns.hashing import xxh64_many16
from engine.columns.string_index import StringIndex
from engine.columns.strings import Strings, concat, factorize

VALUES = ["a", None, "", "制造业", "a", "a longer one, so that it takes more than one stripe", None]


def test_lists_go_both_ways() -> None:
    strings = Strings.from_list(VALUES)
    assert strings.to_list() == VALUES
    assert [strings[i] for i in range(-len(VALUES), len(VALUES))] == VALUES * 2
    assert strings.offsets.tolist()[:5] == [0, 1, 1, 1, 10]
    assert strings.valid.tolist() == [value is not None for value in VALUES]
    assert strings.lengths().tolist() == [len((value or "").encode()) for value in VALUES]
    assert strings == Strings.from_list(VALUES) != Strings.from_list(VALUES[1:])
    with pytest.raises(IndexError):
        strings[len(VALUES)]


@pytest.mark.parametrize(
    ("values", "error"), [([1], TypeError), ([b"a"], TypeError), (["\ud800"], UnicodeEncodeError)]
)
def test_what_is_no_text_is_refused(values: list, error: type[Exception]) -> None:
    with pytest.raises(error):
        Strings.from_list(values)


def test_bytes_that_are_no_text_do_not_become_one() -> None:
    strings = Strings.from_buffers(np.array([0, 1]), np.array([0xFF], np.uint8), None)
    with pytest.raises(UnicodeDecodeError):
        strings.to_list()


def test_foreign_buffers_are_shared_and_may_begin_late() -> None:
    data = np.frombuffer(b"??abcd", np.uint8)
    strings = Strings.from_buffers(
        np.array([2, 3, 5, 6], np.int32), data, np.array([True, False, True])
    )
    assert strings.to_list() == ["a", None, "d"]
    assert strings.data is data
    assert strings.lengths().tolist() == [1, 0, 1]
    packed = strings.compact()
    assert packed.to_list() == ["a", None, "d"]
    assert packed.data.tobytes() == b"ad" and packed.offsets.tolist() == [0, 1, 1, 2]
    assert packed.compact() is packed


def test_slices_share_and_takes_copy() -> None:
    strings = Strings.from_list(VALUES)
    assert strings.slice(3, 6).to_list() == VALUES[3:6]
    assert strings.slice(3, 6).data is strings.data
    taken = strings.slice(1, 7).take(np.array([5, 2, -1, 2, 0], np.int32))
    assert taken.to_list() == [None, "制造业", None, "制造业", None]
    with pytest.raises(AssertionError):
        strings.take(np.array([len(VALUES)]))
    with pytest.raises(AssertionError):
        strings.take(np.array([-2]))


def test_pieces_join_in_order() -> None:
    strings = Strings.from_list(VALUES)
    joined = concat([strings.slice(3, 6), Strings.missing(2), strings, Strings.missing(0)])
    assert joined.to_list() == [*VALUES[3:6], None, None, *VALUES]
    assert concat([]).to_list() == []
    assert Strings.missing(3).to_list() == [None] * 3


def test_distinct_values_come_in_the_order_they_first_stood() -> None:
    unique, places = factorize(Strings.from_list(VALUES))
    assert unique.to_list() == ["a", "", "制造业", VALUES[5]]
    assert places.tolist() == [0, -1, 1, 2, 0, 3, -1]
    unique, places = factorize(Strings.missing(4))
    assert len(unique) == 0 and places.tolist() == [-1] * 4
    assert [len(column) for column in factorize(Strings.missing(0))] == [0, 0]


def test_many_distinct_values_outgrow_the_table_and_the_heap() -> None:
    long = ["y" * 100_000, "z" * 500_000]  # several doublings of the heap at once
    values = long + [f"value {i * i % 30_011} " + "x" * (i % 40) for i in range(20_000)] * 2
    unique, places = factorize(Strings.from_list(values))
    assert unique.to_list() == list(dict.fromkeys(values))
    assert unique.take(places).to_list() == values


def test_strings_are_told_apart_where_their_hashes_agree() -> None:
    numbers = np.char.zfill(np.arange(200_000).astype("S16"), 16)
    halves = xxh64_many16(numbers.view(np.uint8).reshape(-1, 16), 0) >> 32
    order = np.argsort(halves)
    twins = np.flatnonzero(np.diff(halves[order]) == 0)
    assert len(twins) > 0
    pair = [numbers[order[twins[0] + i]].decode() for i in (0, 1)]
    assert factorize(Strings.from_list(pair * 2))[1].tolist() == [0, 1, 0, 1]


def test_an_index_keeps_its_numbers_while_it_grows() -> None:
    def columns(*values: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        strings = Strings.from_list(values)
        return strings.offsets, strings.data, strings.valid

    index = StringIndex()
    assert index.find(*columns("a")).tolist() == [-1]
    assert index.add(*columns("a", "b", None, "a")).tolist() == [0, 1, -1, 0]
    assert index.add(*columns("", "b", "c")).tolist() == [2, 1, 3]
    assert index.find(*columns("c", "d", None, "", "a")).tolist() == [3, -1, -1, 2, 0]
    assert len(index) == 4
    offsets, data = index.contents()
    assert (offsets.tolist(), data.tobytes()) == ([0, 1, 2, 2, 3], b"abc")
    offsets, data = index.contents(3)
    assert (offsets.tolist(), data.tobytes()) == ([0, 1], b"c")
    assert index.contents(4)[0].tolist() == [0]
