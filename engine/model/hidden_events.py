"""Types of events that no model declares: what the store remembers, kept as events.

A *fact* is a truth with an interval: a sticky tag that a profile has, a band with `hold` that it
is in. Each beginning and each end is an event of the fact's own type, with the bool property
`ON`; so the fact holds at an instant where the last such event up to it is on, which is an
aggregate like any other, for the past too. Tags named by properties, `参与{topic}直播`, are one
type: its events have these properties as well, under their own names and of their own types, so
that their codes are those of the events that the tags come from.

A *history* has what an attribute with `history: true` was: each change is an event of the type of
that attribute, which has the new value as its one property, or nothing where the value was taken
away. No two events of a profile have one time, so what the attribute was at an instant is what the
last of them up to it brought.

What is *told* of a rule whose tags properties name: an event for each such tag that a profile has,
whoever gave it, from when it got it on; it is taken away when the profile loses the tag. So the
feed can tell what differs. The tag stands in it as the codes of the properties, or, where somebody
gave it, as its own code.

Names of hidden types and of their own properties begin with a colon, which no declared name does:
they can be neither written, selected (nor does `any` take them), listed nor loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.model.definitions import TAG, Attribute, EventProperty, EventType, Model
from engine.model.plain import TagRule
from engine.model.sections.declared import Declared
from engine.model.sections.tag_rules import PLACE, selected_events

__all__ = [
    "ON",
    "TOLD_TAG",
    "UNDONE",
    "band_fact",
    "event_type",
    "fact_event",
    "fact_events",
    "hidden_events",
    "history_event",
    "history_events",
    "history_name",
    "history_of",
    "history_value",
    "is_fact",
    "is_hidden",
    "is_told",
    "tag_fact",
    "tag_places",
    "tag_values",
    "told_event",
]

_HIDDEN = ":"
_FACT = ":fact:"
_TOLD = ":told:"
_HISTORY = ":history:"
_HISTORY_VALUE = ":value:"

# Whether a fact begins to hold (true) or ends.
ON = EventProperty(":on", "bool")
# Of tags that properties name: true where what is so from then on was so before, too, since what
# had happened at that very instant was undone. Of the others beginnings and ends take turns.
UNDONE = EventProperty(":undone", "bool")
# Of what is told of tags: one that somebody gave, by the codes of the attribute.
TOLD_TAG = EventProperty(f"{_HISTORY_VALUE}{TAG}", "category")


def is_hidden(name: str) -> bool:
    """Whether a name is that of a hidden type, or of a property that only hidden types have."""
    return name.startswith(_HIDDEN)


def is_fact(name: str) -> bool:
    """Whether a name is that of the type of a fact."""
    return name.startswith(_FACT)


def is_told(name: str) -> bool:
    """Whether a name is that of the type of what is told of a tag rule."""
    return name.startswith(_TOLD)


def tag_fact(tag: str) -> str:
    """Key of the fact that a sticky tag rule makes; `tag` as written, with its places."""
    return f"tag:{tag}"


def band_fact(score: str, band: str) -> str:
    """Key of the fact that a score's band is held."""
    # Both names may have colons in them.
    escaped = score.replace("\\", "\\\\").replace(":", "\\:")
    return f"band:{escaped}:{band}"


def fact_event(key: str, places: Mapping[str, EventProperty] | None = None) -> EventType:
    """The type of event by which a fact begins and ends; `places` are the properties that a tag
    takes its name from."""
    undone = {UNDONE.name: UNDONE} if places else {}
    return EventType(f"{_FACT}{key}", {ON.name: ON, **undone, **(places or {})})


def tag_places(tag: str) -> tuple[str, ...]:
    """The properties that a rule's tag takes its name from, in the order written, each once."""
    return tuple(dict.fromkeys(PLACE.findall(tag)))


def tag_values(tag: str, name: str) -> Iterator[tuple[str, ...]]:
    """The values of `tag_places(tag)` with which a rule's tag has a name: none where it never has,
    several where places follow each other without anything in between."""
    places = tag_places(tag)
    pieces = PLACE.split(tag)
    texts, named = pieces[::2], pieces[1::2]

    def match(at: int, rest: str, given: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
        if at == len(named):
            if not rest:
                yield tuple(given[place] for place in places)
            return
        after = texts[at + 1]
        for size in range(1, len(rest) + 1):
            value = rest[:size]
            if rest.startswith(after, size) and given.get(named[at], value) == value:
                yield from match(at + 1, rest[size + len(after) :], {**given, named[at]: value})

    if name.startswith(texts[0]):
        yield from match(0, name[len(texts[0]) :], {})


def fact_events(model: Model) -> dict[str, EventType]:
    """The facts of a model: key -> type of event; sticky tag rules, then bands with `hold`."""
    found = {}
    for rule in model.tag_rules:
        if rule["keep"] == "sticky":
            key = tag_fact(rule["tag"])
            found[key] = fact_event(key, _properties(model, rule))
    for name, score in model.scores.items():
        for band in score["hold"]:
            found[band_fact(name, band)] = fact_event(band_fact(name, band))
    return found


def _properties(model: Model, rule: TagRule) -> dict[str, EventProperty]:
    """The declarations of the properties that a tag is named by."""
    if "each" not in rule:
        return {}
    declared = Declared(events=dict.fromkeys(model.events), groups=model.event_groups)
    selected = [model.events[name] for name in selected_events(rule["each"], declared)]
    return {
        place: next(event.properties[place] for event in selected if place in event.properties)
        for place in tag_places(rule["tag"])
    }


def told_event(model: Model, rule: TagRule) -> EventType:
    """The type of event that says who has a tag of a rule whose tags properties name, for the feed
    to tell who gets and loses one."""
    properties = {**_properties(model, rule), TOLD_TAG.name: TOLD_TAG}
    return EventType(f"{_TOLD}{rule['tag']}", properties)


def history_value(attribute: Attribute) -> EventProperty:
    """The property that has what an attribute with history became; its codes are those of the
    attribute."""
    return EventProperty(f"{_HISTORY_VALUE}{attribute.name}", attribute.type, attribute.scale)


def history_name(attribute: str) -> str:
    """Name of the type of event by which an attribute with history changes."""
    return f"{_HISTORY}{attribute}"


def history_event(attribute: Attribute) -> EventType:
    """The type of event by which an attribute with history changes."""
    value = history_value(attribute)
    return EventType(history_name(attribute.name), {value.name: value})


def history_of(name: str) -> str | None:
    """The attribute whose history a property belongs to; None for all others."""
    return name.removeprefix(_HISTORY_VALUE) if name.startswith(_HISTORY_VALUE) else None


def history_events(model: Model) -> dict[str, EventType]:
    """The histories of a model: attribute -> type of event."""
    return {
        name: history_event(attribute)
        for name, attribute in model.attributes.items()
        if attribute.history
    }


def hidden_events(model: Model) -> dict[str, EventType]:
    """All hidden types of a model, by name."""
    found = (*fact_events(model).values(), *history_events(model).values())
    return {event.name: event for event in found}


def event_type(model: Model, name: str) -> EventType:
    """A declared or a hidden type of event; KeyError for a name of neither."""
    declared = model.events.get(name)
    return declared if declared is not None else hidden_events(model)[name]
