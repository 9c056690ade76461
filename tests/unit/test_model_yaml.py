"""YAML as people write it: its traps, its bombs, and several files."""

from __future__ import annotations

import pytest
import yaml

from engine.errors import ModelInvalid
from engine.limits import MODEL_BYTES, MODEL_DEPTH
from engine.model import yaml_tree
from engine.model.load import load_model

HEAD = "identifiers: {phone: {}}\n"


def faults(*texts: str) -> list[str]:
    with pytest.raises(ModelInvalid) as caught:
        load_model({f"m{at}.yaml": text for at, text in enumerate(texts)})
    return [str(issue) for issue in caught.value.issues]


def test_scalars_are_the_text_that_was_written() -> None:
    model, _ = load_model(
        {
            "m.yaml": "identifiers: {phone: {blocked: [00000000000, 0x1F, no, 2026-01-01, 1:30]}}\n"
            "segments: {on: true, off: {when: yes}}\n"
            "attributes: {no: int, 2026-01-01: {type: bool, label: 1.50}}\n"
        }
    )
    assert model.identifiers["phone"].blocked == {
        "00000000000",
        "0x1F",
        "no",
        "2026-01-01",
        "1:30",
    }
    assert {name: one.rule for name, one in model.segments.items()} == {"on": "true", "off": "yes"}
    assert list(model.attributes) == ["no", "2026-01-01", "tag"]
    assert model.attributes["2026-01-01"].label == "1.50"


def test_aliases_share_what_they_name() -> None:
    text = (
        HEAD + "events:\n  a: &shape {properties: {page: category}}\n  b: *shape\n"
        "segments: {x: &rule 'true', *rule : *rule}\n"
    )
    model, positions = load_model({"m.yaml": text})
    assert model.events["a"].properties == model.events["b"].properties
    assert model.segments["true"].rule == "true"
    assert positions["events", "b"] == ("m.yaml", 4)
    assert positions["events", "b", "properties"] == ("m.yaml", 3)


def test_a_byte_order_mark_and_windows_lines_are_fine() -> None:
    model, positions = load_model(
        {"m.yaml": "\ufeff" + (HEAD + "segments:\n  s: 'true'\n").replace("\n", "\r\n")}
    )
    assert list(model.segments) == ["s"]
    assert positions["segments", "s"] == ("m.yaml", 3)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

UNREADABLE = {
    "": "m0.yaml, line 1: the file is empty (a model declares at least identifiers)",
    "# only a comment\n": (
        "m0.yaml, line 1: the file is empty (a model declares at least identifiers)"
    ),
    "segm": (
        "m0.yaml, line 1: expected keys with values, found the text 'segm' "
        "(a model file begins with a key such as 'attributes:')"
    ),
    "- a": (
        "m0.yaml, line 1: expected keys with values, found a list "
        "(a model file begins with a key such as 'attributes:')"
    ),
    HEAD + "---\na: b": (
        "m0.yaml, line 2: a second document begins here (a model file holds one document)"
    ),
    HEAD + "segments: {[a]: b}": (
        "m0.yaml, line 2: a key must be a text, found a list (quote it if a text was meant)"
    ),
    HEAD + "segments: {s: &s [*s]}": (
        "m0.yaml, line 2: '*s' lies inside the value that it refers to"
    ),
    HEAD + "segments: {s: *t}": (
        "m0.yaml, line 2: '*t' refers to nothing "
        "(put '&t' before the value meant, or quote the text)"
    ),
    BOMB: "m0.yaml, line 6: more than 500,000 values, aliases written out",
    "[" * 100_000: "m0.yaml, line 1: nested deeper than 32 levels",
    "a: " + "{a: " * 40 + "}" * 40: "m0.yaml, line 1: nested deeper than 32 levels",
    "".join("- " * 40): "m0.yaml, line 1: nested deeper than 32 levels",
    "a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 20 + "*a" + "]" * 20: (
        "m0.yaml, line 2: nested deeper than 32 levels, aliases written out"
    ),
    HEAD + "segments:\n  s: a\0b": (
        "m0.yaml, line 3, column 7: the character U+0000 cannot stand in a model file "
        "(is this a text file in UTF-8?)"
    ),
    HEAD + "segments: \ud800": (
        "m0.yaml, line 2, column 11: the character U+D800 cannot stand in a model file "
        "(is this a text file in UTF-8?)"
    ),
}


