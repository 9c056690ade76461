"""Member lists as they arrive."""

from __future__ import annotations

from collections.abc import Iterator

from strata import answers, messages
from strata.v1 import audience_pb2

__all__ = ["MemberList"]


class MemberList:
    """A member list as it arrives: `header` first, then chunks. Close it to end it early."""

    def __init__(self, stream: Iterator[audience_pb2.ListMembersResponse]) -> None:
        self._stream = stream
        self.header: answers.MembersHeader = messages.members_header(next(stream).header)

    def __iter__(self) -> Iterator[answers.MembersChunk]:
        """The chunks that have not been read yet."""
        for response in self._stream:
            yield messages.members_chunk(response.chunk)

    def entries(self) -> Iterator[str]:
        """Every identifier, or uid in hexadecimal digits, that has not been read yet."""
        for chunk in self:
            yield from chunk.entries

    def uids(self) -> Iterator[bytes]:
        """Uids that have not been read yet, 16 bytes each, joined, in chunks: the fastest form
        of a list, which makes no object of a profile."""
        for response in self._stream:
            yield response.chunk.uids

    def roaring(self) -> bytes:
        """The whole portable bitmap."""
        return b"".join(chunk.roaring for chunk in self)

    def close(self) -> None:
        """Ends the list; the rest is not sent."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()
