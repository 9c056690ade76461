"""An explanation as a person reads it: a line for each node, what was found, what is missing.

Times are those of the model's time zone, to the second, and to the minute where seconds are 0: who
needs the microseconds has them in the data. Where something begins or ends right behind a second,
and not at it, the words say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from engine.explaining.changes import Added, Change, Listed, Put, Wait, Way
from engine.explaining.evidence import FoundStep, FoundValue
from engine.explaining.explain import ExplainedNode, Explanation
from engine.explaining.ledgers import Ledger, LedgerLine
from engine.explaining.one_profile import PlainValue, instant_of, us_of
from engine.rules.calendar import local_day

__all__ = ["Wording", "points"]

_UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_SECOND_US = 1_000_000
_NOTHING = "(missing)"
_NO_WAY = "nothing is known that would turn it by itself"


class Wording:
    """Words for what is true at `as_of_us`, microseconds from 1970, in a time zone."""

    def __init__(self, zone: ZoneInfo, as_of_us: int) -> None:
        self._zone = zone
        self._as_of_us = as_of_us

    def lines(self, explanation: Explanation) -> Iterator[str]:
        """The whole, one line for each node and one for each thing to say of it."""
        for node in explanation.nodes:
            yield from self.node(node, explanation.with_ways)

    def node(self, node: ExplainedNode, with_ways: bool = True, deeper: int = 0) -> Iterator[str]:
        """The lines of one node, so many levels deeper than it says."""
        indent = "   " * (node.depth + deeper)
        yield f"{indent}{'✓' if node.truth else '✗'} {node.text}"
        for said in self._said_of(node, with_ways):
            yield f"{indent}     {said}"

    def _said_of(self, node: ExplainedNode, with_ways: bool) -> Iterator[str]:
        """What is said of one node beside its text and truth."""
        yield from self.evidence(node)
        if (
            with_ways
            and node.in_the_way
            and (node.depth == 0 or node.values or node.steps or node.ways)
        ):
            ways = [*dict.fromkeys(self.way(way) for way in node.ways)]
            yield f"→ {', or '.join(ways)}" if ways else f"→ {_NO_WAY}"
        waits = any(isinstance(change, Wait) for way in node.ways for change in way.changes)
        if node.turns_at_us is not None and not waits:
            turned = "false" if node.truth else "true"
            at, ahead = self.instant(node.turns_at_us), self.ahead(node.turns_at_us)
            when = f"after {at}" if _is_behind(node.turns_at_us) else f"from {at} on"
            yield f"by time alone {turned} {when}, {ahead}"

    def evidence(self, node: ExplainedNode) -> Iterator[str]:
        """What was found for one node: values, steps, ledgers, and by what it is on a list."""
        for value in node.values:
            if value.text != node.text or value.value is None or value.events:
                yield self.found(value)
        for step in node.steps:
            yield self.step(step)
        for ledger in node.ledgers:
            yield from self.ledger(ledger)
        if node.owned:
            yield "by " + ", ".join(f"{kind}:{value}" for kind, value in node.owned)

    def found(self, value: FoundValue) -> str:
        """A value and the events that it comes from."""
        said = f"{value.text} is {self.value(value.value)}"
        if not value.events:
            return said
        events = [
            f"{event.type} {self.instant(event.time_us)}"
            + ("" if event.value is None else f" {self.value(event.value)}")
            for event in value.events
        ]
        more = f" and {value.left_out:,} more" if value.left_out else ""
        return f"{said}: {', '.join(events)}{more}"

    def step(self, step: FoundStep) -> str:
        """A step of a sequence."""
        mark = "✓" if step.done else "✗"
        return f"{mark} {step.text}" + (
            "" if step.time_us is None else f" {self.instant(step.time_us)}"
        )

    def ledger(self, ledger: Ledger, *, with_events: bool = False) -> Iterator[str]:
        """A score, and a line for each of its reasons, those with most points first; `with_events`:
        and one with the events that a rule counts."""
        reasons = ledger.reasons
        yield f"{ledger.score}: {points(ledger.points)} points"
        for line in reasons:
            said = f"   {points(line.points, signed=True)}  {line.text or line.kind}"
            if line.uncapped is not None:
                said += f" ({points(line.uncapped)} without at_most)"
            yield said
            if with_events and line.events:
                yield f"        {self._counted(line)}"

    def _counted(self, line: LedgerLine) -> str:
        """The events that a rule counts, with what each gives."""
        count = len(line.events) + line.left_out
        events = [
            f"{event.type} {self.instant(event.time_us)}, {self.ago(event.time_us)}"
            + ("" if event.points is None else f", {points(event.points, signed=True)}")
            for event in line.events
        ]
        more = f" and {line.left_out:,} more" if line.left_out else ""
        return f"{count:,} x: {'; '.join(events)}{more}"

    # -------------------------------------------------------------------------- ways

    def way(self, way: Way) -> str:
        """What would help."""
        said = ", then ".join(self.change(change) for change in way.changes)
        return said if way.before_us is None else f"{said}, {self._in_time(way.before_us)}"

    def _in_time(self, before_us: int) -> str:
        """How long something still does: up to an instant that is not among it."""
        if _is_behind(before_us):
            return f"at {self.instant(before_us - 1)} at the latest"
        return f"before {self.instant(before_us, exact=True)}"

    def change(self, change: Change) -> str:
        """One thing that would have to be different."""
        match change:
            case Put():
                return self._put(change)
            case Added():
                return self._added(change)
            case Listed(name=name, is_in=is_in):
                return f"{'in' if is_in else 'not in'} list '{name}'"
            case Wait(until_us=until_us):
                at = "right after" if _is_behind(until_us) else "at"
                return f"{self.ahead(until_us)}, {at} {self.instant(until_us)}"

    def _put(self, change: Put) -> str:
        name, value, before = change.attribute, change.value, change.before
        if isinstance(value, frozenset) or isinstance(before, frozenset):
            after = value if isinstance(value, frozenset) else frozenset()
            old = before if isinstance(before, frozenset) else frozenset()
            more = [f"{name} {one}" for one in sorted(after - old)]
            less = [f"no {name} {one}" for one in sorted(old - after)]
            return " and ".join(more + less)
        if value is None:
            return f"no {name}"
        said = f"{name} {self.value(value)}"
        if isinstance(value, int | Decimal) and isinstance(before, int | Decimal):
            by = value - before
            if not isinstance(value, bool) and by:
                return f"{said} ({abs(by)} {'more' if by > 0 else 'less'})"
        return said

    def _added(self, change: Added) -> str:
        first, count = change.events[0], len(change.events)
        types = " or ".join(change.types[:3]) + (" or others" if len(change.types) > 3 else "")
        days = {local_day(event.time_us, self._zone) for event in change.events}
        if change.by is not None:
            return f"{self.value(change.by)} more of {types}.{change.read}"
        said = f"{count:,} more {types}"
        if len(days) > 1:
            said += f" on {len(days)} days"
        shown = self._properties(change)
        later = first.time_us > self._as_of_us and count == 1
        return said + shown + (f" at {self.instant(first.time_us)}" if later else "")

    def _properties(self, change: Added) -> str:
        said = [f"{name} {self.value(value)}" for name, value in change.in_common.items()]
        if change.distinct is not None:
            said.append(f"a new {change.distinct} each")
        return f" with {' and '.join(said)}" if said else ""

    # ------------------------------------------------------------------------- words

    def value(self, value: PlainValue | None) -> str:
        """A value in words."""
        match value:
            case None:
                return _NOTHING
            case bool():
                return "true" if value else "false"
            case datetime():
                return self.instant(us_of(value))
            case date():
                return value.isoformat()
            case Decimal():
                return f"{value:,f}"
            case int():
                return f"{value:,}"
            case frozenset():
                return ", ".join(sorted(value))
            case _:
                return str(value)

    def instant(self, at_us: int, *, exact: bool = False) -> str:
        """An instant in the model's time zone; in years that its clocks do not show, in UTC. Parts
        of a second are cut off unless it is to be `exact`."""
        try:
            local = instant_of(at_us).astimezone(self._zone)
        except (OverflowError, ValueError):
            local = instant_of(at_us)
        local = local.replace(tzinfo=None)
        if exact and local.microsecond:
            return local.isoformat(" ", "microseconds")
        return local.isoformat(" ", "seconds" if local.second else "minutes")

    def ahead(self, at_us: int) -> str:
        """How far ahead an instant is, in its two largest units."""
        return f"in {length(timedelta(microseconds=at_us - self._as_of_us))}"

    def ago(self, at_us: int) -> str:
        """How long ago an instant was."""
        return f"{length(timedelta(microseconds=self._as_of_us - at_us))} ago"


def _is_behind(at_us: int) -> bool:
    """Whether an instant is the one right behind a whole second: the first beyond an end that is
    itself still in, such as that of a `within`, or of `<=`."""
    return at_us % _SECOND_US == 1


def points(thousandths: int, *, signed: bool = False) -> str:
    """Points as people write them, with no more digits than they have."""
    whole, rest = divmod(abs(thousandths), 1000)
    digits = f".{rest:03}".rstrip("0") if rest else ""
    sign = "-" if thousandths < 0 else "+" if signed else ""
    return f"{sign}{whole}{digits}"


def length(ahead: timedelta) -> str:
    """A length of time in its two largest units, of whole seconds."""
    rest = max(ahead // timedelta(seconds=1), 1)
    said = []
    for name, seconds in _UNITS:
        many, rest = divmod(rest, seconds)
        if many:
            plural = "s" if name == "day" and many > 1 else ""
            said.append(f"{many:,} {name}{plural}")
        if len(said) == 2:
            break
    return " ".join(said)
