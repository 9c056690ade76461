"""What names mean: attributes, events, properties, scores, tiers, purposes of a model.

A `Scope` is where an expression stands. At the top a bare name is an attribute; inside a
`where` it is a property of the selected events, and nothing else of the profile is there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo

from engine.errors import ExpressionInvalid
from engine.model.definitions import Attribute, EventType, Model
from engine.nearest import nearest
from engine.rules import tree
from engine.rules.bound import BoundExpr, StringTest
from engine.rules.bound_scores import BoundScore
from engine.rules.derived import Derived
from engine.rules.faults import Faults, Placed
from engine.rules.types import KIND_WORDS, Operand

__all__ = ["EventScope", "ModelScope", "Scope", "unknown"]


def unknown(
    faults: Faults,
    node: Placed,
    what: str,
    name: str,
    known: Iterable[str],
    *,
    hint: str = "",
    otherwise: str = "",
) -> ExpressionInvalid:
    """The error for a name that is not there.

    The hint is `hint`, or the nearest name that is there, or `otherwise`.
    """
    if not hint:
        near = nearest(name, known)
        hint = f"did you mean '{near}'?" if near is not None else otherwise
    return faults.at(node, f"there is no {what} named '{name}'", hint)


class Scope(ABC):
    """Where an expression stands: the model, the text for errors, and what a name means."""

    def __init__(self, model: Model, faults: Faults) -> None:
        self.model = model
        self.faults = faults

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of dates and of times without an offset."""
        return self.model.time_zone

    @abstractmethod
    def field(self, node: tree.Name) -> Attribute:
        """The attribute or property of a bare name."""

    @abstractmethod
    def outer(self, node: Placed, what: str) -> ModelScope:
        """The scope of the whole profile, or an error where `what` must not stand."""


class ModelScope(Scope):
    """The top of an expression: names are attributes.

    `segment` gives a definition, bound, and `score` one of a score; `condition` binds the
    expression of a `where` (all come from above, since conditions and definitions hold expressions
    again). `computed` gives what stands for an attribute with `is:`; without it such a one is an
    attribute like others.
    `derived` says what the names of a band or tier mean, None where that is not known; `given`
    who has a tag that passes from the rules of the model, one condition for each. `past`: another
    instant than the clock is asked, and attributes with history are as they were then.
    """

    def __init__(
        self,
        model: Model,
        faults: Faults,
        segment: Callable[[tree.Segment], BoundExpr],
        score: Callable[[str], BoundScore],
        condition: Callable[[tree.Expr, Scope], BoundExpr],
        computed: Callable[[Attribute], Operand] | None = None,
        derived: Callable[[tree.Call], Derived | None] = lambda call: None,
        given: Callable[[StringTest], tuple[BoundExpr, ...]] = lambda test: (),
        past: bool = False,
    ) -> None:
        super().__init__(model, faults)
        self.segment = segment
        self.score = score
        self.condition = condition
        self.computed = computed
        self.derived = derived
        self.given = given
        self.past = past

    def field(self, node: tree.Name) -> Attribute:
        attribute = self.model.attributes.get(node.name)
        if attribute is None:
            raise unknown(
                self.faults,
                node,
                "attribute",
                node.name,
                self.model.attributes,
                hint=self._other_meaning(node.name),
                otherwise=(
                    f"declare it under attributes; a string stands in single quotes: '{node.name}'"
                ),
            )
        return attribute

    def outer(self, node: Placed, what: str) -> ModelScope:
        return self

    def _other_meaning(self, name: str) -> str:
        """What the name is, if it is no attribute but something else."""
        if name in self.model.events or name in self.model.event_groups:
            return f"'{name}' is an event: count({name}) counts it"
        if name in self.model.segments:
            return f"'{name}' is a segment: segment('{name}')"
        if name in self.model.scores:
            return f"'{name}' is a score: score('{name}')"
        if name in self.model.tiers:
            return f"'{name}' is a tier: tier('{name}')"
        return ""

    def events(self, selector: tree.Selector | tree.AnyEvent) -> tuple[EventType, ...]:
        """The event types that a selector names, each once."""
        if isinstance(selector, tree.AnyEvent):
            return tuple(self.model.events.values())
        found: dict[str, EventType] = {}
        for name in selector.names:
            members = self.model.event_groups.get(name)
            if members is None and name not in self.model.events:
                known = [*self.model.events, *self.model.event_groups]
                raise unknown(self.faults, selector, "event or event group", name, known)
            for event in members if members is not None else (name,):
                found[event] = self.model.events[event]
        return tuple(found.values())


class EventScope(Scope):
    """Inside a `where`: names are properties of the selected events."""

    def __init__(self, around: ModelScope, events: tuple[EventType, ...]) -> None:
        super().__init__(around.model, around.faults)
        self.around = around
        self._events = events

    def field(self, node: tree.Name) -> Attribute:
        return self.property(node.name, node)

    def property(self, name: str, node: Placed) -> Attribute:
        """A property of the selected events: of one type wherever it is declared."""
        declared = [
            (event, event.properties[name]) for event in self._events if name in event.properties
        ]
        if not declared:
            known = [known for event in self._events for known in event.properties]
            hint = ""
            if name in self.model.attributes:
                hint = f"'{name}' is an attribute, and only properties are read here"
            listed = f"they have {', '.join(dict.fromkeys(known)) or 'none'}"
            raise unknown(
                self.faults,
                node,
                "property of these events",
                name,
                known,
                hint=hint,
                otherwise=listed,
            )
        first_event, first = declared[0]
        for event, found in declared:
            if found.type != first.type:
                message = (
                    f"'{name}' is {KIND_WORDS[first.type]} in '{first_event.name}' "
                    f"and {KIND_WORDS[found.type]} in '{event.name}'"
                )
                raise self.faults.at(node, message, "name the events with one type of it")
        scale = max(found.scale for _, found in declared)
        return Attribute(name, first.type, scale)

    def outer(self, node: Placed, what: str) -> ModelScope:
        raise self.faults.at(
            node,
            f"{what} cannot stand inside a where, which reads one event at a time",
            "put it beside the aggregate, joined by and",
        )
