"""What was found of one profile for a condition: values, and the events that they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

from engine.explaining.event_lines import EXACT
from engine.explaining.names import name_of
from engine.explaining.one_profile import EPOCH_DAY, PlainValue, instant_of
from engine.explaining.outline import Asked, OutlineNode
from engine.explaining.reading import Reading
from engine.rules import bound
from engine.rules.bound_events import BoundSequence
from engine.rules.types import Flag, Quantity, Strings

__all__ = [
    "EVIDENCE_EVENTS",
    "EvidenceEvent",
    "FoundStep",
    "FoundValue",
    "found_steps",
    "found_value",
    "found_values",
    "plain",
    "scale_of",
]

# The latest so many events of a value are shown: enough to recognise what it is about.
EVIDENCE_EVENTS = 3
# Digits after the point of an average that does not end.
_PLACES = 6


class EvidenceEvent(NamedTuple):
    """An event that a value comes from, with what was read of it (None: the event as such), and in
    a ledger with what it gives, in thousandths of a point."""

    type: str
    time_us: int
    value: PlainValue | None = None
    points: int | None = None


@dataclass(frozen=True, slots=True)
class FoundValue:
    """What `text` comes to for the profile; None where it is missing.

    `events` are the latest of those that it comes from, the latest first, and `left_out` says how
    many more there are.
    """

    text: str
    value: PlainValue | None
    events: tuple[EvidenceEvent, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class FoundStep:
    """A step of a sequence: whether the profile did it (or left it, where it must not be), and
    when; one that must not be has no time."""

    text: str
    done: bool
    time_us: int | None = None


def found_values(node: OutlineNode, reading: Reading) -> tuple[FoundValue, ...]:
    """The values that a condition reads, in the order written."""
    return tuple(found_value(asked, reading) for asked in node.asked)


def found_value(asked: Asked, reading: Reading) -> FoundValue:
    """A value, and the latest of the events that it comes from."""
    events: list[EvidenceEvent] = []
    count = 0
    for aggregate in asked.aggregates:
        line, first, end = reading.stretch(aggregate)
        count += end - first
        for place in range(end - 1, max(first, end - EVIDENCE_EVENTS) - 1, -1):
            event = line.events[place]
            events.append(EvidenceEvent(event.type, event.time_us, line.values[place]))
    events.sort(key=lambda one: -one.time_us)
    shown = tuple(events[:EVIDENCE_EVENTS])
    return FoundValue(asked.text, _value(asked, reading), shown, count - len(shown))


def _value(asked: Asked, reading: Reading) -> PlainValue | None:
    match asked.operand:
        case Strings(read=read) if read is not None and asked.given is not None:
            tags = frozenset(reading.stored(read) or ()) | asked.given.of(reading)
            return tags or None
        case Strings(read=read) | Flag(read=read) if read is not None:
            stored: PlainValue | None = reading.stored(read)
            return stored
        case Strings(derived=derived) if derived is not None:
            return name_of(derived, reading)
        case Quantity(kind="float") as quantity:
            return reading.double(quantity.in_doubles())
        case Quantity(kind=kind, form=form):
            exact = reading.linear(form)
            return None if exact is None else plain(kind, exact, scale_of(form))
        case _:
            return None


def scale_of(form: bound.Linear) -> int | None:
    """The digits after the point of what a number is made of; None where it is whole numbers."""
    scale = None if form.constant.denominator == 1 else 0
    for term in form.terms:
        match term.source:
            case bound.AttributeSource(attribute) if attribute.type == "decimal":
                scale = max(scale or 0, attribute.scale)
            case bound.AggregateSource(aggregate) if aggregate.type == "decimal":
                read = aggregate.property
                scale = max(scale or 0, 0 if read is None else read.scale)
            case bound.ScoreSource():
                scale = scale or 0
    return scale


def plain(kind: str, exact: Fraction | int, scale: int | None) -> PlainValue:
    """An exact quantity as people read it, with at least so many digits after the point; None: as a
    whole number, where it is one."""
    match kind:
        case "date":
            return date.fromordinal(int(exact) + EPOCH_DAY)
        case "time":
            return instant_of(int(exact))
    if scale is None and exact.denominator == 1:
        return int(exact)
    return as_decimal(exact, scale or 0)


def as_decimal(exact: Fraction | int, scale: int = 0) -> Decimal:
    """A number as a decimal with at least so many digits after the point, rounded half away from
    zero to six where it does not end."""
    rest = exact.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        found = EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
        exponent = found.as_tuple().exponent
        assert isinstance(exponent, int), "a fraction is finite"
        return found if -exponent >= scale else EXACT.quantize(found, Decimal(1).scaleb(-scale))
    with localcontext() as context:
        context.prec = 100
        quotient = Decimal(exact.numerator) / Decimal(exact.denominator)
        return quotient.quantize(Decimal(1).scaleb(-_PLACES), ROUND_HALF_UP)


def found_steps(node: OutlineNode, reading: Reading) -> tuple[FoundStep, ...]:
    """The steps of a sequence, as far as the profile came."""
    if not isinstance(node.item, BoundSequence):
        return ()
    return tuple(_steps(node.item, node.steps, reading))


def _steps(sequence: BoundSequence, texts: Sequence[str], reading: Reading) -> Iterator[FoundStep]:
    path = reading.path(sequence)
    latest = path.latest
    times: list[Any] = [] if latest is None else latest.times
    absent = [False, *(link.absent for link in sequence.links)]
    for number, text in enumerate(texts):
        done = number < path.steps_done
        yield FoundStep(text, done, times.pop(0) if done and not absent[number] else None)
