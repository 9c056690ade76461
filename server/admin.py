"""AdminService: the state of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.call import Call
from server.lanes import Lane
from strata.v1 import admin_pb2 as pb

if TYPE_CHECKING:
    from engine.database import Database

__all__ = ["AdminService"]


class AdminService:
    """Looks after the store, one method per call of the contract."""

    def __init__(self, database: Database, reads: Lane, writes: Lane) -> None:
        self._database = database
        self._reads = reads
        self._writes = writes

    async def verify(self, request: pb.VerifyRequest, call: Call) -> pb.VerifyResponse:
        """Checks every stored record."""
        report = await self._reads.run(self._database.verify, call.control)
        return pb.VerifyResponse(
            data_version=report.data_version,
            record_count=report.record_count,
            payload_bytes=report.payload_bytes,
            faults=report.faults,
        )

    async def checkpoint(self, request: pb.CheckpointRequest, call: Call) -> pb.CheckpointResponse:
        """Saves what is visible."""

        def work() -> int:
            saved = self._database.data_version
            self._database.checkpoint()
            return saved

        return pb.CheckpointResponse(data_version=await self._writes.run(work, call.control))

    async def stats(self, request: pb.StatsRequest, call: Call) -> pb.StatsResponse:
        """Sizes and counts."""
        return pb.StatsResponse(figures=await self._reads.run(self._database.stats, call.control))
