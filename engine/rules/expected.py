"""What to say when a token fits nowhere: what stood there, what was expected, and a hint.

The parser knows the types of token it would have taken. They are grouped here into the words
of a user ("a comparison", "a window such as ..."), and the commonest slips get a hint: signs
and words of other languages, the wrong quotes, the nearest keyword.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from lark import Token

from engine.nearest import nearest
from engine.rules.lexis import FUNCTIONS, KEYWORDS
from engine.rules.literals import RESERVED
from engine.rules.misread import Misread

__all__ = ["unexpected"]

_END: Final = "$END"

# How much of an offending text a message repeats; the position says the rest.
_SHOWN_LENGTH: Final = 60


def unexpected(text: str, token: Token, accepted: Set[str]) -> Misread:
    """The fault of a token, given the types of token that would have been taken."""
    expected = _listed(_phrases(accepted))
    if token.type == _END:
        end = len(text.rstrip())
        what = "the expression ends too early" if end else "the expression is empty"
        return Misread(end, end, f"{what}; expected {expected}", _hint_at_end(accepted))
    assert token.start_pos is not None and token.end_pos is not None
    written = text[token.start_pos : token.end_pos]
    message = f"`{_shown(written)}` cannot stand here; expected {expected}"
    hint = _hint(written, token, accepted, called=text[token.end_pos :].lstrip().startswith("("))
    return Misread(token.start_pos, token.end_pos, message, hint)


def _shown(written: str) -> str:
    return written if len(written) <= _SHOWN_LENGTH else f"{written[: _SHOWN_LENGTH - 3]}..."


# ---------------------------------------------------------------------- what was expected

_COMPARISONS: Final = frozenset(
    ("COMPARISON", "BETWEEN", "_IN", "_IS", "CONTAINS", "STARTS", "ENDS", "_HAS", "NOT")
)
_WINDOWS: Final = frozenset(
    ("IN_LAST", "BETWEEN", "SINCE", "BEFORE", "FROM", "TODAY", "YESTERDAY", "THIS", "NUMBER")
)
_VALUES: Final = frozenset(
    (
        *("NAME", "STRING", "NUMBER", "MINUS", "BOOLEAN", "DATE", "TIME", "NOW", "CALL"),
        *("STEP_AGGREGATE", "PROPERTY_AGGREGATE"),
    )
)
_CONDITIONS: Final = _VALUES | {"LPAR", "NOT", "SEGMENT", "LIST", "CONSENT", "SEQUENCE"}
_ARITHMETIC: Final = frozenset(("PLUS", "MINUS", "_STAR"))

# The first group whose keys are all accepted is named, and its members count as said.
_GROUPS: Final = (
    ({"NOT", "NAME", "NUMBER"}, "a condition", _CONDITIONS),
    ({"NAME", "NUMBER"}, "a value", _VALUES),
    (
        {"STRING", "NUMBER", "DATE"},
        "a literal ('text', a number, true, false, date '...' or time '...')",
        _VALUES,
    ),
    ({"DATE", "NOW"}, "an instant (date '...', time '...' or now)", _VALUES),
    ({"NAME", "ANY"}, "the name of an event, or `any`", _VALUES | {"ANY"}),
    (
        {"COMPARISON"},
        "a comparison (`=`, `in`, `between`, `contains`, `is missing` ...)",
        _COMPARISONS,
    ),
    ({"SINCE"}, "a window such as `in last 30 days`", _WINDOWS),
)

_PHRASES: Final = {
    "NAME": "a name",
    "STRING": "text in single quotes",
    "NUMBER": "a number",
    "UNIT": "a unit (seconds, minutes, hours, days or weeks)",
    "CALENDAR_UNIT": "a calendar unit (day, week, month, quarter or year)",
    "COMPARISON": "a comparison",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "_COMMA": "`,`",
    "_DOT": "`.` and a property",
    "STARTS": "`starts with`",
    "ENDS": "`ends with`",
    _END: "the end",
}


def _phrases(accepted: Set[str]) -> list[str]:
    """What would have been taken, in the user's words, the most telling first."""
    # Arithmetic may go on after any value; saying so each time would drown the rest.
    left = set(accepted) - _ARITHMETIC
    if left & {"_AND", "RPAR", _END}:
        left.discard("UNIT")
    phrases = []
    for keys, phrase, members in _GROUPS:
        if keys <= left:
            phrases.append(phrase)
            left -= members
    words = sorted(left - {_END}, key=lambda kind: (kind in ("RPAR", "_COMMA"), kind))
    phrases += [_PHRASES.get(kind) or f"`{kind.strip('_').lower()}`" for kind in words]
    return [*phrases, _PHRASES[_END]] if _END in left else phrases


