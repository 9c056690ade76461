"""Calls that are not there: those of the contract that are not built yet, and all others.

gRPC's own answer to them is a code without a reason, which a caller cannot tell from a proxy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import grpc

from engine.errors import EngineError, NotYet
from server.failures import CallUnknown
from server.status import status_of, to_grpc

__all__ = ["NOT_BUILT", "Unbuilt"]

_IDENTITY = "Profiles cannot be linked and merged yet; each identifier stays with its profile."
_ERASURE = "Erasure and the export of a person's data come with consent; nothing is erased yet."

# The calls that are published and not built, and what to know about each.
NOT_BUILT: Mapping[str, str] = MappingProxyType(
    {
        "/strata.v1.ProfileService/LinkIdentifiers": _IDENTITY,
        "/strata.v1.ProfileService/UnlinkIdentifier": _IDENTITY,
        "/strata.v1.ProfileService/EraseProfile": _ERASURE,
        "/strata.v1.ProfileService/ExportProfile": _ERASURE,
        "/strata.v1.ModelService/ListVersions": "GetModel gives the version in force.",
        "/strata.v1.AdminService/Backup": "Stop the server and copy the store's folder.",
    }
)


class Unbuilt(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not at run time
    """Answers every call that reaches it with UNIMPLEMENTED; it stands behind all others."""

    def service(self, details: Any) -> Any:
        """A handler for calls of any kind: on the wire a stream of one message is that message."""
        path = str(details.method)

        async def refuse(requests: Any, context: Any) -> NoReturn:
            code, sentence, trailers = to_grpc(status_of(_failure(path), ""))
            await context.abort(code, sentence, trailing_metadata=trailers)
            raise AssertionError("abort does not return")

        return grpc.stream_stream_rpc_method_handler(refuse)


def _failure(path: str) -> EngineError:
    told = NOT_BUILT.get(path)
    if told is not None:
        return NotYet(f"{path.rpartition('/')[2]} is not built yet. {told}")
    return CallUnknown(
        "This server has no such call; reflection lists those that it has, and a later version may "
        "have more."
    )
