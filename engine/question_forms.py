"""Questions that differ from an earlier one in their literals alone: counted without a plan.

Whoever looks for an audience asks for counts of the same form with other values. For a form of
plain conditions on attributes, joined by `and`, the plan differs in the constants of its leaves:
1. The second question of a form is read, bound and planned as always, and a program is laid out
   from what it means, with room for literals.
2. A later one has its literals put there (`engine.core.question_form`).
A question that is of no such form, or has a literal that would change more than a constant, is
answered the long way, and so is every one that has a fault. Of a form no answer is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.audience import CountResult, Threads
from engine.core import operations as ops
from engine.core.control import Control
from engine.core.cut_text import cut_text, joined
from engine.core.number_plan import attribute_field
from engine.core.operations import Node, Plan
from engine.core.program import Program
from engine.core.question_form import CODES, MOST_LITERALS, RANGE, SET, QuestionForm, room_for
from engine.errors import ExpressionInvalid
from engine.model.definitions import Attribute
from engine.rules import bound
from engine.rules.bind import Binder
from engine.rules.filled_conditions import written
from engine.rules.known_texts import ReadText
from engine.store.catalog import Catalog
from engine.store.dictionary import DictionaryTable
from engine.store.snapshot import Snapshot

__all__ = ["QuestionForms"]

# Forms kept, up to 300 KB each while they are used; beyond, all are found anew.
_MOST_FORMS = 128
# Names of forms asked once, of up to 4 KiB.
_MOST_SEEN = 512
# Programs of one form: for as many questions at a time.
_MOST_PROGRAMS = 8
# Conditions of one form. So few never share masks of codes or ranges (engine.core.worker).
_MOST_CONDITIONS = 16
_SAME_FIELD = 3

_Name = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class _Slot:
    """A condition on one attribute, with how many literals; of numbers with their operators."""

    kind: int
    attribute: Attribute
    literal_count: int
    operators: tuple[str, ...] = ()
    negated: bool = False
    complement: bool = False


@dataclass(slots=True)
class _Form:
    """The programs of a form that nobody runs, the text around its literals in canonical form, and
    the attributes with the fields that they were found in, all in `catalog`; the last is what it is
    grouped by, if `names` has the names of groups from code 1 on."""

    around: tuple[str, ...]
    fields: tuple[tuple[Attribute, int], ...]
    catalog: Catalog
    names: Callable[[int], str] | None
    idle: list[QuestionForm] = field(default_factory=list)

    def is_of(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot has the attributes in the same fields."""
        if snapshot.fields is not self.catalog:
            if any(attribute_field(snapshot, one) != number for one, number in self.fields):
                return False
            self.catalog = snapshot.fields
        return True


@dataclass(slots=True)
class _Known:
    """The forms by a binder: by text without literals and what it is grouped by; None where a form
    has no program. `seen` have been asked once."""

    binder: Binder | None = None
    forms: dict[_Name, _Form | None] = field(default_factory=dict)
    seen: set[_Name] = field(default_factory=set)


