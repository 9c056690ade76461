"""ProfileService: single profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import NotFound
from server import convert
from server.call import Call
from server.lanes import Lane
from server.visibility import Visibility
from strata.v1 import profile_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database

__all__ = ["ProfileService"]

# Profiles travel in one message, and a thousand of them are well below its limit.
BATCH_MOST = 1000


class ProfileService:
    """Reads profiles, one method per call of the contract."""

    def __init__(self, database: Database, reads: Lane, visible: Visibility) -> None:
        self._database = database
        self._reads = reads
        self._visible = visible

    async def get_profile(self, request: pb.GetProfileRequest, call: Call) -> pb.GetProfileResponse:
        """Reads one profile."""
        if not request.HasField("identifier"):
            raise convert.invalid("identifier", "is missing", "give a kind and a value")
        await self._visible.wait(request.min_offset, call)
        call.field = "identifier"
        wanted = (request.identifier.kind, request.identifier.value)

        def work() -> pb.Profile | None:
            record = self._database.profiles([wanted])[0]
            return None if record is None else convert.profile(record)

        profile = await self._reads.run(work, call.control)
        if profile is None:
            raise NotFound(f"No profile owns the identifier {wanted[0]}:{wanted[1]}.")
        return pb.GetProfileResponse(profile=profile)

    async def batch_get_profiles(
        self, request: pb.BatchGetProfilesRequest, call: Call
    ) -> pb.BatchGetProfilesResponse:
        """Reads many profiles, in the order asked."""
        if len(request.identifiers) > BATCH_MOST:
            raise convert.invalid(
                "identifiers",
                f"has {len(request.identifiers)} entries",
                f"give at most {BATCH_MOST:,} at a time",
            )
        await self._visible.wait(request.min_offset, call)
        call.field = "identifiers"
        wanted = [(identifier.kind, identifier.value) for identifier in request.identifiers]

        def work() -> pb.BatchGetProfilesResponse:
            return pb.BatchGetProfilesResponse(
                profiles=[
                    pb.BatchProfile(profile=None if record is None else convert.profile(record))
                    for record in self._database.profiles(wanted)
                ]
            )

        return await self._reads.run(work, call.control)
