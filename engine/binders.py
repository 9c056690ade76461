"""The binder of each state of a store: of its model, and of the cuts in force.

A question about another instant is bound with the cuts of that instant, and reads attributes with
history as they were then. A binder keeps what it has
bound, so one is made for a model and its newest cuts, and a few for instants of the past.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from weakref import ref

from engine.live.tier_cuts import TIER_CUTS, Refreshes
from engine.model.load import load_model
from engine.rules.bind import Binder
from engine.rules.histories import has_history
from engine.rules.retention import DROPPED, with_dropped
from engine.store.snapshot import Snapshot
from engine.store.version import Version

__all__ = ["Binders"]

# Binders with cuts of the past that are kept.
_PAST = 4


class Binders:
    """Binders by state. Safe to share between threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._mark: object = None
        self._newest: tuple[Binder, Refreshes] | None = None
        # What was found for a version last. Questions come more often than versions.
        self._last: tuple[ref[Version], tuple[Binder, Refreshes]] | None = None
        self._past: OrderedDict[object, Binder] = OrderedDict()

    def of(self, snapshot: Snapshot) -> Binder | None:
        """The binder of a state with its newest cuts; None before the first model."""
        found = self._of(snapshot)
        return None if found is None else found[0]

    def at(self, snapshot: Snapshot, as_of_us: int, *, past: bool = True) -> Binder | None:
        """The same with the cuts of an instant; without `past` attributes are those of today."""
        found = self._of(snapshot)
        if found is None:
            return None
        binder, refreshes = found
        cuts, past = refreshes.at(as_of_us), past and has_history(binder.model.attributes)
        if cuts == binder.cuts and not past:
            return binder
        key = (snapshot.model_version, tuple(cuts.items()), past)
        with self._guard:
            made = self._past.setdefault(key, Binder(binder.model, cuts=cuts, past=past))
            self._past.move_to_end(key)
            while len(self._past) > _PAST:
                self._past.popitem(last=False)
        return made

    def refreshes(self, snapshot: Snapshot) -> Refreshes:
        """All cuts that a state has."""
        found = self._of(snapshot)
        return Refreshes() if found is None else found[1]

    def _of(self, snapshot: Snapshot) -> tuple[Binder, Refreshes] | None:
        last, version = self._last, snapshot.version
        if last is not None and last[0]() is version:
            return last[1]
        found = self._of_model(snapshot)
        self._last = None if found is None else (ref(version), found)
        return found

    def _of_model(self, snapshot: Snapshot) -> tuple[Binder, Refreshes] | None:
        if not snapshot.model_version:
            return None
        mark = (snapshot.model_version, snapshot.meta_mark(TIER_CUTS))
        with self._guard:
            if self._newest is None or self._mark != mark:
                model, _ = load_model(snapshot.model_files)
                model = with_dropped(model, snapshot.meta(DROPPED))
                refreshes = Refreshes.load(snapshot)
                self._newest = Binder(model, cuts=refreshes.at()), refreshes
                self._mark = mark
            return self._newest