class QuestionForms:
    """The forms of the questions of one database. Safe to share between threads."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._known = _Known()

    def count(
        self,
        text: str,
        snapshot: Snapshot,
        binder: Binder,
        control: Control | None,
        now: Callable[[], int],
        group_by: str | None = None,
    ) -> CountResult | None:
        """The count of a text now, with `group_by` split by an attribute; None where that is to be
        found out the long way. Raises Cancelled and DeadlineExceeded."""
        started_ns = time.monotonic_ns()
        cut = cut_text(text)
        known = self._known
        if cut is None or known.binder is not binder:
            return None
        form = known.forms.get((cut[0], group_by))
        if form is None or not form.is_of(snapshot):
            return None
        try:
            program = form.idle.pop()
        except IndexError:
            return None
        literals = cut[1]
        try:
            if not program.put(snapshot, literals):
                return None
            threads = self._threads
            counts = program.count(snapshot, control or Control(), threads.pool, threads.count)
            groups = None if form.names is None else _groups(counts, form.names)
            total = int(counts[0] if groups is None else sum(groups.values()))
        finally:
            if not program.is_outgrown:
                form.idle.append(program)
        return CountResult(
            expression=joined(form.around, literals),
            count=total,
            as_of_us=now(),
            data_version=snapshot.data_version,
            elapsed_us=(time.monotonic_ns() - started_ns) // 1000,
            groups=groups,
        )

    def learn(
        self, text: str, snapshot: Snapshot, binder: Binder, group_by: str | None = None
    ) -> None:
        """Keeps the form of a text that was answered the long way, now, from its second question
        on."""
        cut = cut_text(text)
        if cut is None:
            return
        known = self._known
        if known.binder is not binder:
            known = self._known = _Known(binder)
        name, literals = (cut[0], group_by), cut[1]
        if name not in known.forms and name not in known.seen:
            if len(known.seen) >= _MOST_SEEN:
                known.seen.clear()
            known.seen.add(name)
        elif known.forms.get(name, known) is not None:
            self._add(known, name, text, literals, snapshot)

    def _add(
        self, known: _Known, name: _Name, text: str, literals: list[str], snapshot: Snapshot
    ) -> None:
        """Adds a program to a form, which is made if it is not there."""
        binder, group_by = known.binder, name[1]
        assert binder is not None, "forms are those of a binder"
        if name not in known.forms and len(known.forms) >= _MOST_FORMS:
            known.forms.clear()
        known.seen.discard(name)
        try:
            read = binder.patterns.read(text, binder.read)
        except ExpressionInvalid:
            read = None  # of a part by itself; the whole was answered
        slots = None if read is None else _slots_of(read.bound)
        by = None if group_by is None else binder.model.attributes.get(group_by)
        if read is None or slots is None or (group_by is not None and not _may_group(by)):
            known.forms[name] = None
            return
        form = known.forms.get(name)
        if form is None or not form.is_of(snapshot):
            form = known.forms[name] = _form_of(read, slots, by, literals, snapshot)
        if form is not None and len(form.idle) < _MOST_PROGRAMS:
            form.idle.append(_program_of(slots, form, snapshot))


def _form_of(
    read: ReadText,
    slots: list[_Slot],
    by: Attribute | None,
    literals: list[str],
    snapshot: Snapshot,
) -> _Form | None:
    """A form without programs; None where nobody has an attribute."""
    cut = cut_text(read.canonical)
    if cut is None or cut[1] != list(map(written, literals)):
        return None
    attributes = [slot.attribute for slot in slots]
    if by is not None:
        attributes.append(by)
    fields = []
    for attribute in attributes:
        number = attribute_field(snapshot, attribute)
        if number is None:
            return None
        fields.append((attribute, number))
    names = None if by is None else _names_of(by, snapshot, fields[-1][1])
    return _Form(tuple(cut[0].split("\0")), tuple(fields), snapshot.fields, names)


def _program_of(slots: list[_Slot], form: _Form, snapshot: Snapshot) -> QuestionForm:
    """A program with a leaf for each slot, whose constants are still to be put in."""
    plan = Plan()
    parts: list[int] = []
    laid_out = []
    tables: list[DictionaryTable | None] = []
    for slot, (_, number) in zip(slots, form.fields[: len(slots)], strict=True):
        plan.nodes.append(Node("leaf", leaf=_leaf_of(slot, number)))
        if slot.complement:
            plan.nodes.append(Node("not", (len(plan.nodes) - 1,)))
        parts.append(len(plan.nodes) - 1)
        scale = slot.attribute.scale if slot.attribute.type == "decimal" else 0
        laid_out.append(
            (slot.kind, number, slot.literal_count, scale, slot.operators, slot.negated)
        )
        tables.append(None if slot.kind == RANGE else snapshot.dictionary_table(number))
    if len(parts) > 1:
        plan.nodes.append(Node("and", tuple(parts)))
    root = len(plan.nodes) - 1
    groups = None
    if form.names is not None:
        by, number = form.fields[-1]
        room = _BOOLS if by.type == "bool" else room_for(len(snapshot.dictionary(number)))
        groups = number, room, by.type == "bool"
    program = Program(plan, snapshot, [root], groups and groups[0])
    return QuestionForm(program, root, laid_out, tables, groups)


def _leaf_of(slot: _Slot, number: int) -> ops.Leaf:
    if slot.kind == RANGE:
        return ops.IntRangeLeaf(number, 0, 0, negated=slot.operators[0] == "!=")
    if slot.kind == SET:
        return ops.SetLeaf(number, (0,))
    return ops.CodesLeaf(number, bytes(8), 0, 0, contiguous=True)


# ---------------------------------------------------------------------------- groups

# Codes of a bool: 1 false, 2 true.
_BOOLS = 2


def _may_group(by: Attribute | None) -> bool:
    """Whether an attribute has values of its own to group by, and nothing else decides on them."""
    if by is None or by.computed or by.needs or by.history:
        return False
    return by.type in ("category", "bool")


def _names_of(by: Attribute, snapshot: Snapshot, number: int) -> Callable[[int], str]:
    if by.type == "bool":
        return lambda code: "true" if code == _BOOLS else "false"
    return snapshot.dictionary_table(number).value


def _groups(counts: NDArray[np.int64], names: Callable[[int], str]) -> dict[str | None, int]:
    """Counts by name, those of none left out."""
    found = np.flatnonzero(counts)
    codes, sizes = found.tolist(), counts[found].tolist()
    return {names(c) if c else None: size for c, size in zip(codes, sizes, strict=True)}


# ------------------------------------------------------------------- what has a form


def _slots_of(meant: bound.BoundExpr) -> list[_Slot] | None:
    """The conditions of what was read by patterns, in order; None where one is no slot."""
    whole = _range_of(meant)
    if whole is not None:
        return [whole]
    items = meant.items if isinstance(meant, bound.BoundAnd) else (meant,)
    slots = [_slot_of(item) for item in items]
    found = [slot for slot in slots if slot is not None]
    return found if len(found) == len(slots) <= _MOST_CONDITIONS and _are_apart(found) else None


def _are_apart(slots: list[_Slot]) -> bool:
    """Whether few of them are of one attribute, so that none is made for all at once."""
    names = [slot.attribute.name for slot in slots]
    return all(names.count(name) <= _SAME_FIELD for name in names)


def _slot_of(item: bound.BoundExpr) -> _Slot | None:
    if isinstance(item, bound.BoundNot):
        inner = _slot_of(item.item)
        if inner is None:
            return None
        return _Slot(
            inner.kind,
            inner.attribute,
            inner.literal_count,
            inner.operators,
            inner.negated,
            not inner.complement,
        )
    match item:
        case bound.BoundCategory(read=Attribute() as attribute, test=test, negated=negated):
            kind = CODES
        case bound.BoundSet(attribute=attribute, test=test):
            kind, negated = SET, False
        case _:
            return _range_of(item)
    if test.how != "in" or len(test.values) > MOST_LITERALS:
        return None
    return _Slot(kind, attribute, len(test.values), negated=negated)


def _range_of(item: bound.BoundExpr) -> _Slot | None:
    """A number compared with one literal, or two that are not `!=`."""
    if isinstance(item, bound.BoundAnd) and len(item.items) == 2:
        low, high = map(_range_of, item.items)
        if low is None or high is None or low.attribute != high.attribute:
            return None
        operators = (*low.operators, *high.operators)
        if "!=" in operators or len(operators) > 2:
            return None
        return _Slot(RANGE, low.attribute, 2, operators)
    if not isinstance(item, bound.BoundCompare) or len(item.form.terms) != 1:
        return None
    (term,) = item.form.terms
    if not isinstance(term.source, bound.AttributeSource) or term.factor != 1:
        return None
    attribute = term.source.attribute
    if item.form.now_factor or attribute.type not in ("int", "decimal"):
        return None
    return _Slot(RANGE, attribute, 1, (item.op,))
