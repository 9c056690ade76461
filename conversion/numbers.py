"""Columns as numbers and booleans: int, decimal, float, bool.

Every function takes a plain column (texts.plain_column), converts at once what is exact that
way, and the rest cell by cell, so that each bad cell gets its reason.

A decimal is rounded from the shortest text that reads back as the same double. That text and
the double differ by less than the double's own precision, so wherever the double, times
10^scale, is clearly not half way between two whole numbers, rounding the double gives the
same: only the doubtful ones need their digits.
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

from conversion.cell_by_cell import Faults, convert_rest
from conversion.texts import trimmed, valid_cells
from engine.limits import DECIMAL_UNSCALED
from engine.live.batch import Bools, Floats, Ints

__all__ = ["bool_cells", "decimal_cells", "float_cells", "int_cells"]

_INT64 = (-(1 << 63), (1 << 63) - 1)
# Every whole number up to here is a double.
_WHOLE_DOUBLES = float(1 << 53)
# A product's distance from half must be beyond this share of it to decide the rounding: the
# text, the double and the product are within 3/2 of 2^-52 of each other; this is more.
_DOUBT = 2.0**-50
_BOOLS = {
    "true": True, "false": False, "1": True, "0": False, "yes": True, "no": False,
    "是": True, "否": False, "1.0": True, "0.0": False,
}  # fmt: skip
_PLAIN_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
# What Arrow reads exactly as we would; it also takes what we do not, such as 0x10.
_QUICK_INT = r"^-?[0-9]{1,18}$"
_QUICK_NUMBER = r"^-?[0-9]{1,18}(\.[0-9]{1,40})?$"
# Rounds half away from zero, with room for every digit that a cell can bring.
_ROUNDING = Context(prec=200_000, rounding=ROUND_HALF_UP)
_NOT_FINITE = "no value can be infinite or not a number"


def int_cells(column: pa.Array) -> tuple[Ints, Faults]:
    """An int column; a number with a fraction is refused."""
    if pa.types.is_string(column.type):
        column, quick = _quick_texts(column, _QUICK_INT)
        values = _filled(pc.cast(_only(column, quick), pa.int64()), 0)
    elif pa.types.is_integer(column.type):
        quick = _fits_int64(column)
        values = _filled(pc.cast(_only(column, quick), pa.int64()), 0)
    elif pa.types.is_floating(column.type):
        doubles = _filled(pc.cast(column, pa.float64()), 0.0)
        quick = (np.abs(doubles) <= _WHOLE_DOUBLES) & (doubles == np.rint(doubles))
        values = np.where(quick, doubles, 0.0).astype(np.int64)
    else:
        values, quick = np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    return _ints(column, values, quick, _whole)


def decimal_cells(column: pa.Array, scale: int) -> tuple[Ints, Faults]:
    """A decimal column, unscaled; more digits than the scale are rounded half away from zero."""
    values, quick = np.zeros(len(column), np.int64), np.zeros(len(column), bool)
    if pa.types.is_string(column.type):
        column, readable = _quick_texts(column, _QUICK_NUMBER)
        doubles = _filled(pc.cast(_only(column, readable), pa.float64()), 0.0)
        values, quick = _rounded(doubles, scale)
        quick &= readable
    elif pa.types.is_floating(column.type):
        values, quick = _rounded(_filled(pc.cast(column, pa.float64()), 0.0), scale)
    elif pa.types.is_integer(column.type):
        numbers = _filled(pc.cast(column, pa.int64(), safe=False), 0)
        limit = 10 ** (18 - scale)
        quick = _fits_int64(column) & (numbers > -limit) & (numbers < limit)
        values = np.where(quick, numbers, 0) * 10**scale
    elif pa.types.is_decimal(column.type):
        exact = _rescaled(column, scale)
        if exact is not None:
            values, quick = exact, np.ones(len(column), bool)
    return _ints(column, values, quick, lambda cell: _unscaled(cell, scale))


def float_cells(column: pa.Array) -> tuple[Floats, Faults]:
    """A float column; infinities and values that are no number are refused."""
    if pa.types.is_decimal(column.type):
        # By its text, which is read to the nearest double; Arrow's own cast is not always.
        column = pc.cast(column, pa.string())
    if pa.types.is_string(column.type):
        column, quick = _quick_texts(column, _QUICK_NUMBER)
        values = _filled(pc.cast(_only(column, quick), pa.float64()), 0.0)
    elif pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = _filled(pc.cast(column, pa.float64(), safe=False), 0.0)
        quick = np.isfinite(values)
    else:
        values, quick = np.zeros(len(column)), np.zeros(len(column), bool)
    valid = valid_cells(column) & quick
    values = np.where(valid, values, 0.0)
    faults = convert_rest(column, ~quick, _finite, values, valid)
    # Adding nothing turns -0.0 into 0.0.
    return Floats(values + 0.0, valid), faults


def bool_cells(column: pa.Array) -> tuple[Bools, Faults]:
    """A bool column: true/false, 1/0, yes/no, 是/否, in any case."""
    if pa.types.is_boolean(column.type):
        return Bools(_filled(column, False).astype(bool), valid_cells(column)), {}
    if pa.types.is_string(column.type):
        column = trimmed(column)
    values, valid = np.zeros(len(column), bool), np.zeros(len(column), bool)
    faults = convert_rest(column, np.ones(len(column), bool), _truth, values, valid)
    return Bools(values, valid), faults


def _quick_texts(column: pa.Array, pattern: str) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Strings without blanks around them, and which of them match."""
    column = trimmed(column)
    matches = pc.fill_null(pc.match_substring_regex(column, pattern), False)
    return column, np.asarray(matches.to_numpy(zero_copy_only=False), bool)


