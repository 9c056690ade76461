"""Dictionaries: codes are given once, pages fill up, limits hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.columns.strings import Strings
from engine.errors import InputInvalid
from engine.store import dictionary as module
from engine.store.catalog import FieldKind
from engine.store.dictionary import (
    Dictionary,
    DictionaryGrowth,
    DictionaryTable,
    pack_pages,
    unpack_page,
)
from engine.store.store import Store
from tests.sample_stores import MAP_BYTES

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
values = st.lists(st.one_of(st.none(), texts))


def table_of(*strings: str) -> DictionaryTable:
    table = DictionaryTable()
    table.add(Strings.from_list(strings))
    return table


@given(values, values)
def test_interning_gives_codes_in_order_of_first_sight(
    stored: list[str | None], new: list[str | None]
) -> None:
    codes: dict[str, int] = {}
    table = DictionaryTable()
    for strings in (stored, new):
        growth = DictionaryGrowth(table)
        found = growth.intern(Strings.from_list(strings)).tolist()
        for string in strings:
            if string is not None:
                codes.setdefault(string, len(codes) + 1)
        assert found == [0 if s is None else codes[s] for s in strings]
        assert growth.added_count == len(codes) - len(table)
        growth.settle()
    seen = Dictionary(table, len(codes))
    assert list(seen.values) == list(codes)
    assert {value: seen.code(value) for value in codes} == codes


def test_an_older_state_does_not_see_newer_values() -> None:
    seen = Dictionary(table_of("a", "b", "c"), 2)
    assert len(seen) == 2 and list(seen.values) == ["a", "b"]
    assert seen.code("c") == 0 and seen.code("b") == 2
    assert seen.codes(Strings.from_list(["c", None, "a"])).tolist() == [0, 0, 1]
    assert seen.value(2) == "b" and seen.strings.to_list() == ["a", "b"]
    for code in (0, 3, -1):
        with pytest.raises(IndexError):
            seen.value(code)
    with pytest.raises(IndexError):
        seen.values[2]
    assert seen.values[-1] == "b" and seen.values[0:9] == ["a", "b"]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), unique=True),
    st.integers(16, 200),
)
def test_pages_hold_all_values_within_their_size(strings: list[str], size: int) -> None:
    whole = Strings.from_list(strings)
    limit, module.DICTIONARY_PAGE_BYTES = module.DICTIONARY_PAGE_BYTES, size
    try:
        pages = pack_pages(11, whole)
    finally:
        module.DICTIONARY_PAGE_BYTES = limit
    code, found = 11, []
    for page in pages:
        held = unpack_page(memoryview(page), code).to_list()
        assert held and (len(page) <= size or len(held) == 1)
        found += held
        code += len(held)
    assert found == strings


def test_a_page_of_another_place_or_length_is_refused() -> None:
    (page,) = pack_pages(5, Strings.from_list(["a", "bc"]))
    assert unpack_page(memoryview(page), 5).to_list() == ["a", "bc"]
    for payload, code in ((page, 6), (page + b"x", 5), (page[:-1], 5), (page[:11], 5)):
        with pytest.raises(ValueError):
            unpack_page(memoryview(payload), code)


def test_a_value_twice_in_the_pages_is_refused() -> None:
    with pytest.raises(ValueError, match="code already"):
        table_of("a", "b").add(Strings.from_list(["c", "a"]))


def test_limits_refuse_before_anything_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRING_BYTES", 6)
    monkeypatch.setattr(module, "DICTIONARY_VALUES", 4)
    growth = DictionaryGrowth(table_of("a"))
    with pytest.raises(InputInvalid, match="9 bytes is longer than the 6"):
        growth.intern(Strings.from_list(["ok", "制造业"]))
    assert growth.added_count == 0
    assert growth.intern(Strings.from_list(["b", "c", "b"])).tolist() == [2, 3, 2]
    with pytest.raises(InputInvalid, match="takes 4 different"):
        growth.intern(Strings.from_list(["d", "e"]))
    assert growth.intern(Strings.from_list(["d", "d", "d", "a"])).tolist() == [4, 4, 4, 1]


def test_codes_stay_over_commits_and_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DICTIONARY_PAGE_BYTES", 300)
    random = np.random.default_rng(5)
    codes: dict[str, int] = {}
    store = Store.create(tmp_path / "s", map_size=MAP_BYTES)
    with store.write() as writer:
        field = writer.add_field("f", FieldKind.SET, "set").id
    for step in range(30):
        strings = [f"value {i}" for i in random.integers(0, 20 * (step + 1), 8)]
        with store.write() as writer:
            found = writer.intern(field, Strings.from_list(strings)).tolist()
        for string, code in zip(strings, found, strict=True):
            assert codes.setdefault(string, code) == code
        if step % 7 == 3:
            store.close()
            store = Store.open(tmp_path / "s", map_size=MAP_BYTES)
    assert sorted(codes.values()) == list(range(1, len(codes) + 1))
    seen = store.snapshot().dictionary(field)
    assert {value: i + 1 for i, value in enumerate(seen.values)} == codes
    listing = store.snapshot().version.state.dictionaries[field]
    assert len(listing.pages) > 5 and max(page.length for page in listing.pages) <= 300
    assert store.verify().is_sound
    store.close()


def test_a_new_value_writes_the_last_page_alone(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", map_size=MAP_BYTES) as store:
        with store.write() as writer:
            field = writer.add_field("f", FieldKind.CODES, "category").id
            many = Strings.from_list([f"value {i:06}" for i in range(20_000)])
            writer.intern(field, many)
        before = store.snapshot().version.state.dictionaries[field].pages
        with store.write() as writer:
            assert writer.intern(field, Strings.from_list(["one more"])).tolist() == [20_001]
        after = store.snapshot().version.state.dictionaries[field].pages
    assert len(before) == len(after) > 4
    assert before[:-1] == after[:-1] and before[-1] != after[-1]
