"""What a Database is made of: its state, how it reads, and a part for each kind of question.

A store that is open for writing has all parts from the start. One that is only read, as commands
do, makes a part when it is first asked for, and imports it then: a count is a moment's work, and
most of the engine has nothing to do with it. If such a store is at rest, with no record of the log
left to apply, that holds of what keeps a store live, too. (Where two threads come at once and
make a part twice, one of the two is dropped: nothing is written.)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

from engine.audience import Audience, CountResult, Threads, stored_count
from engine.binders import Binders
from engine.errors import InputInvalid
from engine.live.at_rest import is_at_rest
from engine.question_forms import QuestionForms
from engine.store.store import Store

if TYPE_CHECKING:
    from engine.actions import Actions
    from engine.core.control import Control
    from engine.explaining.known_closures import KnownClosures
    from engine.explanations import Explanations
    from engine.foresight import Foresight
    from engine.frozen_audiences import FrozenAudiences
    from engine.live.feed import FeedSource
    from engine.live.live_store import LiveStore
    from engine.measures import Measures
    from engine.members import Members
    from engine.model.definitions import Model
    from engine.overlap import Overlaps
    from engine.profile_cards import ProfileCards
    from engine.rules import tree
    from engine.rules.bind import Binder
    from engine.store.snapshot import Snapshot
    from engine.tier_flows import TierFlows
    from engine.tier_refreshes import TierRefreshes
    from engine.uploaded_lists import UploadedLists
    from engine.waterfall import Waterfalls
    from engine.what_if import WhatIf

__all__ = ["DatabaseParts"]


class DatabaseParts:
    """See the head of this file; `threads` None takes one for each processor, at most 16."""

    def __init__(self, store: Store, threads: int | None, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        count = threads or min(len(os.sched_getaffinity(0)), 16)
        pool = ThreadPoolExecutor(count - 1, "evaluate") if count > 1 else None
        self._threads = Threads(pool, count)
        self._binders = Binders()
        self._forms = QuestionForms(self._threads)
        if not (store.read_only and is_at_rest(store)):
            assert self._live
        if not store.read_only:
            self._make_all()

    def _make_all(self) -> None:
        """Makes every part, so that threads that come at once find the same."""
        for kind in type(self).__mro__:
            for name, value in vars(kind).items():
                if isinstance(value, cached_property):
                    getattr(self, name)

    @cached_property
    def _live(self) -> LiveStore:
        from engine.live.live_store import LiveStore

        pool, count = self._threads.pool, self._threads.count
        return LiveStore(self._store, self._binder_of, pool=pool, threads=count, now=self._now)

    @property
    def _is_live(self) -> bool:
        """Whether what keeps a store live was made."""
        return "_live" in vars(self)

    # ------------------------------------------------------------------------- parts

    @cached_property
    def feed(self) -> FeedSource:
        """Who changed; see FeedSource."""
        from engine.live.feed import FeedSource
        from engine.live.stored_feed import StoredFeed

        return FeedSource(StoredFeed(self._store), self._store.snapshot, self._store.glance)

    @cached_property
    def frozen(self) -> FrozenAudiences:
        """Members kept as they were; see FrozenAudiences."""
        from engine.frozen_audiences import FrozenAudiences

        return FrozenAudiences(self._store, self._live, self._members, self._audience)

    @cached_property
    def tiers(self) -> TierRefreshes:
        """Cuts of tiers; see TierRefreshes."""
        from engine.tier_refreshes import TierRefreshes

        return TierRefreshes(self._live, self._binders, self._threads, self._now)

    @cached_property
    def flows(self) -> TierFlows:
        """From tier to tier in a period; see TierFlows."""
        from engine.tier_flows import TierFlows

        return TierFlows(self._store.snapshot, self._audience, self._model_of, self._now)

    @cached_property
    def measures(self) -> Measures:
        """Values of an audience; see Measures."""
        from engine.measures import Measures

        return Measures(self._store.snapshot, self._audience, self._require_binder)

    @cached_property
    def explanations(self) -> Explanations:
        """Why an expression is true of a profile; see Explanations."""
        from engine.explanations import Explanations

        return Explanations(
            self._store.snapshot, self._audience_of_one, self._binders.refreshes, self._closures
        )

    @cached_property
    def actions(self) -> Actions:
        """What is to be done for those who come to match; see Actions."""
        from engine.actions import Actions

        return Actions(
            self._model_of,
            self.explanations,
            lambda snapshot, at_us: self._audience(snapshot, at_us, None).values(),
        )

    @cached_property
    def foresight(self) -> Foresight:
        """Who changes next as time passes; see Foresight."""
        from engine.foresight import Foresight

        return Foresight(self._store.snapshot, self._require_binder, self._now)

    @cached_property
    def overlaps(self) -> Overlaps:
        """How audiences overlap; see Overlaps."""
        from engine.overlap import Overlaps

        return Overlaps(self._store.snapshot, self._audience)

    @cached_property
    def what_if(self) -> WhatIf:
        """What other definitions would say; see WhatIf."""
        from engine.what_if import WhatIf

        return WhatIf(
            self._store.snapshot, self._require_binder, self._binders, self._threads, self._now
        )

    @cached_property
    def waterfalls(self) -> Waterfalls:
        """Audiences step by step; see Waterfalls."""
        from engine.waterfall import Waterfalls

        return Waterfalls(self._store.snapshot, self._audience, self._model_of)

    @cached_property
    def _lists(self) -> UploadedLists:
        from engine.uploaded_lists import UploadedLists

        return UploadedLists(self._store, self._live, self._model_of)

    @cached_property
    def _closures(self) -> KnownClosures:
        from engine.explaining.known_closures import KnownClosures

        return KnownClosures()

    @cached_property
    def _cards(self) -> ProfileCards:
        from engine.profile_cards import ProfileCards

        return ProfileCards(self._closures)

    # ----------------------------------------------------------------------- reading

    def _binder_of(self, snapshot: Snapshot) -> Binder | None:
        """The binder of a snapshot's model, made once for each model version and refresh."""
        return self._binders.of(snapshot)

    def _require_binder(self, snapshot: Snapshot) -> Binder:
        binder = self._binder_of(snapshot)
        if binder is None:
            raise InputInvalid(
                "The store has no model yet, so no name means anything; apply a model first "
                "(strata apply MODEL)."
            )
        return binder

    def _model_of(self, snapshot: Snapshot) -> Model:
        return self._require_binder(snapshot).model

    def _audience(
        self,
        snapshot: Snapshot,
        as_of_us: int | None,
        control: Control | None,
        *,
        past: bool = True,
    ) -> Audience:
        binder = None if as_of_us is None else self._binders.at(snapshot, as_of_us, past=past)
        return Audience(
            snapshot,
            binder or self._require_binder(snapshot),
            as_of_us=as_of_us,
            threads=self._threads,
            control=control,
            now=self._now,
        )

    def _count_known(
        self,
        snapshot: Snapshot,
        expression: str | tree.Expr,
        group_by: str | None,
        control: Control | None,
    ) -> CountResult | None:
        """The count now by the form of the text, or from a counter; None where that does not do."""
        if isinstance(expression, str):
            binder = self._require_binder(snapshot)
            found = self._forms.count(expression, snapshot, binder, control, self._now, group_by)
            if found is not None:
                return found
        return None if group_by is not None else self._stored_count(snapshot, expression)

    def _stored_count(self, snapshot: Snapshot, expression: str | tree.Expr) -> CountResult | None:
        binder = self._require_binder(snapshot)
        return stored_count(snapshot, binder, expression, snapshot.segment_counts, self._now())

    def _audience_of_one(
        self, snapshot: Snapshot, as_of_us: int | None, control: Control | None
    ) -> Audience:
        """The same to read expressions with for a profile that is at hand as it was."""
        return self._audience(snapshot, as_of_us, control, past=False)

    def _members(
        self,
        snapshot: Snapshot,
        expression: str | tree.Expr,
        as_of_us: int | None,
        control: Control | None,
    ) -> Members:
        audience = self._audience(snapshot, as_of_us, control)
        audience.add(expression)
        return audience.members()
