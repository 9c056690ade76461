"""Text to tokens.

1. `_scan` cuts the text into words, quoted names, strings, numbers and signs, and skips
   blanks and `--` comments.
2. `tokens` decides what each word is. Only the reserved words are keywords everywhere; any
   other is one by its place, which its two neighbours settle:
   - where a value or a name may begin, a word is a name, unless `(` follows it and it is a
     function, or a string follows it and it is `date` or `time`;
   - after a complete value or name only a keyword can stand, so there a word is one;
   - after a number it may be a unit; after `is`, `has`, `starts`, `this` and the like, the
     few words that can follow.
   So a column may be called `count`, `last` or `week` without quotes.
3. A word or sign that is nothing in its place becomes a STRAY, which no rule accepts: the
   parser then knows what was expected instead.

Tokens are made one by one as the parser asks for them, so the first fault in the text is the
one reported, and a text with 100,000 brackets is read no further than the limit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from lark import Token

from engine.rules.literals import CALENDAR_UNITS, RESERVED, UNITS, is_bare_name, read_number
from engine.rules.misread import Misread

__all__ = ["ENDS_VALUE", "FUNCTIONS", "KEYWORDS", "tokens"]

# ---------------------------------------------------------------------------- scanning

_PIECE = re.compile(
    r"""(?P<blank>(?:\s|--[^\n]*)+)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?\w*)
    |(?P<string>'[^']*+(?:''[^']*+)*+')
    |(?P<quoted>"[^"]*+(?:""[^"]*+)*+")
    |(?P<sign><>|!=|<=|>=|==|=>|=<|!<|!>|&&|\|\||[-+*=<>(),.])
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")

_SIGNS: Final = {
    "(": "LPAR",
    ")": "RPAR",
    ",": "_COMMA",
    ".": "_DOT",
    "*": "_STAR",
    "+": "PLUS",
    "-": "MINUS",
    "=": "COMPARISON",
    "!=": "COMPARISON",
    "<>": "COMPARISON",
    "<": "COMPARISON",
    "<=": "COMPARISON",
    ">": "COMPARISON",
    ">=": "COMPARISON",
}

_HALF_WIDTH: Final = {
    **dict(zip("（）【】［］｛｝", "()()()()", strict=True)),
    **dict(zip("，、。．", ",,..", strict=True)),
    **dict(zip("＋－＊／％＝＜＞！＆｜＿", "+-*/%=<>!&|_", strict=True)),
    **dict.fromkeys("‘’‚‛＇「」『』´", "'"),
    **dict.fromkeys("“”„‟＂〝〞", "'"),
    **dict(zip("≤≥≠", ("<=", ">=", "!="), strict=True)),
    **dict.fromkeys("−–—", "-"),
    "×": "*",
}


# Kind, text, start and end of a piece.
_Piece = tuple[str, str, int, int]


_QUOTED: Final = frozenset(("string", "quoted"))


def _scan(text: str) -> Iterator[_Piece]:
    """The pieces of a text in order, without blanks; raises Misread at the first bad one."""
    for match in _PIECE.finditer(text):
        kind = match.lastgroup
        if kind == "blank":
            continue
        assert kind is not None
        piece = (kind, match[0], match.start(), match.end())
        if kind == "other":
            _refuse_character(piece)
        elif kind in _QUOTED:
            _check_quoted(piece)
        yield piece


def _check_quoted(piece: _Piece) -> None:
    _, text, start, end = piece
    if text == '""':
        raise Misread(start, end, "a name cannot be empty")
    if not text.isascii() and _HALF_CHARACTER.search(text):
        raise Misread(start, end, "half of a surrogate pair is not a character")


def _refuse_character(piece: _Piece) -> None:
    _, sign, start, end = piece
    place = (start, end)
    if sign in "'\"":
        what, mark = ("text", "'") if sign == "'" else ("name", '"')
        raise Misread(
            *place,
            f"the {what} that begins here is never closed",
            f"end it with {mark}; a {mark} inside is written twice",
        )
    half = _HALF_WIDTH.get(sign)
    if half is not None:
        message = f"`{sign}` is not part of the language"
        raise Misread(*place, message, f"use the half-width `{half}`")
    if sign == "；":
        raise Misread(*place, f"`{sign}` is not part of the language", "leave it out")
    if unicodedata.category(sign).startswith("M"):
        message = f"the mark U+{ord(sign):04X} cannot stand in a bare name"
        raise Misread(*place, message, "put the name in double quotes")
    if sign.isdecimal():
        raise Misread(*place, f"`{sign}` is not a digit here", "write numbers with 0 to 9")
    if not sign.isprintable():
        raise Misread(*place, f"the character U+{ord(sign):04X} cannot be shown here", "delete it")


# ----------------------------------------------------------------------------- placing

# What a token that ends a value or a name is called; after these only a keyword can stand.
ENDS_VALUE: Final = frozenset(
    (
        *("NAME", "STRING", "NUMBER", "BOOLEAN", "NOW", "ANY", "RPAR", "UNIT", "CALENDAR_UNIT"),
        *("MISSING", "PRESENT", "TODAY", "YESTERDAY", "AGO", "STRAY"),
    )
)

_RESERVED_TYPES: Final = {
    **{word: word.upper() for word in RESERVED},
    **{word: f"_{word.upper()}" for word in ("and", "or", "in", "is", "has", "where", "within")},
    **dict.fromkeys(("true", "false"), "BOOLEAN"),
}

FUNCTIONS: Final = {
    **dict.fromkeys(("count", "days", "first", "last"), "STEP_AGGREGATE"),
    **dict.fromkeys(
        ("sum", "avg", "min", "max", "distinct", "first_value", "last_value"),
        "PROPERTY_AGGREGATE",
    ),
    **dict.fromkeys(("score", "band", "tier", "bucket"), "CALL"),
    "segment": "SEGMENT",
    "list": "LIST",
    "consent": "CONSENT",
    "sequence": "SEQUENCE",
}
_TYPED_STRINGS: Final = {"date": "DATE", "time": "TIME"}

_AFTER_VALUE: Final = {
    "since": "SINCE",
    "before": "BEFORE",
    "from": "FROM",
    "to": "_TO",
    "today": "TODAY",
    "yesterday": "YESTERDAY",
    "this": "THIS",
    "ago": "AGO",
}

_AFTER_NUMBER: Final[dict[str, str]] = {
    "calendar": "_CALENDAR",
    **dict.fromkeys(UNITS, "UNIT"),
    **{f"{unit}s": "UNIT" for unit in UNITS},
}
_CALENDAR_SINGULAR: Final[dict[str, str]] = {unit: "CALENDAR_UNIT" for unit in CALENDAR_UNITS}

# The words that can follow a token of a type, where those are few.
_FOLLOWING: Final[dict[str, dict[str, str]]] = {
    "_IS": {"missing": "MISSING", "present": "PRESENT"},
    "_HAS": {"all": "_ALL"},
    "STARTS": {"with": "_WITH"},
    "ENDS": {"with": "_WITH"},
    "THIS": _CALENDAR_SINGULAR,
    "_CALENDAR": _CALENDAR_SINGULAR | {f"{unit}s": "CALENDAR_UNIT" for unit in CALENDAR_UNITS},
}

# Every keyword with a type that it has in some place, for hints.
KEYWORDS: Final[tuple[tuple[str, str], ...]] = (
    *_AFTER_NUMBER.items(),
    *_AFTER_VALUE.items(),
    *FUNCTIONS.items(),
    *(item for words in _FOLLOWING.values() for item in words.items()),
    *_RESERVED_TYPES.items(),
)


def _word_type(word: str, before: str, following: _Piece | None) -> str:
    """The type of an unreserved word, by the token type before it and the piece after it."""
    if before in _FOLLOWING:
        return _FOLLOWING[before].get(word, "STRAY")
    if before == "NUMBER" and word in _AFTER_NUMBER:
        return _AFTER_NUMBER[word]
    if before in ENDS_VALUE:
        return _AFTER_VALUE.get(word, "STRAY")
    if following is not None and before != "_DOT":
        if following[1] == "(":
            return FUNCTIONS.get(word, "STRAY")
        if following[0] == "string":
            return _TYPED_STRINGS.get(word, "NAME")
    return "NAME"


def _token(kind: str, text: str, start: int, end: int) -> Token:
    """A token with its place. Lark's own way of making one takes three times as long, in a loop
    that is half of the time of reading a short expression."""
    token = str.__new__(Token, text)
    token.type, token.value = kind, text
    token.start_pos, token.end_pos = start, end
    token.line = token.column = token.end_line = token.end_column = None
    return token


def _placed(piece: _Piece, before: str, following: _Piece | None) -> Token:
    kind, text, start, end = piece
    if kind == "word":
        word = text.lower()
        reserved = _RESERVED_TYPES.get(word)
        if reserved is not None:
            return _token(reserved, word, start, end)
        found = _word_type(word, before, following)
        if found == "NAME" and not (text.isascii() or is_bare_name(text)):
            raise Misread(
                start, end, f"`{text}` needs quotes to be a name", f'write it as "{text}"'
            )
        return _token(found, text if found in ("NAME", "STRAY") else word, start, end)
    if kind == "string":
        return _token("STRING", text[1:-1].replace("''", "'"), start, end)
    if kind == "quoted":
        return _token("NAME", text[1:-1].replace('""', '"'), start, end)
    if kind == "number":
        try:
            read_number(text)
        except ValueError as error:
            hint = "put a blank between a number and a word" if text[-1].isalpha() else ""
            raise Misread(start, end, f"`{text[:60]}`: {error}", hint) from None
        return _token("NUMBER", text, start, end)
    return _token(_SIGNS.get(text, "STRAY"), text, start, end)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, each with `start_pos` and `end_pos` in code points.

    The value of a STRING or NAME is its content without quotes; of a keyword, lower case.
    Raises Misread where the text cannot be cut into tokens, once all before it are given out.
    """
    pieces = _scan(text)
    fault: Misread | None = None
    before = ""
    piece = next(pieces, None)
    while piece is not None:
        following, fault = _ahead(pieces)
        if following is not None and _is_in_last(piece, following):
            token = _token("IN_LAST", "in last", piece[2], following[3])
            following, fault = _ahead(pieces)
        else:
            token = _placed(piece, before, following)
        # `is not` decides the next word as `is` does.
        if not (before == "_IS" and token.type == "NOT"):
            before = token.type
        yield token
        piece = following
    if fault is not None:
        raise fault


def _ahead(pieces: Iterator[_Piece]) -> tuple[_Piece | None, Misread | None]:
    """The next piece, or what is wrong with it: a fault is raised only when it is reached."""
    try:
        return next(pieces, None), None
    except Misread as fault:
        return None, fault


def _is_in_last(piece: _Piece, following: _Piece) -> bool:
    return following[1].lower() == "last" and piece[1].lower() == "in"
