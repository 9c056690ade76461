"""Values of members that no column of the store has: what computed attributes come to, what
attributes with `history` were at another instant, and any value of the language to order a list by.

They are read as measured values are: the members are the rows of a program, and the value is a
leaf that nothing joins, or what rows are grouped by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.containers import rows_of_mask
from engine.core import evaluate
from engine.core import operations as ops
from engine.core.control import Control
from engine.core.event_plan import EventPlanner
from engine.core.leaf_plan import LeafPlanner, ListMembers
from engine.core.number_plan import NumberPlanner
from engine.core.plan import Planner
from engine.core.program import Program
from engine.core.row_tests import test_many
from engine.errors import ExpressionInvalid, InputInvalid, NotYet, about_field
from engine.listing.batches import Batch
from engine.listing.choosing import check_order
from engine.listing.columns import attribute_cells
from engine.live.memberships import rows_of_masks
from engine.live.stored_values import AttributeValue
from engine.measuring.ordering import in_order
from engine.measuring.passes import Reading
from engine.measuring.value import number_value
from engine.measuring.written import written_values
from engine.model.definitions import Attribute
from engine.rules import bound, tree
from engine.rules.bind import Binder
from engine.rules.bound_events import BoundAggregate
from engine.rules.derived import Derived, named
from engine.rules.parse import parse_value
from engine.rules.types import KIND_WORDS, Flag, Operand, Quantity, Strings, sources
from engine.store.snapshot import Snapshot

__all__ = ["MemberValues"]

# Rows that are asked one by one for the name of a band, instead of everybody once.
_FEW_ROWS = 1024

# The cells of a batch, None where missing.
_Read = Callable[[Batch], list[AttributeValue | None]]


class MemberValues:
    """Reads the values of profiles of one snapshot at one instant; used by one thread.

    `moved`: another instant than the clock was asked for. `clock_us` is the clock, and `lists`
    finds an uploaded list.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        binder: Binder,
        *,
        as_of_us: int,
        clock_us: int,
        moved: bool,
        lists: Callable[[str], ListMembers],
        control: Control,
        pool: Executor | None = None,
        threads: int = 1,
    ) -> None:
        self._snapshot = snapshot
        self._binder = binder
        self._moved = moved
        zone = binder.model.time_zone
        self._events = EventPlanner(snapshot, as_of_us, binder.model, clock_us=clock_us)
        self._numbers = NumberPlanner(snapshot, as_of_us, zone, events=self._events)
        self._planner = Planner(LeafPlanner(snapshot, self._numbers, lists))
        self._control = control
        self._pool = pool
        self._threads = threads
        self._columns: dict[str, _Read] = {}

    def cells(self, attribute: Attribute, batch: Batch) -> list[AttributeValue | None]:
        """The values of an attribute in the rows of a batch, which are alive; None where missing.
        Typed as in ProfileRecord. Raises Cancelled and DeadlineExceeded."""
        read = self._columns.get(attribute.name)
        if read is None:
            read = self._columns[attribute.name] = self._reader(attribute)
        return read(batch)

    def read_today(self, attributes: Sequence[str], order_by: str | None = None) -> tuple[str, ...]:
        """What is read as it is today, although another instant was asked for, to list attributes,
        or to order by a value: names of attributes."""
        if not self._moved:
            return ()
        known = self._binder.model.attributes
        read = [known[name] for name in attributes]
        if order_by is not None and order_by in known:
            read.append(known[order_by])
        elif order_by is not None:
            operand, _ = self._ordering(order_by)
            return tuple(dict.fromkeys(one.name for one in self._attributes_of(operand)))
        found: dict[str, None] = {}
        for one in read:
            if self._is_stored(one):
                found[one.name] = None
            else:
                found |= {each.name: None for each in self._attributes_of(self._operand(one))}
        return tuple(found)

    def in_order(
        self, masks: NDArray[np.uint64], limit: int | None, order_by: str, *, descending: bool
    ) -> NDArray[np.uint32] | None:
        """The rows of the first `limit` of some members in the order of a value, as
        `choose_in_order`; None where that is an attribute that a column of the store has. Raises
        ExpressionInvalid, InputInvalid, NotFound, Cancelled, DeadlineExceeded."""
        attribute = self._binder.model.attributes.get(order_by)
        if attribute is not None and self._is_stored(attribute):
            return None
        operand, name = self._ordering(order_by)
        rows = rows_of_masks(masks)
        value = number_value(operand, name, self._numbers)
        if value.leaf is not None:
            rows = in_order(self._reading(rows, value.leaf), value, rows, descending=descending)
        return rows[:limit]

    # ---------------------------------------------------------------------------- what is read

    def _is_stored(self, attribute: Attribute) -> bool:
        """Whether the store has the values that are asked for."""
        return attribute.computed is None and not (attribute.history and self._binder.past)

    def _operand(self, attribute: Attribute) -> Operand:
        return self._binder.operand(tree.Name(attribute.name), attribute.name)

    def _ordering(self, text: str) -> tuple[Quantity, str]:
        """What a list is ordered by, and its name in errors."""
        where = "order_by"
        if text in self._binder.model.attributes:
            node: tree.Value = tree.Name(text)
            check_order(self._binder.model, text)
        else:
            try:
                node = parse_value(text)
            except ExpressionInvalid as error:
                issues = (replace(issue, where=where) for issue in error.issues)
                raise ExpressionInvalid(*issues) from None
            if isinstance(node, tree.Name):
                check_order(self._binder.model, node.name)
        operand = self._binder.operand(node, text, where)
        if not isinstance(operand, Quantity):
            message = f"{text} is {KIND_WORDS[operand.kind]}, which has no order."
            raise about_field(InputInvalid, where, message)
        if not sources(operand):
            message = f"{text} is the same for every profile, which makes no order."
            raise about_field(InputInvalid, where, message)
        return operand, text

    def _attributes_of(self, operand: Operand) -> tuple[Attribute, ...]:
        """The attributes whose stored values a value reads."""
        if isinstance(operand, Quantity):
            return number_value(operand, "", self._numbers).attributes
        presence = self._binder.bind(tree.Presence(operand.node, True))
        parts = bound.predicates_of(presence)
        return tuple(dict.fromkeys(one for part in parts for one in bound.attributes_of(part)))

    # ------------------------------------------------------------------------------- reading it

    def _reader(self, attribute: Attribute) -> _Read:
        if self._is_stored(attribute):
            return self._stored(attribute)
        operand = self._operand(attribute)
        match operand:
            case Quantity():
                return self._written(operand, attribute)
            case Strings(read=Attribute() as read) | Flag(read=Attribute() as read):
                return self._stored(read)
            case Strings(read=BoundAggregate() as made) | Flag(read=BoundAggregate() as made):
                return self._folded(made)
            case Strings(derived=derived) if derived is not None:
                return self._named(derived, operand.choices)
            case Strings(construct=construct):
                raise NotYet(f"{attribute.name} is a {construct} that has no cuts yet; refresh it.")
            case _:
                raise AssertionError(f"{attribute.name} is computed by a constant")

    def _stored(self, attribute: Attribute) -> _Read:
        field = self._snapshot.fields.get(attribute.name)
        return lambda batch: attribute_cells(self._snapshot, field, batch)

    def _written(self, operand: Quantity, attribute: Attribute) -> _Read:
        """Numbers, dates and times, a decimal with the digits that it is declared with."""
        value = number_value(operand, "", self._numbers)

        def read(batch: Batch) -> list[AttributeValue | None]:
            cells: Any = np.empty(batch.row_count, object)
            if value.leaf is None:
                return cells.tolist()  # type: ignore[no-any-return]
            blocks = self._reading(np.sort(batch.rows()), value.leaf).blocks()
            for stretch in batch.stretches:
                blocks.read(stretch.block)
                order = np.argsort(stretch.inside)
                at = np.searchsorted(stretch.inside[order], blocks.value_rows())
                cells[stretch.places[order[at]]] = written_values(blocks, value, attribute)
            return cells.tolist()  # type: ignore[no-any-return]

        return read

    def _folded(self, aggregate: BoundAggregate) -> _Read:
        """Categories, booleans and texts that are made of events."""
        field = self._events.field(aggregate)
        is_text, is_bool = aggregate.type == "text", aggregate.type == "bool"
        dictionary = None
        if not is_text and not is_bool:
            number = self._events.dictionary(aggregate)
            dictionary = None if number is None else self._snapshot.dictionary(number)

        def named(code: int) -> AttributeValue | None:
            if is_bool:
                return (None, False, True)[code]
            return dictionary.value(code) if code and dictionary is not None else None

        def read(batch: Batch) -> list[AttributeValue | None]:
            cells: Any = np.empty(batch.row_count, object)
            reading = self._reading(np.sort(batch.rows()), None, field, is_bool=is_bool)
            blocks = reading.blocks()
            for stretch in batch.stretches:
                blocks.read(stretch.block)
                found = np.empty(len(stretch.inside), object)
                if is_text:
                    found[:] = blocks.texts_of(stretch.inside)
                else:
                    codes, places = np.unique(blocks.codes_of(stretch.inside), return_inverse=True)
                    names = [named(code) for code in codes.tolist()]
                    found[:] = [names[place] for place in places.tolist()]
                cells[stretch.places] = found
            return cells.tolist()  # type: ignore[no-any-return]

        return read

    def _named(self, derived: Derived, names: Sequence[str]) -> _Read:
        """Names of a band or a tier, which are conditions."""
        roots = [self._planner.add(named(derived, {name}, None)) for name in names]
        program = Program(self._planner.plan, self._snapshot, roots)
        how = {"control": self._control, "pool": self._pool, "threads": self._threads}
        holders: list[NDArray[np.uint64]] = []

        def read(batch: Batch) -> list[AttributeValue | None]:
            cells: Any = np.empty(batch.row_count, object)
            if batch.row_count <= _FEW_ROWS and not holders:
                rows = batch.rows()
                ascending, places = np.unique(rows, return_inverse=True)
                for name, held in zip(names, test_many(program, roots, ascending), strict=True):
                    cells[held[places]] = name
                return cells.tolist()  # type: ignore[no-any-return]
            if not holders:
                holders.extend(evaluate.root_masks(program, root, **how)[0] for root in roots)  # type: ignore[arg-type]
            for stretch in batch.stretches:
                for name, masks in zip(names, holders, strict=True):
                    is_in = np.isin(stretch.inside, rows_of_mask(masks[stretch.block]))
                    cells[stretch.places[is_in]] = name
            return cells.tolist()  # type: ignore[no-any-return]

        return read

    def _reading(
        self,
        rows: NDArray[np.uint32],
        leaf: ops.Leaf | None,
        field: int | None = None,
        *,
        is_bool: bool = False,
    ) -> Reading:
        """What reads rows, ascending, and of them the value of a leaf, or a column by its field."""
        planned = self._planner.plan
        nodes = [*planned.nodes, ops.Node("leaf", leaf=ops.RowsLeaf(rows))]
        if leaf is not None:
            nodes.append(ops.Node("leaf", leaf=leaf))
        root = len(planned.nodes)
        return Reading(
            Program(ops.Plan(nodes, planned.columns), self._snapshot, [root], field),
            root,
            -1 if leaf is None else root + 1,
            self._control,
            self._pool,
            self._threads,
            grouped=field is not None,
            is_bool=is_bool,
            group_column=-1 if field is None else -1 - field,
        )
