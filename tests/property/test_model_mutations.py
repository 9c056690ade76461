"""Models with a slip of the keyboard, and texts that are hardly a model any more."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import ModelInvalid
from engine.model.document import DocumentShape
from engine.model.faults import known_keys
from engine.model.load import load_model
from tests.unit.test_model_example import guide_example

TEXT = guide_example()
LINES = TEXT.splitlines()


def known_at(path: tuple[Any, ...]) -> list[str]:
    """The keys that the schema knows at a path, none where names are free."""
    try:
        return known_keys(DocumentShape, path)
    except AssertionError:
        return []


def schema_keys() -> list[tuple[int, str]]:
    """(line, key) of every key of the example that is one of the schema."""
    _, positions = load_model({"m.yaml": TEXT})
    return sorted(
        {
            (positions[path][1], str(path[-1]))
            for path in positions
            if path and path[-1] in known_at(path[:-1])
        }
    )


KEYS = schema_keys()


def test_the_example_has_every_key_worth_trying() -> None:
    keys = {key for _, key in KEYS}
    assert set(known_at(())) <= keys
    assert {"at_most", "half_life", "engagement", "split", "owner", "else", "is"} <= keys
    assert len(KEYS) > 100


def slips(key: str) -> list[str]:
    """The key with a letter doubled, and where it is long enough one lost or two swapped."""
    found = [key[: at + 1] + key[at:] for at in range(len(key))]
    if len(key) >= 5:
        found += [key[:at] + key[at + 1 :] for at in range(len(key))]
        found += [
            key[:at] + key[at + 1] + key[at] + key[at + 2 :]
            for at in range(len(key) - 1)
            if key[at] != key[at + 1]
        ]
    return found


@settings(max_examples=300)
@given(place=st.sampled_from(KEYS), data=st.data())
def test_a_slip_in_a_key_names_the_line_and_the_key_meant(
    place: tuple[int, str], data: st.DataObject
) -> None:
    line, key = place
    slip = data.draw(st.sampled_from(slips(key)))
    lines = list(LINES)
    lines[line - 1], count = re.subn(rf"(?<![\w']){key}:(?=\s|$)", f"{slip}:", lines[line - 1])
    assert count
    with pytest.raises(ModelInvalid) as caught:
        load_model({"m.yaml": "\n".join(lines)})
    assert any(
        issue.line == line
        and issue.where.startswith("m.yaml, ")
        and issue.message == f"unknown key '{slip}'"
        and issue.hint == f"did you mean '{key}'?"
        for issue in caught.value.issues
    ), caught.value.message


PIECES = [
    *"{}[]:,-'\"#&*!|>%@`?\t\n 0~",
    ": ",
    "- ",
    "\n---\n",
    "<<",
    "*a",
    "&a ",
    "null",
    "é",
    "行",
]
PIECES += ["\x00", "\ud800", "\ufeff", "!!set", "1e999", "9" * 50, "{}", "[]", "99 weeks", "100%"]


def mutated(rng: random.Random) -> str:
    """The example after a few edits: pieces cut, moved, doubled, put in and replaced."""
    text = TEXT
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice((0, 1, 2, 5, 20, 200)))
        match rng.randrange(6):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + rng.choice(PIECES) + text[end:]
            case 2:
                text = text[:end] + text[start:end] + text[end:]
            case 3:
                into = rng.randrange(len(text) + 1)
                text = text[:into] + text[start:end] + text[into:]
            case 4:
                text = text[:start] if rng.random() < 0.2 else text[:start] + "\n" + text[start:]
            case _:
                words = re.findall(r"[\w']+", text) or [""]
                text = text.replace(rng.choice(words), rng.choice([*words, *PIECES]), 1)
    return text


@settings(max_examples=1000)
@given(seed=st.integers(0, 2**64 - 1))
def test_any_text_loads_or_is_refused_with_issues(seed: int) -> None:
    text = mutated(random.Random(seed))
    try:
        load_model({"m.yaml": text})
    except ModelInvalid as refused:
        assert refused.issues
        for issue in refused.issues:
            assert issue.where.startswith("m.yaml")
            assert 1 <= issue.line <= len(re.findall(r"\r\n|[\n\r\x85\u2028\u2029]", text)) + 1
            assert issue.message
