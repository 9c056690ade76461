"""Values that were worked out, as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.values import ValueBlocks
from engine.measuring.value import Value
from engine.model.definitions import Attribute

__all__ = ["written_values"]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Room for every digit of a number of the language.
_EXACT = Context(prec=600)


def written_values(blocks: ValueBlocks, value: Value, attribute: Attribute) -> NDArray[np.object_]:
    """The values of the open block as the type of an attribute has them, in the order of rows: of a
    decimal with its digits, rounded half away from zero, since a value has all it has."""
    found = np.empty(blocks.count, object)
    if blocks.is_float:
        found[:] = blocks.double_values().tolist()
    elif blocks.is_ratio:
        ratios = blocks.wide_ratios() if blocks.is_wide else zip(*blocks.ratios(), strict=True)
        parts = (Fraction(int(number), int(by) * value.scale) for number, by in ratios)
        found[:] = [_written(part, attribute) for part in parts]
    elif blocks.is_wide:
        found[:] = list(_each(blocks.wide_values(), value, attribute))
    else:
        numbers, places = np.unique(blocks.whole_values(), return_inverse=True)
        made = np.empty(len(numbers), object)
        made[:] = list(_each(numbers.tolist(), value, attribute))
        found[:] = made[places]
    return found


def _each(numbers: Iterable[int], value: Value, attribute: Attribute) -> Iterable[Any]:
    return (_written(Fraction(number, value.scale), attribute) for number in numbers)


def _written(number: Fraction, attribute: Attribute) -> Any:
    match attribute.type:
        case "decimal":
            return _rounded(number, attribute.scale)
        case "date":
            return date.fromordinal(_EPOCH_DAY + int(number))
        case "time":
            return _EPOCH + timedelta(microseconds=int(number))
        case _:
            assert attribute.type == "int" and number.denominator == 1, attribute
            return int(number)


def _rounded(number: Fraction, scale: int) -> Decimal:
    """A number to so many digits after the point, an exact half away from zero."""
    shifted = abs(number) * 10**scale
    units, rest = divmod(shifted.numerator, shifted.denominator)
    units += 2 * rest >= shifted.denominator
    return Decimal(-units if number < 0 else units).scaleb(-scale, _EXACT)
