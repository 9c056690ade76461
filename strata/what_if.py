"""What would become of the bands of a score if it were another.

found = what_if(client, "lead", {"rules[2].points": "40", "bands.hot": "60"})
for band in found.bands:
    print(band.band, band.old_size, band.new_size)
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from strata import messages
from strata.client import Client
from strata.v1 import model_pb2

__all__ = ["BandChange", "WhatIf", "what_if"]


@dataclass(frozen=True, slots=True)
class BandChange:
    """One band: its lower bound before and after (None where there is no such band), how many
    profiles are and would be in it, and how many would enter and leave it."""

    band: str
    old_bound: Decimal | None
    new_bound: Decimal | None
    old_size: int
    new_size: int
    joiners: int
    leavers: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The bands of a score, highest first, those that would be gone last; `moved` profiles would be
    in another band than they are in, none counting as one."""

    score: str
    as_of: datetime.datetime
    data_version: int
    bands: tuple[BandChange, ...]
    moved: int


def what_if(client: Client, score: str, settings: Mapping[str, str]) -> WhatIf:
    """What would become of the bands of a score with parts of it (key path -> YAML) set to
    something else; nothing is changed. Raises StrataError."""
    response = client.transport.one(
        "/strata.v1.ModelService/WhatIf",
        model_pb2.WhatIfRequest(
            score=score,
            settings=[model_pb2.ScoreSetting(path=p, value=v) for p, v in settings.items()],
        ),
        model_pb2.WhatIfResponse,
    )
    return WhatIf(
        score,
        messages.instant(response.as_of),
        response.data_version,
        tuple(
            BandChange(
                one.band,
                Decimal(one.old_bound) if one.HasField("old_bound") else None,
                Decimal(one.new_bound) if one.HasField("new_bound") else None,
                one.old_size,
                one.new_size,
                one.joiners,
                one.leavers,
            )
            for one in response.bands
        ),
        response.moved,
    )
