"""One object of the structured form, read field by field.

Every method names the field in its error, as in `nodes[3].comparison.left`, so that a program
that made the form can find its mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from engine.errors import ExpressionInvalid, Issue
from engine.nearest import nearest

__all__ = ["Fields", "index_in", "refuse"]

_T = TypeVar("_T")
_Word = TypeVar("_Word", bound=str)

# The largest index that a field of the message can hold.
_UINT32_MAX = (1 << 32) - 1
_DIGITS_OF_INT64 = 20


def refuse(where: str, message: str, hint: str = "") -> NoReturn:
    """Raises ExpressionInvalid for the field at `where`."""
    raise ExpressionInvalid(Issue(message, where=where, hint=hint))


class Fields:
    """The fields of one object. `where` is its own place; `known` are the fields it may have.

    A field that is null counts as absent, as in protobuf's JSON.
    """

    def __init__(self, value: object, where: str, *known: str) -> None:
        if not isinstance(value, dict):
            refuse(where, f"an object is expected, not {_kind_of(value)}")
        self.where = where
        self._values: dict[Any, Any] = {k: v for k, v in value.items() if v is not None}
        for key in self._values:
            if key not in known:
                near = nearest(key, known) if isinstance(key, str) else None
                listed = ", ".join(known) or "none"
                hint = f"did you mean {near}?" if near else f"the fields are: {listed}"
                refuse(where, f"there is no field {key!r} here", hint)

    def place(self, name: str) -> str:
        """The place of a field."""
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        """Whether a field is there."""
        return name in self._values

    def required(self, name: str) -> Any:
        """Whatever a field holds."""
        if name not in self._values:
            refuse(self.place(name), "this field is required")
        return self._values[name]

    def choice(self) -> str:
        """The name of the one field of an object of which exactly one must be there."""
        if len(self._values) != 1:
            found = ", ".join(map(str, self._values)) or "none"
            refuse(self.where, f"exactly one field is expected here, and there is {found}")
        (name,) = self._values
        chosen: str = name
        return chosen

    def text(self, name: str) -> str:
        """A string without half characters."""
        return _text(self.required(name), self.place(name))

    def name(self, name: str) -> str:
        """A string that is not empty."""
        text = self.text(name)
        if not text:
            refuse(self.place(name), "a name cannot be empty")
        return text

    def boolean(self, name: str) -> bool:
        """true or false, which must be there."""
        value = self.required(name)
        if not isinstance(value, bool):
            refuse(self.place(name), f"true or false is expected, not {_kind_of(value)}")
        return value

    def flag(self, name: str) -> bool:
        """true or false; false where it is absent."""
        return self.has(name) and self.boolean(name)

    def marker(self, name: str) -> None:
        """An object without fields."""
        Fields(self.required(name), self.place(name))

    def index(self, name: str) -> int:
        """A number from 0 that fits 32 bits."""
        return index_in(self.required(name), self.place(name))

    def amount(self, name: str) -> Decimal:
        """A whole number, or its digits as text."""
        value = self.required(name)
        digits = isinstance(value, str) and value.isascii() and value.isdecimal()
        if digits and len(value) <= _DIGITS_OF_INT64:
            return Decimal(value)
        if not isinstance(value, int) or isinstance(value, bool):
            refuse(self.place(name), "a whole number is expected", "large ones as text")
        return Decimal(value)

    def word(self, name: str, names: Mapping[_Word, str]) -> _Word:
        """The word of an enum value."""
        value = self.required(name)
        for word, written in names.items():
            if value == written:
                return word
        near = nearest(value, names.values()) if isinstance(value, str) else None
        hint = f"did you mean {near}?" if near else f"one of: {', '.join(names.values())}"
        shown = (
            repr(value[:60])
            if isinstance(value, str)
            else f"a value of type {type(value).__name__}"
        )
        refuse(self.place(name), f"{shown} is not one of the values", hint)

    def read(self, name: str, read: Callable[[str], _T]) -> _T:
        """What a text says, given a reader that raises ValueError."""
        text = self.text(name)
        try:
            return read(text)
        except ValueError as error:
            refuse(self.place(name), str(error))

    def items(self, name: str, least: int) -> list[tuple[Any, str]]:
        """The items of a list with their places; at least so many."""
        values = self._values.get(name, [])
        if not isinstance(values, list | tuple):
            refuse(self.place(name), f"a list is expected, not {_kind_of(values)}")
        if len(values) < least:
            refuse(self.place(name), f"at least {least} expected here, and there are {len(values)}")
        return [(value, f"{self.place(name)}[{at}]") for at, value in enumerate(values)]

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of names."""
        found = tuple(_text(value, where) for value, where in self.items(name, 0))
        if "" in found:
            refuse(f"{self.place(name)}[{found.index('')}]", "a name cannot be empty")
        return found


def index_in(value: object, where: str) -> int:
    """A number from 0 that fits 32 bits."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _UINT32_MAX:
        refuse(where, "the index of a node is expected, a whole number from 0")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        hint = "a number is written as text, such as '3.5'" if _is_number(value) else ""
        refuse(where, f"text is expected, not {_kind_of(value)}", hint)
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        refuse(where, "half of a surrogate pair is not a character")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if _is_number(value):
        return "a number"
    kinds: tuple[tuple[type, str], ...] = ((str, "text"), (list, "a list"), (dict, "an object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "something else")
