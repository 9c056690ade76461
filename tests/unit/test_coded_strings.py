"""Coded strings mean what the same strings written out mean, wherever they may stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion.attributes import attribute_cells, giver_cells, identifier_cells
from conversion.coded import coded_strings, is_coded
from conversion.sets import set_cells
from conversion.texts import plain_column
from engine.columns.coded import CodedStrings
from engine.columns.strings import Strings
from engine.live.batch import ProfileBatch, SetColumn, Texts
from engine.live.bulk_load import BulkLoad
from engine.live.validate import refusals
from tests.loads import MODEL, SOURCE, new_store, profile

VALUES = st.lists(st.sampled_from(["a", "b", "", "长", " c ", None]), max_size=6)
INDICES = st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=20)


def dictionary(values: list[str | None], indices: list[int | None]) -> pa.DictionaryArray:
    inside = [None if i is None or not values else i % len(values) for i in indices]
    return pa.DictionaryArray.from_arrays(
        pa.array(inside, pa.int32()), pa.array(values, pa.string())
    )


@given(VALUES, INDICES)
def test_a_dictionary_is_its_strings(values: list[str | None], indices: list[int | None]) -> None:
    column = dictionary(values, indices)
    assert is_coded(column)
    coded = coded_strings(column)
    expected = [None if cell == "" else cell for cell in column.to_pylist()]
    assert coded.to_list() == expected
    assert coded.valid.tolist() == [cell is not None for cell in expected]
    assert coded.values.valid.all()
    at = np.array([*range(len(expected)), -1, *range(0, len(expected), 2)])
    assert coded.take(at).to_list() == [expected[i] if i >= 0 else None for i in at.tolist()]
    zone = MODEL.time_zone
    for name in ("city", "remark"):
        cells = attribute_cells(MODEL.attributes[name], column, zone)[0]
        plain = attribute_cells(MODEL.attributes[name], plain_column(column), zone)[0]
        assert isinstance(cells, Texts) and isinstance(plain, Texts)
        assert cells.values.to_list() == plain.values.to_list()
    for read in (identifier_cells, giver_cells):
        assert read(column)[0].to_list() == read(plain_column(column))[0].to_list()


@given(VALUES, st.lists(st.one_of(st.none(), st.lists(st.integers(0, 5), max_size=4))))
def test_lists_of_a_dictionary(values: list[str | None], cells: list[list[int] | None]) -> None:
    flat = [i for cell in cells for i in cell or []]
    offsets = pa.array(
        [
            None if cell is None else sum(len(c or []) for c in cells[:i])
            for i, cell in enumerate(cells)
        ]
        + [len(flat)],
        pa.int32(),
    )
    column = pa.ListArray.from_arrays(offsets, dictionary(values, flat))
    found_offsets, found = set_cells(column, None)
    assert isinstance(found, CodedStrings)
    expected = [[value for value in cell or [] if value] for cell in column.to_pylist()]
    assert np.diff(found_offsets).tolist() == [len(cell) for cell in expected]
    assert found.to_list() == [value for cell in expected for value in cell]


def test_a_code_beyond_the_dictionary_is_refused() -> None:
    values = Strings.from_list(["a", None])
    assert CodedStrings.of(values, np.array([1, 0, -1])).to_list() == [None, "a", None]
    for code in (2, -2):
        with pytest.raises(ValueError, match="beyond"):
            CodedStrings.of(values, np.array([0, code]))


def test_each_value_that_a_string_has_is_interned_once() -> None:
    asked: list[list[str | None]] = []

    def intern(strings: Strings) -> np.ndarray:
        asked.append(strings.to_list())
        return np.arange(7, 7 + len(strings), dtype=np.uint32)

    strings = CodedStrings.of(Strings.from_list(["a", "b", "c"]), np.array([2, -1, 0, 2]))
    assert strings.interned(intern).tolist() == [8, 0, 7, 8]
    assert asked == [["a", "c"]]


def test_a_value_that_cannot_be_kept_refuses_the_records_that_have_it() -> None:
    values = Strings.from_list(["ok", "x" * 5_000, "y" * 5_000])
    city = CodedStrings.of(values, np.array([0, 1, -1, 1]))
    likes = CodedStrings.of(values, np.array([0, 1, 0]))
    batch = ProfileBatch(
        4,
        {"member": Strings.from_list(["m1", "m2", "m3", "m4"])},
        {"city": Texts(city)},
        {"likes": SetColumn(np.array([0, 1, 1, 3, 3]), likes)},
    )
    reasons = refusals(batch, MODEL)
    assert reasons == {
        1: "city is longer than 4,096 bytes",
        2: "likes is longer than 4,096 bytes",
        3: "city is longer than 4,096 bytes",
    }


def test_a_load_keeps_what_the_records_have_and_no_other_value(tmp_path: Path) -> None:
    values = Strings.from_list(["nobody's", "上海", "x" * 5_000, "北京"])
    batch = ProfileBatch(
        3,
        {"member": Strings.from_list(["m1", "m2", "m3"])},
        {"city": Texts(CodedStrings.of(values, np.array([3, 2, 1])))},
        {"likes": SetColumn(np.array([0, 2, 3, 3]), CodedStrings.of(values, np.array([1, 3, 1])))},
    )
    remark = Texts(CodedStrings.of(values, np.array([1, -1, -1])))
    batch = replace(batch, attributes={**batch.attributes, "remark": remark})
    with new_store(tmp_path / "store") as store:
        with BulkLoad(store, MODEL, SOURCE) as bulk:
            assert [row for row, _ in bulk.add(batch).refused] == [1]
            bulk.finish()
        with store.snapshot() as snapshot:
            known = snapshot.dictionary(snapshot.fields["city"].id).values
            assert sorted(known) == ["上海", "北京"]
        record = profile(store, "member", "m1")
        assert record is not None
        assert record.attributes == {"city": "北京", "likes": ["上海", "北京"], "remark": "上海"}