def _only(column: pa.Array, wanted: NDArray[np.bool_]) -> pa.Array:
    """The column with only the wanted cells; the others are missing."""
    if wanted.all():
        return column
    return pc.if_else(pa.array(wanted), column, pa.scalar(None, column.type))


def _filled(column: pa.Array, zero: Any) -> NDArray[Any]:
    if not column.null_count:
        # Asked often, and filling looks for a time zone library each time.
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return np.asarray(pc.fill_null(column, zero).to_numpy(zero_copy_only=False))


def _fits_int64(column: pa.Array) -> NDArray[np.bool_]:
    if not pa.types.is_uint64(column.type):
        return np.ones(len(column), bool)
    fits: NDArray[np.bool_] = _filled(column, 0) <= _INT64[1]
    return fits


def _ints(
    column: pa.Array,
    values: NDArray[np.int64],
    quick: NDArray[np.bool_],
    read: Callable[[Any], int],
) -> tuple[Ints, Faults]:
    valid = valid_cells(column) & quick
    values = np.where(valid, values, 0)
    faults = convert_rest(column, ~quick, read, values, valid)
    return Ints(values, valid), faults


def _rounded(
    doubles: NDArray[np.float64], scale: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Doubles times 10^scale, rounded, and of which of them the result is beyond doubt."""
    with np.errstate(over="ignore", invalid="ignore"):
        product = doubles * 10.0**scale
        size = np.abs(product)
        sure = np.abs(size - np.floor(size) - 0.5) > size * _DOUBT
    return np.rint(np.where(sure, product, 0.0)).astype(np.int64), sure


def _rescaled(column: pa.Array, scale: int) -> NDArray[np.int64] | None:
    """Decimals of Arrow, rounded to another scale and unscaled; None where one is too long."""
    try:
        exact = column
        if column.type.scale != scale:
            exact = pc.round(column, scale, "half_towards_infinity")
        if exact.type.scale != scale or exact.type.bit_width != 128:
            exact = pc.cast(exact, pa.decimal128(38, scale))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    words = np.frombuffer(exact.buffers()[1], np.int64)
    words = words[2 * exact.offset : 2 * (exact.offset + len(exact))].reshape(-1, 2)
    low, high = words[:, 0], words[:, 1]
    there = valid_cells(exact)
    # 128 bits hold no more than the low 64 where the high ones repeat its sign.
    if (there & (high != low >> 63)).any():
        return None
    inside = (low >= DECIMAL_UNSCALED[0]) & (low <= DECIMAL_UNSCALED[1])
    return None if (there & ~inside).any() else low


def _number(cell: Any) -> Decimal:
    """The exact number of a cell; a float stands for its shortest decimal."""
    if isinstance(cell, bool):
        raise ValueError(f"{cell} is a truth value, not a number")
    text = repr(cell) if isinstance(cell, float) else str(cell)
    if isinstance(cell, Decimal) or _PLAIN_NUMBER.fullmatch(text):
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{text!r} is not a number") from None
        if number.is_finite():
            return number
    if text.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise ValueError(f"{text} is refused: {_NOT_FINITE}")
    hint = "; write it without separators" if re.fullmatch(r"-?[\d,]+(\.\d+)?", text) else ""
    raise ValueError(f"{text!r} is not a number{hint}")


def _whole(cell: Any) -> int:
    number = _number(cell)
    if number and number.adjusted() > 20:
        raise ValueError(f"{cell} does not fit 64 bits")
    if number != number.to_integral_value():
        raise ValueError(f"{cell} is not a whole number")
    if not _INT64[0] <= int(number) <= _INT64[1]:
        raise ValueError(f"{cell} does not fit 64 bits")
    return int(number)


def _unscaled(cell: Any, scale: int) -> int:
    number = _number(cell)
    if number and number.adjusted() + scale > 18:
        raise ValueError(f"{cell} has more than 18 digits")
    whole = int(_ROUNDING.to_integral_value(_ROUNDING.scaleb(number, scale)))
    if not DECIMAL_UNSCALED[0] <= whole <= DECIMAL_UNSCALED[1]:
        raise ValueError(f"{cell} has more than 18 digits")
    return whole


def _finite(cell: Any) -> float:
    value = float(_number(cell))
    if value - value != 0:
        raise ValueError(f"{cell} is refused: {_NOT_FINITE}")
    return value


def _truth(cell: Any) -> bool:
    found = _BOOLS.get(str(cell).lower())
    if found is None:
        raise ValueError(f"{cell!r} is none of true/false, 1/0, yes/no, 是/否")
    return found