def _listed(phrases: list[str]) -> str:
    *most, last = phrases
    return f"{', '.join(most)} or {last}" if most else last


# ---------------------------------------------------------------------------------- hints

_SIGN_HINTS: Final = {
    "==": "write `=`",
    "=>": "write `>=`",
    "=<": "write `<=`",
    "!<": "write `>=`",
    "!>": "write `<=`",
    "&&": "write `and`",
    "&": "write `and`",
    "||": "write `or`; texts are not joined here",
    "|": "write `or`",
    "!": "write `not`",
    "/": "there is no division; multiply by a number, as in `0.5 * x`",
    "%": "a share is a number, as in `0.2`",
    ";": "an expression ends without a mark",
    "#": "a comment begins with `--`",
    "[": "use `(`",
    "]": "use `)`",
    "{": "use `(`",
    "}": "use `)`",
    "`": "a name that needs quotes stands in double quotes, text in single quotes",
    "+": "a number is written without `+`",
    "-": "a minus can stand before a number only where a value begins",
    "*": "the number stands first, as in `2 * x`",
    ".": "a property of events is read by an aggregate, as in `sum(order.amount)`",
}

_WORD_HINTS: Final = {
    "null": "a missing value is tested with `is missing`",
    "none": "a missing value is tested with `is missing`",
    "empty": "a missing value is tested with `is missing`",
    "like": "use `contains`, `starts with` or `ends with`",
    "ilike": "use `contains`, `starts with` or `ends with`",
    "equals": "write `=`",
    **dict.fromkeys(
        ("month", "months", "quarter", "quarters", "year", "years"),
        "months, quarters and years are of the calendar, as in `3 calendar months`",
    ),
}


def _hint_at_end(accepted: Set[str]) -> str:
    return "close the bracket" if accepted >= {"RPAR"} and "NAME" not in accepted else ""


def _hint(written: str, token: Token, accepted: Set[str], *, called: bool) -> str:
    if token.type == "STRING" or written.startswith('"'):
        return _hint_for_quotes(written, token, accepted)
    if written in _SIGN_HINTS:
        return _SIGN_HINTS[written]
    place = _hint_for_place(token, accepted)
    if place or not written[0].isalpha():
        return place
    return _hint_for_word(written, accepted, called=called)


def _hint_for_quotes(written: str, token: Token, accepted: Set[str]) -> str:
    if token.type == "STRING" and "NAME" in accepted and "STRING" not in accepted:
        return "single quotes make text; a name stands bare or in double quotes"
    if token.type == "NAME" and "STRING" in accepted and len(written) <= _SHOWN_LENGTH:
        text = str(token).replace("'", "''")
        return f"double quotes make a name; text stands in single quotes: '{text}'"
    return ""


def _hint_for_place(token: Token, accepted: Set[str]) -> str:
    kind = token.type
    if kind == "RPAR" and _END in accepted:
        return "there is one `)` too many"
    if kind == "COMPARISON" and "_AND" in accepted:
        return "join two comparisons by `and`, or use `between`"
    if kind == "_HAS" and "_IN" in accepted:
        return "write `not tag has all (...)`"
    if kind == "UNIT":
        return "a duration has no minus, and does not stand in a list"
    if kind == "AGO":
        return "a boolean before a `between ... ago` window stands in brackets"
    if kind in _WINDOWS - {"NUMBER", "BETWEEN"}:
        return "a window stands inside the brackets of an aggregate, after its events"
    return ""


def _hint_for_word(word: str, accepted: Set[str], *, called: bool) -> str:
    lower = word.lower()
    if lower in RESERVED:
        return f'as a name it stands in double quotes: "{word}"' if "NAME" in accepted else ""
    if lower in _WORD_HINTS:
        return _WORD_HINTS[lower]
    if called and "NAME" in accepted:
        near = nearest(lower, FUNCTIONS)
        return f"did you mean `{near}`?" if near else f"there is no function `{_shown(word)}`"
    if "STRING" in accepted and "NAME" not in accepted and len(word) <= _SHOWN_LENGTH:
        return f"text stands in single quotes: '{word}'"
    near = nearest(lower, (known for known, kind in KEYWORDS if kind in accepted))
    return f"did you mean `{near}`?" if near else ""
