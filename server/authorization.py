"""Who may call what: one table of roles, and the hook that decides.

A server on loopback lets everyone in. Tokens and certificates are not built yet; they
will be another Authorizer, and nothing else here changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Protocol

__all__ = ["ROLES", "AllowEveryone", "Authorizer", "Caller", "Role"]


class Role(Enum):
    """What a caller is trusted with."""

    ANYONE = "anyone"
    READER = "reader"
    WRITER = "writer"
    MODELER = "modeler"
    ADMIN = "admin"


# The role that each method asks for, by its full path.
ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "/strata.v1.AudienceService/Count": Role.READER,
        "/strata.v1.AudienceService/CountMany": Role.READER,
        "/strata.v1.AudienceService/ListMembers": Role.READER,
        "/strata.v1.AudienceService/CompareAudiences": Role.READER,
        "/strata.v1.AudienceService/Overlap": Role.READER,
        "/strata.v1.AudienceService/Waterfall": Role.READER,
        "/strata.v1.AudienceService/Distribution": Role.READER,
        "/strata.v1.AudienceService/Summarize": Role.READER,
        "/strata.v1.AudienceService/Funnel": Role.READER,
        "/strata.v1.AudienceService/Flow": Role.READER,
        "/strata.v1.AudienceService/NextChanges": Role.READER,
        "/strata.v1.AudienceService/Explain": Role.READER,
        "/strata.v1.AudienceService/Format": Role.READER,
        "/strata.v1.ProfileService/GetProfile": Role.READER,
        "/strata.v1.ProfileService/BatchGetProfiles": Role.READER,
        "/strata.v1.ProfileService/ListEvents": Role.READER,
        "/strata.v1.ProfileService/NextChange": Role.READER,
        "/strata.v1.ListService/UploadList": Role.WRITER,
        "/strata.v1.ListService/ListLists": Role.READER,
        "/strata.v1.ListService/DeleteList": Role.WRITER,
        "/strata.v1.FrozenService/Freeze": Role.WRITER,
        "/strata.v1.FrozenService/GetFrozen": Role.READER,
        "/strata.v1.FrozenService/ListFrozen": Role.READER,
        "/strata.v1.FrozenService/DropFrozen": Role.WRITER,
        "/strata.v1.IngestService/Ingest": Role.WRITER,
        "/strata.v1.IngestService/IngestBatch": Role.WRITER,
        "/strata.v1.ModelService/ApplyModel": Role.MODELER,
        "/strata.v1.ModelService/PlanModel": Role.MODELER,
        "/strata.v1.ModelService/WhatIf": Role.READER,
        "/strata.v1.ModelService/Refresh": Role.MODELER,
        "/strata.v1.ModelService/GetModel": Role.READER,
        "/strata.v1.WatchService/Watch": Role.READER,
        "/strata.v1.AdminService/Verify": Role.ADMIN,
        "/strata.v1.AdminService/Checkpoint": Role.ADMIN,
        "/strata.v1.AdminService/Stats": Role.ADMIN,
        "/grpc.health.v1.Health/Check": Role.ANYONE,
        "/grpc.health.v1.Health/Watch": Role.ANYONE,
        "/grpc.health.v1.Health/List": Role.ANYONE,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Role.ANYONE,
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the peer's address as gRPC writes it, and the metadata it sent."""

    peer: str
    metadata: tuple[tuple[str, str | bytes], ...]


class Authorizer(Protocol):
    """Decides whether a caller may do what a role covers."""

    async def authorize(self, caller: Caller, role: Role) -> None:
        """Returns for yes; raises NotAuthenticated or NotPermitted for no."""


class AllowEveryone:
    """The authorizer of a server that only its own machine can reach."""

    async def authorize(self, caller: Caller, role: Role) -> None:
        """Always yes."""
