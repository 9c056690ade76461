"""Named places where a test may stop, delay or fail the engine.

    STRATA_FAILPOINTS='log.before_commit=kill:3,apply.before_publish=sleep:200'

`kill:n` sends SIGKILL to this process when the place is reached for the n-th time (1 without
a number); `sleep:ms` delays each time; `fail:n` raises OSError(EIO) from the n-th time on.
Unset, a place costs one look at an empty dictionary.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from typing import Final

from engine.errors import InputInvalid

__all__ = ["FAILPOINTS_VARIABLE", "NAMES", "configure", "failpoint"]

FAILPOINTS_VARIABLE: Final = "STRATA_FAILPOINTS"

# Every place there is, in the order in which an update passes them.
NAMES: Final = (
    "ingest.before_resolve",
    "log.before_write",
    "log.before_commit",
    "log.after_commit",
    "apply.before_block",
    "apply.after_facts",
    "apply.in_slice",
    "apply.before_publish",
    "apply.after_publish",
    "feed.before_write",
    "save.before_write",
    "trim.before_write",
    "barrier.before_commit",
    "barrier.after_commit",
    "barrier.between_levels",
)

_guard = threading.Lock()
_actions: dict[str, tuple[str, int]] = {}
_reached: dict[str, int] = {}


def configure(text: str) -> None:
    """Sets the actions from a text as above; '' clears them. Raises InputInvalid."""
    actions: dict[str, tuple[str, int]] = {}
    for one in filter(None, (part.strip() for part in text.split(","))):
        name, _, action = one.partition("=")
        verb, _, number = action.partition(":")
        if name not in NAMES or verb not in ("kill", "sleep", "fail"):
            raise InputInvalid(
                f"{FAILPOINTS_VARIABLE} has {one!r}; write name=kill:n, name=sleep:ms or "
                f"name=fail:n with a name of {', '.join(NAMES)}."
            )
        if number and not number.isdecimal():
            raise InputInvalid(f"{FAILPOINTS_VARIABLE} has {one!r}, whose number is none.")
        actions[name] = verb, int(number or 1)
    with _guard:
        _actions.clear()
        _reached.clear()
        _actions.update(actions)


def failpoint(name: str) -> None:
    """Does what is configured for the place; nothing, as a rule."""
    if _actions:
        _act(name)


def _act(name: str) -> None:
    assert name in NAMES, f"there is no failpoint {name}"
    with _guard:
        verb, number = _actions.get(name, ("", 0))
        reached = _reached[name] = _reached.get(name, 0) + 1
    if verb == "kill" and reached >= number:
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)  # the signal is on its way
    elif verb == "sleep":
        time.sleep(number / 1000)
    elif verb == "fail" and reached >= number:
        raise OSError(errno.EIO, os.strerror(errno.EIO), name)


configure(os.environ.get(FAILPOINTS_VARIABLE, ""))
