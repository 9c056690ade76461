"""Columns as numbers and booleans: int, decimal, float, bool.

Whole columns are converted at once where that is exact; a column with a cell that resists is
gone through cell by cell, so that each bad cell gets its reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.limits import DECIMAL_UNSCALED
from engine.live.batch import Bools, Floats, Ints
from loaders.texts import text_column

__all__ = ["Faults", "bool_cells", "decimal_cells", "each_cell", "float_cells", "int_cells"]

# Reasons by index of the record.
Faults = dict[int, str]

_INT64 = (-(1 << 63), (1 << 63) - 1)
# Below 10^15 a double has at most one decimal of that many digits that reads back as it.
_EXACT_DIGITS = 10**15
_BOOLS = {
    "true": True, "false": False, "1": True, "0": False, "yes": True, "no": False,
    "是": True, "否": False, "1.0": True, "0.0": False,
}  # fmt: skip
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
# Rounds half away from zero, with room for every digit that a cell can bring.
_ROUNDING = Context(prec=400, rounding=ROUND_HALF_UP)


def each_cell(
    column: pa.Array, read: Callable[[Any], Any], missing: Any, dtype: Any
) -> tuple[NDArray[Any], NDArray[np.bool_], Faults]:
    """Cells converted one by one; `read` raises ValueError with the reason for a bad one."""
    values = np.full(len(column), missing, dtype)
    valid = np.zeros(len(column), bool)
    faults: Faults = {}
    for index, cell in enumerate(column.to_pylist()):
        if cell is None or cell == "":
            continue
        try:
            values[index] = read(cell)
            valid[index] = True
        except ValueError as error:
            faults[index] = str(error)
    return values, valid, faults


def _plain(column: pa.Array) -> pa.Array:
    """Dictionaries decoded and strings without blanks around them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_trim_whitespace(text_column(column))
    return column


def _valid(column: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), bool)


def _filled(column: pa.Array, zero: Any) -> NDArray[Any]:
    return np.asarray(pc.fill_null(column, zero).to_numpy(zero_copy_only=False))


def _number(cell: Any) -> Decimal:
    """The exact number of a cell; a float stands for its shortest decimal."""
    if isinstance(cell, bool):
        raise ValueError(f"{cell} is a truth value, not a number")
    if isinstance(cell, float):
        cell = repr(cell)
    text = str(cell).strip()
    if isinstance(cell, Decimal) or _PLAIN_NUMBER.fullmatch(text):
        try:
            return Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{text!r} is not a number") from None
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise ValueError(f"{text} is refused: no attribute can be infinite or not a number")
    hint = "; write it without separators" if re.fullmatch(r"[\d,]+(\.\d+)?", text) else ""
    raise ValueError(f"{text!r} is not a number{hint}")


def int_cells(column: pa.Array) -> tuple[Ints, Faults]:
    """An int column; a number with a fraction is refused."""
    column = _plain(column)
    if pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
        return Ints(_filled(pc.cast(column, pa.int64()), 0), _valid(column)), {}
    if pa.types.is_string(column.type):
        try:
            whole = pc.cast(column, pa.int64())
            return Ints(_filled(whole, 0), _valid(column)), {}
        except pa.ArrowInvalid:
            pass  # some cell is no plain integer: the cells tell which
    return _ints(each_cell(column, _whole, 0, np.int64))


def _ints(cells: tuple[NDArray[Any], NDArray[np.bool_], Faults]) -> tuple[Ints, Faults]:
    values, valid, faults = cells
    return Ints(values, valid), faults


def _whole(cell: Any) -> int:
    number = _number(cell)
    if number != number.to_integral_value():
        raise ValueError(f"{cell} is not a whole number")
    if abs(number.adjusted()) > 20 or not _INT64[0] <= int(number) <= _INT64[1]:
        raise ValueError(f"{cell} does not fit 64 bits")
    return int(number)


def decimal_cells(column: pa.Array, scale: int) -> tuple[Ints, Faults]:
    """A decimal column, unscaled; more digits than the scale are rounded half away from zero."""
    column = _plain(column)
    if pa.types.is_floating(column.type):
        exact = _exact_floats(column, scale)
        if exact is not None:
            return exact, {}
    elif pa.types.is_integer(column.type) and not pa.types.is_uint64(column.type):
        numbers = _filled(pc.cast(column, pa.int64()), 0)
        if not len(numbers) or int(np.abs(numbers).max()) < 10 ** (18 - scale):
            return Ints(numbers * 10**scale, _valid(column)), {}

    def unscaled(cell: Any) -> int:
        number = _ROUNDING.scaleb(_number(cell), scale)
        if number.adjusted() > 18:
            raise ValueError(f"{cell} has more than 18 digits")
        whole = int(number.to_integral_value(ROUND_HALF_UP))
        if not DECIMAL_UNSCALED[0] <= whole <= DECIMAL_UNSCALED[1]:
            raise ValueError(f"{cell} has more than 18 digits")
        return whole

    return _ints(each_cell(column, unscaled, 0, np.int64))


def _exact_floats(column: pa.Array, scale: int) -> Ints | None:
    """Doubles that are decimals of the scale already, all of them; None where one is not."""
    numbers = _filled(pc.cast(column, pa.float64()), 0.0)
    valid = _valid(column)
    if not np.isfinite(numbers).all():
        return None
    unscaled = np.rint(numbers * 10.0**scale)
    if (np.abs(unscaled) >= _EXACT_DIGITS).any() or scale > 15:
        return None
    if not (unscaled / 10.0**scale == numbers).all():
        return None
    return Ints(unscaled.astype(np.int64), valid)


def float_cells(column: pa.Array) -> tuple[Floats, Faults]:
    """A float column; infinities and values that are no number are refused."""
    column = _plain(column)
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        numbers = _filled(pc.cast(column, pa.float64(), safe=False), 0.0).astype(np.float64)
        if np.isfinite(numbers).all():
            return Floats(numbers, _valid(column)), {}
    values, valid, faults = each_cell(column, _finite, 0.0, np.float64)
    return Floats(values, valid), faults


def _finite(cell: Any) -> float:
    number = float(cell) if isinstance(cell, float) else float(_number(cell))
    if number - number != 0:
        raise ValueError(f"{cell} is refused: no attribute can be infinite or not a number")
    return number


def bool_cells(column: pa.Array) -> tuple[Bools, Faults]:
    """A bool column: true/false, 1/0, yes/no, 是/否, in any case."""
    column = _plain(column)
    if pa.types.is_boolean(column.type):
        return Bools(_filled(column, False).astype(bool), _valid(column)), {}
    values, valid, faults = each_cell(column, _truth, False, np.bool_)
    return Bools(values, valid), faults


def _truth(cell: Any) -> bool:
    found = _BOOLS.get(str(cell).strip().lower())
    if found is None:
        raise ValueError(f"{cell!r} is none of true/false, 1/0, yes/no, 是/否")
    return found
