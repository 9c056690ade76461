"""What a service knows about the call that it answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from engine.core.control import Control

__all__ = ["Call"]


@dataclasses.dataclass(slots=True)
class Call:
    """One call under way. `control` ends with the caller's deadline or with the caller.

    `field` is the field of the request that is being read: issues that name no field of
    their own are about it. `message_bytes` is the size of the message that came last, 0 where no
    wire brought it. What `at_end` holds is called once the status of a stream is on its way, which
    the service's own method does not live to see.
    """

    path: str
    control: Control = dataclasses.field(default_factory=Control)
    field: str = ""
    message_bytes: int = 0
    at_end: list[Callable[[], None]] = dataclasses.field(default_factory=list)
