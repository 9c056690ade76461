"""Columns of cells against the same rules, told in plain Python for one cell."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from conversion.cell_by_cell import Faults
from conversion.moments import date_cells, time_cells
from conversion.numbers import bool_cells, decimal_cells, float_cells, int_cells
from conversion.sets import set_cells
from conversion.texts import identifier_column, strings_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REFUSED = "refused"

scales = st.integers(0, 18)
# Numbers close to half way between two of a scale, and far from it.
near_halves = st.builds(
    lambda whole, scale, steps: float(
        np.nextafter(whole / 2 / 10**scale, math.copysign(math.inf, steps))
        if steps
        else whole / 2 / 10**scale
    ),
    st.integers(-(10**7), 10**7),
    st.integers(0, 6),
    st.integers(-1, 1),
)
doubles = near_halves | st.floats()
numbers = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=5).map(str),
    doubles.map(repr),
    st.from_regex(r"[+-]?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    st.sampled_from(["", " ", " 7 ", "0x1F", "1_000", "٣", "nan", "-inf", "1,5", "+5", ".5", "5."]),
)


def plain(text: str) -> Decimal | str | None:
    """The number of a text: None where it is empty, REFUSED where it is none."""
    text = text.strip()
    if not text:
        return None
    if not set(text) <= set("+-.eE0123456789") or text.lower().startswith("e"):
        return REFUSED
    try:
        return Decimal(text)
    except ArithmeticError:
        return REFUSED


def scaled(number: Decimal | str | None, scale: int) -> int | str | None:
    if not isinstance(number, Decimal):
        return number
    if not number.is_finite():
        return REFUSED
    with localcontext(prec=400):
        unscaled = int(number.scaleb(scale).quantize(Decimal(1), ROUND_HALF_UP))
    return unscaled if abs(unscaled) < 10**18 else REFUSED


def same(found: tuple[Any, Faults], expected: list[Any]) -> None:
    """The cells are the expected values, missing where None, at fault where REFUSED."""
    cells, faults = found
    for index, wanted in enumerate(expected):
        if wanted == REFUSED:
            assert faults.get(index), index
        else:
            assert index not in faults, faults
        if wanted is None or wanted == REFUSED:
            assert not cells.valid[index]
        else:
            assert cells.valid[index]
            assert cells.values[index] == wanted


@given(st.lists(numbers, min_size=1, max_size=30), scales)
def test_decimals_of_texts(texts: list[str], scale: int) -> None:
    found = decimal_cells(pa.array(texts), scale)
    same(found, [scaled(plain(text), scale) for text in texts])


@given(st.lists(st.none() | doubles, min_size=1, max_size=30), scales)
@example([1.005, -1.005, 2.675, 0.285, 4503599627370497.5], 2)
def test_decimals_of_doubles(cells: list[float | None], scale: int) -> None:
    found = decimal_cells(pa.array(cells, pa.float64()), scale)
    expected = [None if cell is None else scaled(Decimal(repr(cell)), scale) for cell in cells]
    same(found, expected)


@given(
    st.lists(st.none() | st.decimals(-(10**15), 10**15, places=6), min_size=1, max_size=20),
    st.integers(0, 12),
)
def test_decimals_of_decimals(cells: list[Decimal | None], scale: int) -> None:
    found = decimal_cells(pa.array(cells, pa.decimal128(30, 6)), scale)
    same(found, [None if cell is None else scaled(cell, scale) for cell in cells])


@given(st.lists(numbers, min_size=1, max_size=30))
@example(["0E30"])
def test_ints_of_texts(texts: list[str]) -> None:
    def whole(number: Decimal | str | None) -> int | str | None:
        if not isinstance(number, Decimal):
            return number
        if not number.is_finite() or number != number.to_integral_value():
            return REFUSED
        return int(number) if -(2**63) <= number < 2**63 else REFUSED

    same(int_cells(pa.array(texts)), [whole(plain(text)) for text in texts])


@given(st.lists(st.none() | doubles | st.integers(-(2**60), 2**60).map(float), min_size=1))
def test_ints_of_doubles(cells: list[float | None]) -> None:
    def whole(cell: float | None) -> int | str | None:
        if cell is None:
            return None
        fits = math.isfinite(cell) and cell.is_integer() and -(2.0**63) <= cell < 2.0**63
        # The shortest text of a double can end in zeros that the double does not have.
        return int(Decimal(repr(cell))) if fits else REFUSED

    same(int_cells(pa.array(cells, pa.float64())), [whole(cell) for cell in cells])


@given(st.lists(numbers, min_size=1, max_size=30))
def test_floats_of_texts(texts: list[str]) -> None:
    def double(number: Decimal | str | None) -> float | str | None:
        if not isinstance(number, Decimal):
            return number
        value = float(number)
        return value if math.isfinite(value) else REFUSED

    found = float_cells(pa.array(texts))
    same(found, [double(plain(text)) for text in texts])
    assert not np.signbit(found[0].values[found[0].values == 0]).any()


TRUTHS = {"true": True, "1": True, "yes": True, "是": True, "1.0": True}
LIES = {"false": False, "0": False, "no": False, "否": False, "0.0": False}


@given(st.lists(st.sampled_from([*TRUTHS, *LIES, "", "maybe", "TRUE", " No ", "对", "2"])))
def test_bools_of_texts(texts: list[str]) -> None:
    known = TRUTHS | LIES | {"": None}
    expected = [known.get(text.strip().lower(), REFUSED) for text in texts]
    same(bool_cells(pa.array(texts, pa.string())), expected)


ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe",
                         "America/Sao_Paulo", "Africa/Casablanca"]).map(ZoneInfo)  # fmt: skip
# Around the hours at which zones change, and anywhere.
locals_ = st.datetimes(datetime(1902, 1, 1), datetime(2100, 1, 1)) | st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from([datetime(2026, 3, 8), datetime(2026, 11, 1), datetime(2018, 11, 4),
                     datetime(2026, 4, 5), datetime(2026, 10, 4), datetime(2045, 3, 12)]),
    st.integers(-120, 300),
)  # fmt: skip


def instant_us(local: datetime, zone: ZoneInfo) -> int:
    """PEP 495 with fold 0: forward by a gap, the earlier of a fold."""
    return (local.replace(tzinfo=zone) - EPOCH) // timedelta(microseconds=1)


@given(st.lists(st.none() | locals_, min_size=1, max_size=20), ZONES, st.sampled_from("T "))
def test_local_times(moments: list[datetime | None], zone: ZoneInfo, between: str) -> None:
    expected = [None if local is None else instant_us(local, zone) for local in moments]
    same(time_cells(pa.array(moments, pa.timestamp("us")), zone), expected)
    texts = [None if local is None else local.isoformat(between) for local in moments]
    same(time_cells(pa.array(texts, pa.string()), zone), expected)
    sloppy = [None if text is None else f" {text.replace('-', '/')}  " for text in texts]
    same(time_cells(pa.array(sloppy, pa.string()), zone), expected)


@given(st.lists(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)), min_size=1), ZONES)
def test_times_with_a_zone(moments: list[datetime], zone: ZoneInfo) -> None:
    aware = [moment.replace(tzinfo=UTC) for moment in moments]
    expected = [(moment - EPOCH) // timedelta(microseconds=1) for moment in aware]
    same(time_cells(pa.array(aware, pa.timestamp("us", "UTC")), zone), expected)
    for written in (UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=9))):
        texts = [moment.astimezone(written).isoformat() for moment in aware]
        same(time_cells(pa.array(texts), zone), expected)
    zulu = [text.replace("+00:00", "Z") for text in map(datetime.isoformat, aware)]
    same(time_cells(pa.array(zulu), zone), expected)


@given(st.lists(st.dates(), min_size=1, max_size=20), st.sampled_from(["-", "/", ""]), ZONES)
def test_days(days: list[Any], between: str, zone: ZoneInfo) -> None:
    expected = [(day - EPOCH.date()).days for day in days]
    texts = [f"{day.year:04}{between}{day.month:02}{between}{day.day:02}" for day in days]
    same(date_cells(pa.array(texts), zone), expected)
    same(date_cells(pa.array(days), zone), expected)


words = st.text(st.sampled_from("ab|是 ,.0"), max_size=5)


@given(st.lists(st.none() | words | st.none(), max_size=20), st.sampled_from([None, "|", ", "]))
def test_sets(cells: list[str | None], split: str | None) -> None:
    def of(cell: str | None) -> list[str]:
        if not cell:
            return []
        pieces = [piece.strip() for piece in cell.split(split)] if split else [cell]
        return [piece for piece in pieces if piece]

    check_sets(pa.array(cells, pa.string()), split, [of(cell) for cell in cells])


@given(
    st.lists(st.none() | st.lists(st.none() | words, max_size=4), max_size=20), st.integers(0, 3)
)
def test_sets_of_lists(cells: list[list[str | None] | None], skipped: int) -> None:
    column = pa.array(cells, pa.list_(pa.string())).slice(skipped)
    expected = [[value for value in cell or () if value] for cell in cells[skipped:]]
    check_sets(column, None, expected)


def check_sets(column: pa.Array, split: str | None, expected: list[list[str]]) -> None:
    offsets, found = set_cells(column, split)
    values = found.to_list()
    assert len(offsets) == len(expected) + 1 and offsets[-1] == len(values)
    for row, wanted in enumerate(expected):
        assert values[offsets[row] : offsets[row + 1]] == wanted


@given(st.lists(st.none() | st.floats(allow_infinity=False) | st.integers(-(10**17), 10**17)))
def test_identifiers_of_doubles(cells: list[float | None]) -> None:
    doubles = [None if cell is None else float(cell) for cell in cells]
    column = pa.array(doubles, pa.float64())
    found = strings_of(identifier_column(column)).to_list()

    def written(cell: float | None) -> str | None:
        if cell is None or math.isnan(cell):
            return None
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e18 else repr(cell)

    assert found == [written(cell) for cell in doubles]


@given(st.data())
def test_one_cell_says_nothing_about_another(data: st.DataObject) -> None:
    read: Callable[[pa.Array], Any] = data.draw(
        st.sampled_from([int_cells, float_cells, bool_cells, lambda c: decimal_cells(c, 3)])
    )
    texts = data.draw(st.lists(numbers, min_size=1, max_size=12))
    together, faults = read(pa.array(texts))
    for index, text in enumerate(texts):
        alone, fault = read(pa.array([text]))
        assert alone.valid[0] == together.valid[index]
        assert alone.values[0] == together.values[index]
        assert fault.get(0) == faults.get(index)
