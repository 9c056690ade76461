"""ModelService: the model file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.errors import NotFound
from server import convert, tiers
from server.call import Call
from server.lanes import Lane
from strata.v1 import model_pb2 as pb
from strata.v1 import tier_pb2

if TYPE_CHECKING:
    from engine.database import Database
    from engine.model_edits import DefinitionChange
    from engine.what_if import BandChange

__all__ = ["ModelService"]


class ModelService:
    """Reads and changes the model, one method per call of the contract."""

    def __init__(self, database: Database, reads: Lane, writes: Lane) -> None:
        self._database = database
        self._reads = reads
        self._writes = writes

    async def apply_model(self, request: pb.ApplyModelRequest, call: Call) -> pb.ApplyModelResponse:
        """Puts a model in force, or only checks it."""
        files = _files(request.files, call)
        if request.validate_only:
            model = await self._reads.run(lambda: self._database.check_model(files), call.control)
            return pb.ApplyModelResponse(
                version=self._database.model_version, not_yet_keys=model.not_yet
            )
        change = await self._writes.run(lambda: self._database.apply_model(files))
        return pb.ApplyModelResponse(
            version=change.version,
            changed=change.changed,
            added_keys=change.added,
            removed_keys=change.removed,
            changed_keys=change.changed_keys,
            changes=map(_change, change.changes),
        )

    async def plan_model(self, request: pb.PlanModelRequest, call: Call) -> pb.PlanModelResponse:
        """What an apply would do; changes nothing."""
        files = _files(request.files, call)
        plan = await self._reads.run(lambda: self._database.plan_model(files), call.control)
        return pb.PlanModelResponse(
            added_keys=plan.added,
            removed_keys=plan.removed,
            changed_keys=plan.changed_keys,
            changes=map(_change, plan.changes),
        )

    async def what_if(self, request: pb.WhatIfRequest, call: Call) -> pb.WhatIfResponse:
        """What would become of the bands of a score; changes nothing."""
        settings = [(one.path, one.value) for one in request.settings]
        if not request.score:
            raise convert.invalid("score", "is missing", "name the score")
        call.field = "settings"
        found = await self._reads.run(
            lambda: self._database.what_if.ask(request.score, settings, call.control), call.control
        )
        return pb.WhatIfResponse(
            as_of=convert.timestamp(found.as_of_us),
            data_version=found.data_version,
            bands=map(_band, found.bands),
            moved=found.moved,
        )

    async def refresh(
        self, request: tier_pb2.RefreshRequest, call: Call
    ) -> tier_pb2.RefreshResponse:
        """Works out the cuts of tiers anew."""
        call.field = "tiers"
        names = tuple(request.tiers)
        found = await self._writes.run(lambda: self._database.tiers.refresh(names))
        return tiers.refreshed(found)

    async def get_model(self, request: pb.GetModelRequest, call: Call) -> pb.GetModelResponse:
        """Reads the model in force."""
        model = self._database.model
        if model is None:
            raise NotFound("The store has no model yet; apply one first.")
        return pb.GetModelResponse(
            version=self._database.model_version,
            files=[pb.ModelFile(name=name, text=text) for name, text in model.text.items()],
            time_zone=model.time_zone.key,
        )


def _files(sent: Iterable[pb.ModelFile], call: Call) -> dict[str, str]:
    """The files of a model by name; InputInvalid where there are none or names repeat."""
    listed = list(sent)
    files = {file.name: file.text for file in listed}
    if not files:
        raise convert.invalid("files", "is empty", "give the model's files")
    if len(files) != len(listed) or "" in files:
        raise convert.invalid("files", "repeats a name or lacks one", "name each file once")
    call.field = "files"
    return files


def _band(change: BandChange) -> pb.BandChange:
    return pb.BandChange(
        band=change.band,
        old_bound=None if change.old_bound is None else f"{change.old_bound:f}",
        new_bound=None if change.new_bound is None else f"{change.new_bound:f}",
        old_size=change.old_size,
        new_size=change.new_size,
        joiners=change.joiners,
        leavers=change.leavers,
    )


def _change(change: DefinitionChange) -> pb.DefinitionChange:
    return pb.DefinitionChange(
        definition=change.definition,
        kept=change.kept,
        old_size=change.old_size,
        new_size=change.new_size,
        joiners=change.joiners,
        leavers=change.leavers,
    )
