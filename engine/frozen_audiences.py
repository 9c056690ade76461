"""The frozen audiences of an open store: made, described, listed, compared and dropped.

An audience is evaluated on a snapshot, while updates go on, and then written in an edit of its
own. So what is kept is exact as of the data version that the snapshot has, and is stored whole
or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.audience import Audience, CountResult
from engine.core.control import Control
from engine.errors import InputInvalid, Issue, NotFound
from engine.listing.frozen import (
    Frozen,
    Page,
    already_there,
    check_freezing,
    drop_expired,
    drop_frozen,
    frozen_audiences,
    frozen_masks,
    page_of_masks,
    put_frozen,
    read_frozen,
)
from engine.live.memberships import rows_of_masks, stored_masks
from engine.live.staged import Staged
from engine.members import Members
from engine.name_groups import counted
from engine.rules import tree
from engine.store.catalog import LIVE
from engine.store.snapshot import Snapshot
from engine.store.store import Store
from engine.store.writer import Writer

if TYPE_CHECKING:
    from engine.live.live_store import LiveStore

__all__ = ["Comparison", "FrozenAudiences", "FrozenName", "FrozenState", "no_nodes"]


@dataclass(frozen=True, slots=True)
class FrozenName:
    """A frozen audience, where an expression could stand."""

    name: str


@dataclass(frozen=True, slots=True)
class FrozenState:
    """A frozen audience, and how many of its members are no profiles any more."""

    frozen: Frozen
    gone: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two audiences over the profiles live at `data_version`: their sizes, and how many profiles
    are in both. Expressions are taken at `as_of_us`."""

    left: int
    right: int
    both: int
    as_of_us: int
    data_version: int


# Finds the members of an expression in a snapshot: (snapshot, expression, as_of_us, control).
Evaluate = Callable[[Snapshot, str | tree.Expr, int | None, Control | None], Members]


