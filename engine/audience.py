"""Questions to one snapshot: how many, and who.

An `Audience` holds what every expression of one question shares: the snapshot, the model's
binder, the instant asked for, the threads. It parses, binds, plans and runs; several
expressions become one program and one pass over the blocks. A question about now reads the
stored members of a segment that it mentions; `stored_count` answers from a counter alone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from engine.core import evaluate
from engine.core import operations as ops
from engine.core.control import Control
from engine.core.event_plan import EventPlanner
from engine.core.leaf_plan import LeafPlanner, ListMembers
from engine.core.number_plan import NumberPlanner
from engine.core.operations import Node
from engine.core.paired_plan import paired
from engine.core.plan import Planner
from engine.core.program import Program
from engine.core.row_tests import test_many
from engine.errors import ExpressionInvalid, InputInvalid, NotFound, about_field
from engine.identity.of_snapshot import identities_of
from engine.live.lists import list_names, list_rows
from engine.live.log_clock import clock_of, system_clock
from engine.measuring.codes import count_codes
from engine.measuring.passes import Reading
from engine.measuring.value import Measure, Value, number_value, read_border, read_value
from engine.member_values import MemberValues
from engine.members import Members
from engine.model.definitions import Attribute
from engine.nearest import nearest
from engine.rules import tree
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundAggregate
from engine.rules.canonical import format_expression
from engine.rules.faults import Faults
from engine.rules.known_texts import KnownText, ReadText
from engine.rules.literals import write_text
from engine.rules.names_read import names_read
from engine.rules.outline import node_label, pre_order
from engine.rules.parse import parse, prepare
from engine.rules.retention import notes
from engine.rules.types import Flag, Quantity, Strings
from engine.store.snapshot import Snapshot
from engine.stored_members import facts_of, stands, stored_memberships

if TYPE_CHECKING:
    from engine.explaining.outline import Reads

__all__ = ["Audience", "CountResult", "NodeCount", "Running", "Threads", "stored_count"]

_BARE_SEGMENT = re.compile(r"\s*segment\s*\(\s*'((?:[^']|'')*)'\s*\)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Threads:
    """Where blocks are evaluated: the caller's thread and up to `count - 1` of `pool`."""

    pool: Executor | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class NodeCount:
    """The exact count at one node of an expression's tree, in pre-order.

    `text` is the canonical text of a predicate, and `and`, `or` or `not` for logic; `depth`
    counts from 0 at the root.
    """

    text: str
    depth: int
    count: int


@dataclass(frozen=True, slots=True)
class CountResult:
    """An exact count, over the profiles live at `data_version`.

    `expression` is the canonical text. `as_of_us` counts microseconds from 1970-01-01T00:00Z;
    `elapsed_us` is the time from text to count. `nodes` is None unless asked for. `groups`
    has each value of the attribute grouped by (None: without one) that occurs. `waiting`
    counts identifiers of the lists read that nobody owns yet. `read_as_of_today` names what
    was read as it is today although another instant was asked for; `notes` say which events
    are dropped that a window reaches back to. `gone` of a frozen audience are no profiles any more.
    """

    expression: str
    count: int
    as_of_us: int
    data_version: int
    elapsed_us: int
    nodes: tuple[NodeCount, ...] | None = None
    groups: dict[str | None, int] | None = None
    waiting: int = 0
    read_as_of_today: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    gone: int = 0


@dataclass(frozen=True, slots=True)
class _Question:
    """One expression of the question, and its place in the plan."""

    read: ReadText
    root: int


@dataclass(frozen=True, slots=True)
class Running:
    """A program with its roots, and the threads it may run in."""

    program: Program
    roots: Sequence[int]
    control: Control
    pool: Executor | None
    threads: int


class _How(TypedDict):
    control: Control
    pool: Executor | None
    threads: int


