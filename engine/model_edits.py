"""Edits of the model: what one would do, profile by profile, and how it is put into a writer.

The definitions that differ are evaluated over everything, before and after. Nothing here has an
effect of its own: `plan_edit` answers, and `ModelEdit.stage` fills a writer for the live store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.audience import Threads
from engine.errors import NotYet
from engine.live.histories import first_changes
from engine.live.log_clock import clock_of
from engine.live.schema import change_fields, segment_versions
from engine.live.segment_edits import (
    carried_versions,
    differences,
    farewells,
    gone_names,
    plan_change,
)
from engine.live.segments import NAMED, StoredSegments
from engine.live.staged import Staged
from engine.live.tier_cuts import TIER_CUTS, Refreshes
from engine.model.cuts import needs_cuts
from engine.model.definitions import Model
from engine.model.diff import diff
from engine.model.hidden_events import history_events
from engine.rules.bind import Binder
from engine.rules.retention import DROPPED, dropped_by, pack_dropped, with_dropped
from engine.store.catalog import Catalog, event_field, segment_field
from engine.store.snapshot import Snapshot
from engine.store.store import Writer
from engine.tier_refreshes import fresh_cuts

__all__ = ["DefinitionChange", "ModelEdit", "ModelPlan", "plan_edit"]


@dataclass(frozen=True, slots=True)
class DefinitionChange:
    """What an edit of the model does to one definition, a key path such as
    `segments.high_value`: how many profiles join and leave, and its size before and after.

    `kept` says whether its members are stored from then on.
    """

    definition: str
    kept: bool
    old_size: int
    new_size: int
    joiners: int
    leavers: int


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What an apply would do: the key paths that differ, and the definitions with members."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed_keys: tuple[str, ...] = ()
    changes: tuple[DefinitionChange, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelEdit:
    """An edit that can be carried out: its plan, the segments before and after it with the
    versions of the latter's definitions, and the cuts of tiers after it. `dropped`: see
    `engine.rules.retention.dropped_by`; `now_us`: the instant of the edit."""

    plan: ModelPlan
    before: StoredSegments | None
    after: StoredSegments
    versions: Mapping[str, int]
    refreshes: Refreshes
    dropped: Mapping[str, int]
    now_us: int

    def stage(self, writer: Writer, files: Mapping[str, str]) -> tuple[int, Staged]:
        """Puts the edit into a writer whose snapshot it was planned on: the version of the model
        then, and what is left to find of its segments."""
        kept = self.after.kept
        # One that an earlier version of this program could not keep has no field, and no members.
        unstored = {name for name in kept if segment_field(name) not in writer.fields}
        earlier = writer.fields
        changed = differences(self.before, self.after)
        stale = [name for name in kept if name in changed or name in unstored]
        gone = gone_names(self.before, self.after, stale)
        leaving = farewells(self.before, self.after, writer.snapshot, gone)
        stored = segment_versions(earlier)
        versions = {one.name: stored[one.name] for one in gone}
        versions |= {name: self.versions[name] for name in kept}
        change_fields(writer, self.after.model, versions)
        self._begin_histories(writer, earlier)
        version = writer.set_model(files)
        if self.dropped:
            writer.put_meta(DROPPED, pack_dropped(self.dropped))
        else:
            writer.delete_meta(DROPPED)
        if self.refreshes.of_tiers:
            writer.put_meta(TIER_CUTS, self.refreshes.pack())
        elif writer.snapshot.meta_mark(TIER_CUTS) is not None:
            writer.delete_meta(TIER_CUTS)
        edited = (*self.plan.added, *self.plan.changed_keys)
        if any(key.startswith(("tag_rules.", "actions.")) for key in edited):
            stale += [name for name in self.after.refreshable if name == NAMED]
        fresh = [name for name, what in changed.items() if what == "added"]
        return version, Staged(stale, leaving, fresh, gone)

    def _begin_histories(self, writer: Writer, earlier: Catalog) -> None:
        """What is there of attributes that get a history is its beginning."""
        for name, event in history_events(self.after.model).items():
            attribute = writer.fields[name]
            if event_field(event.name) in earlier or earlier.get(name) != attribute:
                continue
            now_us = max(self.now_us, clock_of(writer.snapshot))
            found = first_changes(writer.snapshot, writer.fields, attribute, now_us)
            for number, block, encoded in found:
                writer.put_field(number, block, encoded)


def plan_edit(
    binder: Binder | None,
    refreshes: Refreshes,
    model: Model,
    snapshot: Snapshot,
    threads: Threads,
    now_us: int,
) -> ModelEdit:
    """What putting `model` in force would do to a snapshot, whose binder is None before the
    first model, and which has these `refreshes`, at an instant. Tiers that are new, or defined
    anew, are cut by the data there is. Raises NotYet and NotFound as `plan_change` does."""
    catalog = snapshot.fields
    before = None
    if binder is not None:
        before = StoredSegments(binder.model, binder, catalog, segment_versions(catalog))
    dropped = dropped_by(None if binder is None else binder.model, model, now_us)
    aged = with_dropped(model, pack_dropped(dropped))
    refreshes = refreshes.under(None if binder is None else binder.model, model)
    uncut = [
        name
        for name, tier in model.tiers.items()
        if needs_cuts(tier) and name not in refreshes.of_tiers
    ]
    fresh = fresh_cuts(aged, snapshot, refreshes.at(), uncut, now_us, threads)
    refreshes = refreshes.adding(fresh.cuts, now_us, fresh.of_nobody)
    after = StoredSegments(aged, Binder(aged, cuts=refreshes.at()), catalog)
    _refuse_unforeseen(after)
    change = diff(None if binder is None else binder.model, model)
    edits = plan_change(
        before, after, snapshot, now_us=now_us, pool=threads.pool, threads=threads.count
    )
    changes = tuple(
        DefinitionChange(
            definition=edit.key,
            kept=edit.what != "removed" and not edit.not_kept,
            old_size=edit.old_size,
            new_size=edit.new_size,
            joiners=len(edit.joiners),
            leavers=len(edit.leavers),
        )
        for edit in edits
    )
    plan = ModelPlan(change.added, change.removed, change.changed, changes)
    versions = carried_versions(before, after, snapshot.model_version + 1)
    return ModelEdit(plan, before, after, versions, refreshes, dropped, now_us)


def _refuse_unforeseen(after: StoredSegments) -> None:
    """Raises NotYet for what sets a fact, or says when there is something to do, and cannot be
    kept: that is noticed when it happens, and cannot be worked out afterwards."""
    for key, reason in after.unforeseen.items():
        otherwise = "Make it a live rule, or change" if key.startswith("tag_rules.") else "Change"
        raise NotYet(f"{key} cannot be kept in this version: {reason}. {otherwise} its condition.")
