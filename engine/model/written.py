"""The kinds of single values in a model file, read from the text that was written.

Each kind is an annotation for a field of a shape: it checks the text, gives the value in
the engine's units, and says in the JSON Schema what an editor should accept. Every refusal
names what was found and what belongs there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from engine.limits import LONGEST_DURATION_DAYS, MODEL_NAME_LENGTH, MODEL_POINTS
from engine.nearest import nearest

__all__ = [
    "NOTHING",
    "Amount",
    "AnyValue",
    "Duration",
    "Flag",
    "Name",
    "Percent",
    "PlainText",
    "Points",
    "Scale",
    "Text",
    "Whole",
    "Written",
    "choice",
    "fault",
    "found",
    "name_fault",
]


class Written(str):
    """A scalar as it stands in the file; `quoted` if quotes or a block mark say it is text."""

    __slots__ = ("quoted",)
    quoted: bool

    def __new__(cls, text: str, *, quoted: bool = False) -> Written:
        self = super().__new__(cls, text)
        self.quoted = quoted
        return self


class Nothing:
    """Stands where a key has no value, so that it is never taken for a key left out."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING = Nothing()


def fault(message: str, hint: str = "") -> PydanticCustomError:
    """A refusal that `engine.model.faults` turns into an issue word for word."""
    return PydanticCustomError("strata", "{message}", {"message": message, "hint": hint})


def found(value: object) -> str:
    """What a person sees at the place of this value."""
    if value is NOTHING:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    return f"'{text[:60]}...'" if len(text) > 60 else f"'{text}'"


def _text(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    hint = "in quotes, if the text itself was meant" if value is NOTHING else ""
    raise fault(f"expected a text, found {found(value)}", hint)


PlainText = Annotated[str, BeforeValidator(_text), WithJsonSchema({"type": "string"})]


def _some_text(value: object) -> str:
    text = _text(value)
    if not text.strip():
        raise fault("expected a text, found only blanks")
    return text


def name_fault(name: str) -> str:
    """What keeps a text from being a name, or '' if nothing does.

    Names stand in expressions, bare or in double quotes, and in key paths.
    """
    if not name:
        return "a name cannot be empty"
    if len(name) > MODEL_NAME_LENGTH:
        return f"a name has at most {MODEL_NAME_LENGTH} characters, this one has {len(name)}"
    if name != name.strip():
        return f"the name '{name}' begins or ends with a blank"
    if '"' in name or not name.isprintable():
        return f"the name {name!r} holds a character that no name may have"
    return ""


def _name(value: object) -> str:
    text = _text(value)
    message = name_fault(text)
    if message:
        raise fault(message)
    return text


Name = Annotated[
    str,
    BeforeValidator(_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MODEL_NAME_LENGTH}),
]
# A text with something in it: an expression, a column, a query.
Text = Annotated[
    str, BeforeValidator(_some_text), WithJsonSchema({"type": "string", "minLength": 1})
]
# A value of the data, which an author may well write without quotes.
AnyValue = Annotated[
    str, BeforeValidator(_text), WithJsonSchema({"type": ["string", "number", "boolean"]})
]


def _flag(value: object) -> bool:
    if isinstance(value, Written) and not value.quoted and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise fault(f"expected true or false, found {found(value)}")


Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:_[0-9]+)*)(?:\.([0-9]+))?")


def _number(value: object, what: str) -> tuple[Decimal, int]:
    """The number and how many digits were written after its point."""
    if isinstance(value, Written) and len(value) <= 40:
        match = _NUMBER.fullmatch(value)
        if match is not None and value.quoted:
            raise fault(f"expected {what}, found the text {found(value)}", "without quotes")
        if match is not None:
            return Decimal(value.replace("_", "")), len((match[1] or "").rstrip("0"))
    raise fault(f"expected {what}, found {found(value)}")


def _whole(low: int, high: int) -> Callable[[object], int]:
    what = f"a whole number from {low:,} to {high:,}"

    def read(value: object) -> int:
        number, digits = _number(value, what)
        if digits or not low <= number <= high:
            raise fault(f"expected {what}, found {found(value)}")
        return int(number)

    return read


def _whole_schema(low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


# How many values of an identifier one profile may own.
Whole = Annotated[int, BeforeValidator(_whole(1, 1_000_000)), _whole_schema(1, 1_000_000)]
# Decimal places: 18 is what a 64-bit integer of unscaled units can hold.
Scale = Annotated[int, BeforeValidator(_whole(0, 18)), _whole_schema(0, 18)]


def _points(value: object) -> Decimal:
    number, digits = _number(value, "a number")
    if digits > 3:
        raise fault(
            f"{found(value)} has {digits} digits after the point",
            "points are exact to three digits after the point",
        )
    if abs(number) > MODEL_POINTS:
        raise fault(f"{found(value)} is beyond {MODEL_POINTS:,}")
    return number or Decimal(0)


Points = Annotated[
    Decimal,
    BeforeValidator(_points),
    WithJsonSchema({"type": "number", "minimum": -MODEL_POINTS, "maximum": MODEL_POINTS}),
]


def _amount(value: object) -> Decimal:
    number, _ = _number(value, "a number")
    if len(number.as_tuple().digits) > 38:
        raise fault(f"{found(value)} has more than 38 digits")
    return number or Decimal(0)


# A fixed cut: compared exactly with a sum of decimals.
Amount = Annotated[Decimal, BeforeValidator(_amount), WithJsonSchema({"type": "number"})]

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DURATION = re.compile(r"([0-9]+(?:_[0-9]+)*)\s+([A-Za-z]+)")
_DURATION_HINT = "for example '30 days'; units are second, minute, hour, day and week"


def _duration(value: object) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or len(match[1]) > 20:
        raise fault(f"expected a duration, found {found(value)}", _DURATION_HINT)
    unit = match[2].lower()
    seconds = _SECONDS.get(unit.removesuffix("s"))
    if seconds is None:
        near = nearest(unit, [*_SECONDS, *(name + "s" for name in _SECONDS)])
        raise fault(
            f"'{match[2]}' is not a unit of time",
            f"did you mean '{near}'?" if near else _DURATION_HINT,
        )
    total = int(match[1]) * seconds
    if not 0 < total <= LONGEST_DURATION_DAYS * 86400:
        raise fault(
            f"the duration {found(value)} is out of range",
            f"from 1 second to {LONGEST_DURATION_DAYS:,} days",
        )
    return total * 1_000_000


# Whole microseconds.
Duration = Annotated[
    int,
    BeforeValidator(_duration),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9_]+ +([Ss]econd|[Mm]inute|[Hh]our|[Dd]ay|[Ww]eek)s?$"}
    ),
]

_PERCENT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})?%")


def _percent(value: object) -> Decimal:
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    number = Decimal(match[0][:-1]) if match else Decimal(0)
    if not 0 < number <= 100:
        raise fault(
            f"expected a share such as 20%, found {found(value)}",
            "above 0% and at most 100%, with at most three digits after the point",
        )
    return number


Percent = Annotated[
    Decimal,
    BeforeValidator(_percent),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?%$"}),
]


def choice(*allowed: str, also: dict[str, str] | None = None) -> Callable[[Any], str]:
    """A validator for one of the given texts; `also` maps foreign words to what was meant."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return str(value)
        listed = ", ".join(allowed)
        near = None
        if isinstance(value, str):
            near = (also or {}).get(value.lower()) or nearest(value, allowed)
        raise fault(
            f"expected one of {listed}; found {found(value)}",
            f"did you mean '{near}'?" if near else "",
        )

    return read
