"""Types of events that no model declares: their names, their properties, and who sees them."""

from __future__ import annotations

import pytest

from engine.model.definitions import Model
from engine.model.hidden_events import (
    ON,
    UNDONE,
    band_fact,
    event_type,
    fact_events,
    is_hidden,
    tag_fact,
    tag_places,
    tag_values,
)
from engine.model.load import load_model
from engine.rules import bound
from engine.rules.bound_events import BoundAggregate
from engine.rules.bound_facts import fact_holds, facts_read

MODEL = """
identifiers: {phone: {}}
attributes: {city: category}
events:
  watch: {properties: {topic: int}}
  finish: {properties: {topic: category, host: category}}
event_groups: {live: [finish]}
tag_rules:
- {tag: A, when: "city = 'A'", keep: sticky}
- {tag: B, when: "city = 'B'", keep: live}
- {tag: 'saw {topic} of {host}', each: "live where topic != 'x'", keep: sticky}
scores:
  lead: {rules: [{when: "city = 'A'", points: 1}], bands: {low: 0, high: 1}, hold: {high: 0.5}}
"""


def model_of(text: str) -> Model:
    return load_model({"model.yaml": text})[0]


def test_sticky_tags_and_held_bands_are_facts() -> None:
    facts = fact_events(model_of(MODEL))
    assert list(facts) == ["tag:A", "tag:saw {topic} of {host}", "band:lead:high"]
    assert [event.name for event in facts.values()] == [f":fact:{key}" for key in facts]
    assert all(is_hidden(event.name) for event in facts.values())


def test_tags_named_by_properties_have_these_as_the_events_of_the_rule_do() -> None:
    facts = fact_events(model_of(MODEL))
    assert facts["tag:A"].properties == {ON.name: ON}
    places = dict(facts["tag:saw {topic} of {host}"].properties)
    assert places.pop(ON.name) == ON
    assert places.pop(UNDONE.name) == UNDONE
    # `topic` is an int elsewhere.
    assert {name: found.type for name, found in places.items()} == dict.fromkeys(
        ("topic", "host"), "category"
    )


def test_a_type_is_found_whether_it_is_hidden_or_not() -> None:
    model = model_of(MODEL)
    assert event_type(model, "watch") is model.events["watch"]
    assert event_type(model, ":fact:tag:A").properties == {ON.name: ON}
    with pytest.raises(KeyError):
        event_type(model, ":fact:tag:B")


def test_facts_of_different_bands_have_different_keys() -> None:
    names = ("a", ":", "a:", ":a", "\\", "\\:", "a\\:")
    assert len({band_fact(one, two) for one in names for two in names}) == len(names) ** 2
    assert tag_fact("x") not in {band_fact(one, "x") for one in names}


@pytest.mark.parametrize(
    ("tag", "name", "values"),
    [
        ("A", "A", [()]),
        ("A", "AA", []),
        ("参与{topic}直播", "参与AI直播", [("AI",)]),
        ("参与{topic}直播", "参与直播", []),
        ("参与{topic}直播", "参与直播直播", [("直播",)]),
        ("参与{topic}直播", "参与AI直播!", []),
        ("{a}-{b}", "x-y-z", [("x", "y-z"), ("x-y", "z")]),
        ("{a}{a}", "xyxy", [("xy",)]),
        ("{a}{a}", "xyxz", []),
        ("{b}{a}", "xyz", [("x", "yz"), ("xy", "z")]),
        ("{a}.", "a.b.", [("a.b",)]),
        ("{a}{b}{a}", "xyx", [("x", "y")]),
    ],
)
def test_a_name_is_taken_apart_into_values(
    tag: str, name: str, values: list[tuple[str, ...]]
) -> None:
    assert sorted(tag_values(tag, name)) == values


def test_places_are_in_the_order_written_and_each_once() -> None:
    assert tag_places("{b} of {a}{b}") == ("b", "a")
    assert tag_places("A") == ()


def test_a_fact_is_the_last_of_its_events() -> None:
    facts = fact_events(model_of(MODEL))
    plain = fact_holds(facts["tag:A"])
    named = fact_holds(facts["tag:saw {topic} of {host}"], {"topic": "x", "host": "y"})
    assert facts_read(plain) == {":fact:tag:A"}
    assert facts_read(bound.BoundAnd((named, bound.BoundNot(plain, None)), None)) == {
        ":fact:tag:A",
        ":fact:tag:saw {topic} of {host}",
    }
    assert isinstance(named, bound.BoundBool)
    assert isinstance(named.read, BoundAggregate)
    assert isinstance(named.read.events.where, bound.BoundAnd)
