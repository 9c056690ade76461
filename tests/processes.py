"""Child processes of tests."""

from __future__ import annotations

import signal

__all__ = ["heed_interrupts"]


def heed_interrupts() -> None:
    """For `preexec_fn`: SIGINT ends the child, as it does in a terminal.

    A shell starts commands in the background with SIGINT ignored, and children inherit that
    from the tests.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