class FrozenAudiences:
    """Safe to share between threads."""

    def __init__(
        self,
        store: Store,
        live: LiveStore,
        evaluate: Evaluate,
        audience: Callable[[Snapshot, int | None, Control | None], Audience],
    ) -> None:
        self._store = store
        self._live = live
        self._evaluate = evaluate
        self._audience = audience

    def freeze(
        self,
        name: str,
        expression: str | tree.Expr,
        *,
        as_of_us: int | None = None,
        limit: int | None = None,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
        made_by: str = "",
        expires_at_us: int | None = None,
        control: Control | None = None,
    ) -> Frozen:
        """Keeps the members of an expression under a name; with a limit those that
        `Members.choose` keeps. Raises AlreadyExists, InputInvalid."""
        now_us = _now_us()
        check_freezing(name, made_by, expires_at_us, now_us)
        with self._store.snapshot() as snapshot:
            self._refuse_taken(snapshot, name, now_us)
            members = self._evaluate(snapshot, expression, as_of_us, control)
            members.choose(limit, salt=salt, order_by=order_by, descending=descending)
            frozen = Frozen(
                name=name,
                expression=members.expression,
                as_of_us=members.as_of_us,
                data_version=snapshot.data_version,
                model_version=snapshot.model_version,
                matched=members.matched,
                count=members.count,
                made_at_us=_now_us(),
                made_by=made_by,
                expires_at_us=expires_at_us,
                limit=limit,
                salt=salt,
                order_by=order_by,
                descending=descending,
                waiting=members.waiting,
                read_as_of_today=members.read_as_of_today,
            )
            bitmap = members.roaring()

        def stage(writer: Writer) -> Staged:
            drop_expired(writer, now_us)
            put_frozen(writer, frozen, bitmap)
            return Staged()

        self._live.edit(stage)
        return frozen

    def _refuse_taken(self, snapshot: Snapshot, name: str, now_us: int) -> None:
        """Before anything is evaluated in vain; the writer looks again."""
        try:
            read_frozen(snapshot, name, now_us)
        except NotFound:
            return
        raise already_there(name)

    def page(self, *, after: str = "", size: int | None = None) -> list[FrozenState]:
        """The first `size` of those whose names come after one, by name (None: all)."""
        with self._store.snapshot() as snapshot:
            found = frozen_audiences(snapshot, _now_us())
            later = [frozen for frozen in found if frozen.name > after]
            return [self._state(snapshot, frozen) for frozen in later[:size]]

    def get(self, name: str) -> FrozenState:
        """The audience of a name. Raises NotFound."""
        with self._store.snapshot() as snapshot:
            return self._state(snapshot, read_frozen(snapshot, name, _now_us()))

    def count(self, name: str) -> CountResult:
        """How many of an audience are still profiles, at the instant it was frozen for. Raises
        NotFound."""
        started_ns = time.monotonic_ns()
        with self._store.snapshot() as snapshot:
            state = self._state(snapshot, read_frozen(snapshot, name, _now_us()))
            return CountResult(
                expression=state.frozen.expression,
                count=state.frozen.count - state.gone,
                as_of_us=state.frozen.as_of_us,
                data_version=snapshot.data_version,
                elapsed_us=(time.monotonic_ns() - started_ns) // 1000,
                waiting=state.frozen.waiting,
                read_as_of_today=state.frozen.read_as_of_today,
                gone=state.gone,
            )

    def count_among(
        self,
        name: str,
        expression: str | tree.Expr | None = None,
        *,
        as_of_us: int | None = None,
        nodes: bool = False,
        group_by: str | None = None,
        control: Control | None = None,
    ) -> CountResult:
        """For how many of those frozen who are still profiles an expression holds (None: all of
        them) at an instant, and for how many each of its nodes; split by what they have then.
        Raises NotFound, InputInvalid for nodes without an expression."""
        if nodes and expression is None:
            raise no_nodes()
        with self._store.snapshot() as snapshot:
            field = "" if expression is None else "among_frozen"
            frozen = read_frozen(snapshot, name, _now_us(), field)
            alive = frozen_masks(snapshot, frozen) & _live_masks(snapshot)
            audience = self._audience(snapshot, as_of_us, control)
            audience.among(rows_of_masks(alive))
            everybody = tree.Truth(tree.Bool(True))
            asked = everybody if expression is None else expression
            found = counted(audience, asked, nodes=nodes, group_by=group_by)
            gone = frozen.count - _size(alive)
            if expression is None:
                return replace(
                    found, expression=frozen.expression, waiting=frozen.waiting, gone=gone
                )
            return replace(found, gone=gone)

    def drop(self, name: str) -> None:
        """Removes an audience. Raises NotFound."""

        def stage(writer: Writer) -> Staged:
            now_us = _now_us()
            drop_frozen(writer, name, now_us)
            drop_expired(writer, now_us)
            return Staged()

        self._live.edit(stage)

    def members(
        self,
        name: str,
        *,
        page: Page | None = None,
        limit: int | None = None,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
        control: Control | None = None,
    ) -> Members:
        """The members of an audience that are still profiles, with the identifiers and attributes
        that they have now; close it when done. A page and `limit` or `order_by` exclude each
        other. Raises NotFound."""
        assert page is None or (limit is None and order_by is None)
        snapshot = self._store.snapshot()
        try:
            frozen = read_frozen(snapshot, name, _now_us())
            masks = frozen_masks(snapshot, frozen)
            if page is not None:
                masks = page_of_masks(masks, page)
            alive = masks & _live_masks(snapshot)
            now = self._audience(snapshot, None, control)
            members = Members(
                snapshot=snapshot,
                model=now.binder.model,
                values=now.values(),
                expression=frozen.expression,
                as_of_us=frozen.as_of_us,
                masks=alive,
                waiting=frozen.waiting,
                read_as_of_today=frozen.read_as_of_today,
                frozen=frozen,
                gone=_size(masks) - _size(alive),
            )
            members.choose(limit, salt=salt, order_by=order_by, descending=descending)
        except BaseException:
            snapshot.close()
            raise
        return members

    def compare(
        self,
        left: str | tree.Expr | FrozenName,
        right: str | tree.Expr | FrozenName,
        *,
        as_of_us: int | None = None,
        control: Control | None = None,
    ) -> Comparison:
        """Two audiences, each frozen or an expression, over the same profiles at one instant."""
        as_of_us = _now_us() if as_of_us is None else as_of_us
        with self._store.snapshot() as snapshot:
            one, other = (self._masks(snapshot, side, as_of_us, control) for side in (left, right))
            return Comparison(
                left=_size(one),
                right=_size(other),
                both=_size(one & other),
                as_of_us=as_of_us,
                data_version=snapshot.data_version,
            )

    def _masks(
        self,
        snapshot: Snapshot,
        side: str | tree.Expr | FrozenName,
        as_of_us: int,
        control: Control | None,
    ) -> NDArray[np.uint64]:
        if not isinstance(side, FrozenName):
            return self._evaluate(snapshot, side, as_of_us, control).masks
        frozen = read_frozen(snapshot, side.name, _now_us())
        return frozen_masks(snapshot, frozen) & _live_masks(snapshot)

    def _state(self, snapshot: Snapshot, frozen: Frozen) -> FrozenState:
        if snapshot.live_count == snapshot.row_count:
            return FrozenState(frozen, 0)
        masks = frozen_masks(snapshot, frozen)
        return FrozenState(frozen, _size(masks) - _size(masks & _live_masks(snapshot)))


def no_nodes() -> InputInvalid:
    """The refusal to count the nodes of a frozen audience."""
    message = "is told of an expression: a frozen audience keeps who was in it, and not why"
    hint = "give an expression beside it, whose nodes are counted among those frozen"
    issue = Issue(message, where="include_nodes", hint=hint)
    return InputInvalid(str(issue), issues=(issue,))


def _live_masks(snapshot: Snapshot) -> NDArray[np.uint64]:
    return stored_masks(snapshot, LIVE.id)


def _size(masks: NDArray[np.uint64]) -> int:
    return int(np.bitwise_count(masks).sum())


def _now_us() -> int:
    return time.time_ns() // 1000
