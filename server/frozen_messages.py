"""Frozen audiences as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import convert
from strata.v1 import audience_pb2 as pb

if TYPE_CHECKING:
    from engine.listing.frozen import Frozen

__all__ = ["frozen_audience"]


def frozen_audience(frozen: Frozen, gone: int = 0) -> pb.FrozenAudience:
    """The description of a frozen audience, `gone` members of which are no profiles any more."""
    message = pb.FrozenAudience(
        name=frozen.name,
        expression=frozen.expression,
        count=frozen.count,
        gone=gone,
        matched=frozen.matched,
        as_of=convert.timestamp(frozen.as_of_us),
        data_version=frozen.data_version,
        model_version=frozen.model_version,
        row_epoch=frozen.row_epoch,
        made_at=convert.timestamp(frozen.made_at_us),
        made_by=frozen.made_by,
        limit=frozen.limit,
        salt=frozen.salt,
        order_by=frozen.order_by or "",
        descending=frozen.descending,
        waiting=frozen.waiting,
        read_as_of_today=frozen.read_as_of_today,
    )
    if frozen.expires_at_us is not None:
        message.expires_at.CopyFrom(convert.timestamp(frozen.expires_at_us))
    return message