@pytest.mark.parametrize("text", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_cannot_be_read(text: str) -> None:
    assert faults(text) == [UNREADABLE[text]]


# The words of the two parsers of PyYAML differ, the place and the advice do not.
NOT_YAML = {
    HEAD + "segments:\n\ts: a": (3, "indent with spaces, not tabs"),
    HEAD + "segments:\n  s: count(x where a = 'b: c')": (3, "in quotes"),
    HEAD + "segments: {s: 'true": (2, "is it complete?"),
    HEAD + "segments: {s: 'true'": (3, "is it complete?"),
    HEAD + "segments:\n  s: @x": (3, "put a text that begins with '@' in quotes"),
    HEAD + "a: [b\nc ]d": (3, "look for a missing quote, bracket or colon"),
}


@pytest.mark.parametrize("parser", ["SafeLoader", "CSafeLoader"])
@pytest.mark.parametrize("text", NOT_YAML, ids=range(len(NOT_YAML)))
def test_what_is_not_yaml(text: str, parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_tree, "_Loader", getattr(yaml, parser, yaml.SafeLoader))
    with pytest.raises(ModelInvalid) as caught:
        load_model({"m.yaml": text})
    line, hint = NOT_YAML[text]
    (issue,) = caught.value.issues
    assert issue.message.startswith("this is not YAML: ")
    assert ("while parsing a block mapping" in issue.message) == ("a: [b" in text)
    assert issue.where == "m.yaml"
    assert abs(issue.line - line) <= (1 if "complete" in hint else 0)
    assert hint in issue.hint


def test_a_key_that_stands_twice_names_both_lines() -> None:
    assert faults(HEAD + "segments:\n  a: 'true'\n  b: 'true'\n  a: 'false'\n") == [
        "m0.yaml, line 5: the key 'a' stands twice, on line 3 and on line 5 (keep one of them)"
    ]


def test_type_marks_are_refused() -> None:
    assert faults(HEAD + "segments:\n  a: !!python/name:os.system x\n  b: !mine 'true'") == [
        "m0.yaml, line 3: the type mark 'tag:yaml.org,2002:python/name:os.system' is not allowed "
        "(write the value without it)",
        "m0.yaml, line 4: the type mark '!mine' is not allowed (write the value without it)",
    ]


def test_merge_keys_are_unknown_keys() -> None:
    (fault,) = faults(HEAD + "attributes: {a: &a {type: int}, b: {<<: *a, type: int}}")
    assert fault.startswith("m0.yaml, attributes.b.\"<<\", line 2: unknown key '<<' (known keys: ")


# ------------------------------------------------------------------------ several files


def test_files_are_one_model() -> None:
    model, positions = load_model(
        {
            "a.yaml": HEAD + "segments: {one: 'true'}\ntag_rules: [{tag: x, when: a}]\nevents:\n",
            "b.yaml": "segments: {two: 'true'}\ntag_rules: [{tag: y, when: b}]\nevents: {e: }\n",
            "c.yaml": "segments:\nevents: {f: }\n",
        }
    )
    assert list(model.segments) == ["one", "two"]
    assert [rule["tag"] for rule in model.tag_rules] == ["x", "y"]
    assert list(model.events) == ["e", "f"]
    assert positions["tag_rules", 1, "when"] == ("b.yaml", 2)
    assert positions["events", "f"] == ("c.yaml", 2)
    assert list(model.text) == ["a.yaml", "b.yaml", "c.yaml"]


def test_the_same_key_in_two_files_names_both() -> None:
    second = "time_zone: UTC\nsegments: {a: 'false', b: 'true'}\nidentifiers: {card: }\n"
    assert faults(HEAD + "segments: {a: 'true'}\ntime_zone: UTC\n", second) == [
        "m1.yaml, time_zone, line 1: the key stands in two files, also in m0.yaml on line 3 "
        "(keep one of them)",
        "m1.yaml, segments.a, line 2: the key stands in two files, also in m0.yaml on line 2 "
        "(keep one of them)",
        "m1.yaml, identifiers, line 3: the key stands in two files, also in m0.yaml on line 1 "
        "(their order is the order of trust, so they stand in one file)",
    ]


def test_faults_name_the_file_they_are_in() -> None:
    found = faults(HEAD + "event_groups: {g: [nope]}", "attributes:\n  a: {typ: int}\n", "x: 1\n")
    assert [fault.split(":")[0] for fault in found] == [
        "m0.yaml, event_groups.g[0], line 2",
        "m1.yaml, attributes.a, line 2",
        "m1.yaml, attributes.a.typ, line 2",
        "m2.yaml, x, line 1",
    ]


def test_an_unreadable_file_hides_no_other_unreadable_file() -> None:
    found = faults(HEAD, "", "a: [", HEAD + "unknown: 1\n")
    assert [fault.split(",")[0] for fault in found] == ["m1.yaml", "m2.yaml"]


def test_no_file_and_too_much_of_it() -> None:
    with pytest.raises(ModelInvalid, match="there is no model file"):
        load_model({})
    most = HEAD + "#" * (MODEL_BYTES - len(HEAD))
    assert load_model({"m.yaml": most})
    with pytest.raises(ModelInvalid, match="larger than 4 MiB"):
        load_model({"m.yaml": most, "n.yaml": "#"})
    with pytest.raises(ModelInvalid, match="larger than 4 MiB"):
        load_model({"m.yaml": HEAD + "#" + "行" * (MODEL_BYTES // 3)})


def test_depth_is_counted_through_aliases() -> None:
    def nested(levels: int, inner: str) -> str:
        return "[" * levels + inner + "]" * levels

    def is_too_deep(text: str) -> bool:
        return any("nested deeper" in fault for fault in faults(text))

    # The root mapping is one level itself.
    assert not is_too_deep("a: " + nested(MODEL_DEPTH - 1, "x"))
    assert is_too_deep("a: " + nested(MODEL_DEPTH, "x"))
    shared = "a: &a " + nested(10, "x") + "\nb: "
    assert not is_too_deep(shared + nested(MODEL_DEPTH - 11, "*a"))
    assert is_too_deep(shared + nested(MODEL_DEPTH - 10, "*a"))