class Audience:
    """Expressions over one snapshot at one instant; used by one thread, for one question.

    `as_of_us` None asks for now. Raises ExpressionInvalid, NotYet and NotFound when an
    expression is added, Cancelled and DeadlineExceeded when one runs.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        binder: Binder,
        *,
        as_of_us: int | None = None,
        threads: Threads | None = None,
        control: Control | None = None,
        now: Callable[[], int] = system_clock,
    ) -> None:
        prepare()
        self._started_ns = time.monotonic_ns()
        self._snapshot = snapshot
        self._binder = binder
        self._moved = as_of_us is not None
        self._as_of_us = now() if as_of_us is None else as_of_us
        self._threads = threads or Threads()
        self._control = control or Control()
        self._clock_us = max(now(), clock_of(snapshot))
        events = EventPlanner(snapshot, self._as_of_us, binder.model, clock_us=self._clock_us)
        zone = binder.model.time_zone
        self._numbers = NumberPlanner(snapshot, self._as_of_us, zone, events=events)
        self._leaves = LeafPlanner(
            snapshot, self._numbers, partial(_list_members, snapshot, binder)
        )
        self._memberships: dict[str, int] = {}
        self._planner = Planner(self._leaves, self._memberships)
        self._questions: list[_Question] = []
        self._among: int | None = None

    def among(self, rows: NDArray[np.uint32]) -> None:
        """Asks what is added from now on of these profiles alone, at each node too: rows of
        profiles that are live, sorted."""
        self._among = self._planner.rows(rows)

    def add(self, expression: str | tree.Expr, where: str = "", *, keeps_tree: bool = True) -> None:
        """Adds an expression, as text or as a tree; `where` names it in errors. Where its tree is
        not asked for later, one that differs from an earlier one in its literals is not parsed."""
        plain = None if keeps_tree else self._by_pattern(expression)
        read = plain or self.read(expression, where)
        if plain is None and not self._moved:
            # What has a pattern compares attributes: no segment is in it.
            self._memberships.update(
                stored_memberships(read.bound, self._snapshot, self._binder, self._as_of_us)
            )
        self._questions.append(_Question(read, self._of_those_asked(self._planner.add(read.bound))))

    @property
    def binder(self) -> Binder:
        """The binder of the instant asked for."""
        return self._binder

    def read(self, expression: str | tree.Expr, where: str = "") -> KnownText:
        """What an expression says by the model in force; nothing is planned for it."""
        read = self._read(expression, where)
        if read.lists:
            text = expression if isinstance(expression, str) else ""
            self._refuse_unknown_lists(read.lists, Faults(text, where))
        return read

    @property
    def latest_us(self) -> int:
        """The instant asked, or the clock where that is later: what is dropped by then is gone."""
        return max(self._as_of_us, self._clock_us)

    def today(self, read: ReadText | Reads, also: Sequence[Attribute] = ()) -> tuple[str, ...]:
        """What an expression reads as it is today, although another instant was asked for."""
        if not self._moved:
            return ()
        attributes = dict.fromkeys(read.attributes)
        attributes |= dict.fromkeys(one.name for one in also)
        return (*attributes, *(f"list('{name}')" for name in read.lists))

    def _read(self, expression: str | tree.Expr, where: str) -> KnownText:
        if isinstance(expression, str):
            known = self._binder.known_texts.get(expression)
            if known is not None:
                return known
        text = expression if isinstance(expression, str) else ""
        parsed = _parsed(expression, where) if isinstance(expression, str) else expression
        bound_tree = self._binder.bind(parsed, text, where)
        lists, attributes = names_read(bound_tree)
        read = KnownText(bound_tree, format_expression(parsed), lists, attributes, parsed)
        if text:
            self._binder.known_texts.put(text, read)
        return read

    def _by_pattern(self, expression: str | tree.Expr) -> ReadText | None:
        if not isinstance(expression, str):
            return None
        try:
            return self._binder.patterns.read(expression, self._binder.read)
        except ExpressionInvalid:
            return None

    @property
    def as_of_us(self) -> int:
        """The instant asked for."""
        return self._as_of_us

    @property
    def expression(self) -> tree.Expr:
        """The one expression added."""
        (question,) = self._questions
        return _tree_of(question)

    def counts(self, *, nodes: bool = False) -> list[CountResult]:
        """The counts of all expressions added, in order, in one pass."""
        roots = [question.root for question in self._questions]
        if nodes:
            trees = [self._nodes_of(_tree_of(question)) for question in self._questions]
            every = [*roots, *(place for of_tree in trees for *_, place in of_tree)]
            by_node = evaluate.count_nodes(self._program(every), every, **self._how)
            found = [
                tuple(NodeCount(text, depth, int(by_node[place])) for text, depth, place in of_tree)
                for of_tree in trees
            ]
            return self._results([int(by_node[root]) for root in roots], found)
        totals = evaluate.count_roots(self._counting(roots), roots, **self._how).tolist()
        return self._results(totals, [None] * len(totals))

    def count_by(self, attribute: str, *, nodes: bool = False) -> CountResult:
        """The count of the one expression added, and its split by a category or bool attribute."""
        (question,) = self._questions
        declared, names = self.group_names(attribute)
        (result,) = self.counts(nodes=True) if nodes else (None,)
        if isinstance(declared, BoundAggregate):
            groups = count_codes(self.reading(None, declared), len(names))
        else:
            program = self._program([question.root], self._snapshot.fields[declared.name].id)
            groups = evaluate.count_groups(
                program,
                question.root,
                len(names) - 1,
                is_bool=declared.type == "bool",
                **self._how,
            )
        (final,) = self._results(
            [int(groups.sum())],
            [result.nodes if result else None],
            {names[code]: int(groups[code]) for code in np.flatnonzero(groups).tolist()},
            () if isinstance(declared, BoundAggregate) else (declared,),
        )
        return final

    def values(self) -> MemberValues:
        """What reads values of profiles at the instant asked for."""
        return MemberValues(
            self._snapshot,
            self._binder,
            as_of_us=self._as_of_us,
            clock_us=self._clock_us,
            moved=self._moved,
            lists=partial(_list_members, self._snapshot, self._binder),
            **self._how,
        )

    def members(self) -> Members:
        """The profiles of the one expression added."""
        (question,) = self._questions
        program = self._counting([question.root])
        masks, _ = evaluate.root_masks(program, question.root, **self._how)
        return Members(
            snapshot=self._snapshot,
            model=self._binder.model,
            values=self.values(),
            expression=question.read.canonical,
            as_of_us=self._as_of_us,
            masks=masks,
            waiting=self._waiting(question),
            read_as_of_today=self.today(question.read),
            notes=self._notes(question, ()),
        )

    def value(self, text: str) -> Value:
        """The value to measure that a text means."""
        return read_value(text, self._binder, self._numbers)

    def quantity(self, operand: Quantity) -> Value:
        """A quantity of a definition, to be measured."""
        return number_value(operand, "", self._numbers)

    def borders(self, texts: Sequence[str], value: Value, where: str) -> list[Measure]:
        """Edges or thresholds of a value; `where` names one in errors, by its place from 0."""
        return [
            read_border(text, value, self._binder, self._as_of_us, where.format(place))
            for place, text in enumerate(texts)
        ]

    def reading(
        self, leaf: ops.Leaf | None, group: Attribute | BoundAggregate | None = None
    ) -> Reading:
        """What reads the one expression added, the value that a leaf compares, and the field of an
        attribute, or the column of an aggregate, to group by."""
        (question,) = self._questions
        node = -1
        if leaf is not None:
            # No logic reads it, so it decides nothing.
            node = len(self._planner.plan.nodes)
            self._planner.plan.nodes.append(Node("leaf", leaf=leaf))
        field = None
        if isinstance(group, BoundAggregate):
            field = self._numbers.events.field(group)
        elif group is not None:
            field = self._snapshot.fields[group.name].id
        return Reading(
            self._program([question.root], field),
            question.root,
            node,
            self._control,
            self._threads.pool,
            self._threads.count,
            grouped=group is not None and group.type != "set",
            is_bool=group is not None and group.type == "bool",
            group_column=-1 if field is None or field >= 0 else -1 - field,
        )

    def running(self) -> Running:
        """What runs all expressions added, in order, as one program."""
        roots = [question.root for question in self._questions]
        how = self._how
        return Running(self._program(roots), roots, how["control"], how["pool"], how["threads"])

    def answers(self, totals: Sequence[int]) -> list[CountResult]:
        """What is said of the expressions added, in order, whose counts are known."""
        return self._results(totals, [None] * len(totals))

    def answer(
        self,
        count: int,
        also: Sequence[Attribute] = (),
        measured: Sequence[BoundAggregate] = (),
    ) -> CountResult:
        """What is said of the one expression added beside what was measured of it: `also` are the
        attributes, `measured` the aggregates that were read for that."""
        (result,) = self._results([count], [None], also=also, measured=measured)
        return result

    def group_names(self, attribute: str) -> tuple[Attribute | BoundAggregate, list[str | None]]:
        """A category or bool attribute to group by, or what it is computed from, as it was at
        another instant where it has a history, and the names of its codes; of 0 None."""
        declared = self._groupable(attribute)
        read: Attribute | BoundAggregate = declared
        if declared.computed is not None or (declared.history and self._binder.past):
            operand = self._binder.operand(tree.Name(attribute), attribute, "group_by")
            assert isinstance(operand, Strings | Flag) and operand.read is not None, "no names"
            read = operand.read
        return read, self.code_names(read)

    def code_names(self, read: Attribute | BoundAggregate) -> list[str | None]:
        """The names of the codes of a category, set or bool attribute, or of an aggregate that is a
        category or bool; of 0 None."""
        if read.type == "bool":
            return [None, "false", "true"]
        field: int | None
        if isinstance(read, BoundAggregate):
            field = self._numbers.events.dictionary(read)
        else:
            field = self._snapshot.fields[read.name].id
        return [None] if field is None else [None, *self._snapshot.dictionary(field).values]

    def test_rows(self, rows: Sequence[int]) -> list[list[bool]]:
        """Truth of every expression added for single rows, by the row evaluator."""
        roots = [question.root for question in self._questions]
        program = self._program(roots)
        array = np.asarray(rows, dtype=np.uint32)
        return [row.tolist() for row in test_many(program, roots, array)]

    # ------------------------------------------------------------------------- parts

    def _program(self, roots: Sequence[int], group_field: int | None = None) -> Program:
        return Program(self._planner.plan, self._snapshot, roots, group_field)

    def _counting(self, roots: Sequence[int]) -> Program:
        """A program of which nothing but its roots is asked."""
        return Program(paired(self._planner.plan, roots), self._snapshot, roots)

    @property
    def _how(self) -> _How:
        return {
            "control": self._control,
            "pool": self._threads.pool,
            "threads": self._threads.count,
        }

    def _results(
        self,
        totals: Sequence[int],
        nodes: Sequence[tuple[NodeCount, ...] | None],
        groups: dict[str | None, int] | None = None,
        also: Sequence[Attribute] = (),
        measured: Sequence[BoundAggregate] = (),
    ) -> list[CountResult]:
        elapsed_us = (time.monotonic_ns() - self._started_ns) // 1000
        return [
            CountResult(
                expression=question.read.canonical,
                count=total,
                as_of_us=self._as_of_us,
                data_version=self._snapshot.data_version,
                elapsed_us=elapsed_us,
                nodes=of_nodes,
                groups=groups,
                waiting=self._waiting(question),
                read_as_of_today=self.today(question.read, also),
                notes=self._notes(question, measured),
            )
            for question, total, of_nodes in zip(self._questions, totals, nodes, strict=True)
        ]

    def _nodes_of(self, expression: tree.Expr) -> list[tuple[str, int, int]]:
        """The nodes of a tree in pre-order: label, depth, place in the plan."""
        return [
            (node_label(node), depth, self._of_those_asked(self._planner.node_of[id(node)]))
            for node, depth in pre_order(expression)
        ]

    def _of_those_asked(self, place: int) -> int:
        return place if self._among is None else self._planner.both(self._among, place)

    def _waiting(self, question: _Question) -> int:
        return sum(self._leaves.lists[name].waiting for name in question.read.lists)

    def _notes(self, question: _Question, measured: Sequence[BoundAggregate]) -> tuple[str, ...]:
        model = self._binder.model
        return notes(question.read.bound, model, self._as_of_us, self._clock_us, measured)

    def _refuse_unknown_lists(self, lists: Mapping[str, tree.Expr | None], faults: Faults) -> None:
        known = [info.name for info in list_names(self._snapshot)]
        for name, node in lists.items():
            if name not in known:
                close = nearest(name, known)
                hint = f"did you mean '{close}'?" if close else "upload it first"
                assert node is not None, "a list is always the whole of its node"
                raise faults.at(node, f"there is no list named '{name}'", hint)

    def _groupable(self, name: str) -> Attribute:
        declared = self._binder.model.attributes.get(name)
        if declared is None:
            close = nearest(name, self._binder.model.attributes)
            hint = f" Did you mean {close}?" if close else ""
            message = f"There is no attribute {name} to group by.{hint}"
            raise about_field(NotFound, "group_by", message)
        if declared.type not in ("category", "bool"):
            message = f"{name} is of type {declared.type}; group by a category or bool attribute."
            raise about_field(InputInvalid, "group_by", message)
        return declared


def _tree_of(question: _Question) -> tree.Expr:
    assert isinstance(question.read, KnownText), "it was added to keep its tree"
    return question.read.expression


def stored_count(
    snapshot: Snapshot,
    binder: Binder,
    expression: str | tree.Expr,
    segment_counts: Mapping[str, int] | None,
    now_us: int,
) -> CountResult | None:
    """The count of `segment('x')` alone, now (`now_us`), from its counter; None where that does
    not do.

    `segment_counts` has the sizes of the stored segments as of the snapshot (None: no counters).
    Nothing is parsed. A segment that reads a list is left to an Audience, whose answer says
    how many identifiers wait, and so is one whose stored members are not those of now.
    """
    started_ns = time.monotonic_ns()
    name = _bare_segment(expression)
    count = None if name is None or segment_counts is None else segment_counts.get(name)
    if name is None or count is None:
        return None
    facts = facts_of(binder, name)
    if facts.lists or (facts.moves and not stands(snapshot, name, now_us)):
        return None
    return CountResult(
        expression=f"segment({write_text(name)})",
        count=count,
        as_of_us=now_us,
        data_version=snapshot.data_version,
        elapsed_us=(time.monotonic_ns() - started_ns) // 1000,
        notes=notes(facts.body, binder.model, now_us, clock_of(snapshot)),
    )


def _bare_segment(expression: str | tree.Expr) -> str | None:
    """The name of the segment that an expression is, if it is nothing else."""
    if isinstance(expression, str):
        found = _BARE_SEGMENT.fullmatch(expression)
        return None if found is None else found[1].replace("''", "'")
    return expression.name if isinstance(expression, tree.Segment) else None


def _list_members(snapshot: Snapshot, binder: Binder, name: str) -> ListMembers:
    rows, waiting = list_rows(snapshot, identities_of(snapshot), binder.model, name)
    return ListMembers(rows, waiting)


def _parsed(text: str, where: str) -> tree.Expr:
    """The tree of a text; errors name the field or file that it stood in."""
    try:
        return parse(text)
    except ExpressionInvalid as error:
        if not where:
            raise
        raise ExpressionInvalid(*(replace(issue, where=where) for issue in error.issues)) from None
