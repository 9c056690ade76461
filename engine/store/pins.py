"""Pins: which versions are being read, and the turn to change memory in place.

A snapshot that is open pins its data version: what it sees stays as it is. The one thread that
applies records changes memory that no open snapshot sees; while it does, new snapshots wait.

Those that are open already are waited for, because copying what they see costs more than a short
wait: first for a moment without any, then new ones are held back, too. Where that is in vain, what
they see is copied, and how long that took says how long the next wait may be.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from engine.store.version import Version

__all__ = ["Pin", "Pins"]

# How long a change waits for open snapshots, at most and at least: half of what the last one took
# that had to copy what they see. New snapshots are held back for half of the wait.
PATIENCE_S = 0.2
LEAST_PATIENCE_S = 0.001

# How long a change may go on while others wait, where it did not have to wait itself.
LEAST_TURN_S = 0.005


class Pins:
    """The pins of one open store; for any thread."""

    def __init__(self) -> None:
        # Taken as it is where nobody is told: a condition takes it by methods of its own.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._count_of: dict[int, int] = {}
        # Whether the thread that is about to change memory waits for pins to go.
        self._awaited = False
        # The thread that changes memory now, 0 for none, and how many wait for its end.
        self._changer = 0
        self._waiting = 0
        self._patience_s = PATIENCE_S
        # Whether the change under way has to copy what snapshots see that came since the last.
        self._copies = False
        # Snapshots up to this data version were waited for in vain.
        self._given_up = 0
        # When the change under way began, and how long it had to wait before.
        self._began = self._waited_s = 0.0

    def pin(self, newest: Callable[[], Version]) -> Pin:
        """Pins what `newest` gives once no change is under way."""
        with self._lock:
            if self._changer:
                self._wait_for_change()
            version = newest()
            self._count(version.data_version)
        return Pin(self, version)

    def pin_now(self, newest: Callable[[], Version]) -> Pin | None:
        """The same without waiting; None while a change is under way."""
        with self._lock:
            if self._changer:
                return None
            version = newest()
            self._count(version.data_version)
        return Pin(self, version)

    def unpin(self, data_version: int) -> None:
        """Takes one pin of a data version away."""
        with self._lock:
            left = self._count_of[data_version] - 1
            if left:
                self._count_of[data_version] = left
                return
            del self._count_of[data_version]
            if self._awaited:
                self._changed.notify_all()

    @contextlib.contextmanager
    def changing(self) -> Iterator[int]:
        """A change of memory; gives the newest data version that an open snapshot sees, 0 where
        none is open. New snapshots wait until it is over."""
        with self._changed:
            assert not self._changer, "one thread changes memory"
        try:
            yield self._begin()
        finally:
            with self._changed:
                if self._copies:
                    took = time.monotonic() - self._began
                    self._patience_s = min(max(took / 2, LEAST_PATIENCE_S), PATIENCE_S)
                    self._copies = False
                self._changer = 0
                self._changed.notify_all()

    def is_over(self) -> bool:
        """Whether a change should end here: somebody waits for it, and it has taken as long as
        it waited for others itself."""
        lasted = time.monotonic() - self._began
        return bool(self._waiting) and lasted >= max(self._waited_s, LEAST_TURN_S)

    def _count(self, data_version: int) -> None:
        self._count_of[data_version] = self._count_of.get(data_version, 0) + 1

    def _wait_for_change(self) -> None:
        """Returns once no change is under way."""
        assert self._changer != threading.get_ident(), "who changes memory reads the change"
        self._waiting += 1
        try:
            while self._changer:
                self._changed.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._changed.notify_all()

    def _begin(self) -> int:
        """Holds new snapshots back and waits for open ones; see `changing`."""
        with self._changed:
            # Those who waited for the last change go first.
            while self._waiting:
                self._changed.wait()
            asked = time.monotonic()
            newest = self._wait(asked)
            self._changer = threading.get_ident()
            self._began = time.monotonic()
            self._waited_s = self._began - asked
            return newest

    def _wait(self, asked: float) -> int:
        """Waits for open snapshots; gives the newest version that one still sees."""
        patience = self._patience_s
        while (newest := self._newest()) > self._given_up:
            now = time.monotonic()
            if now >= asked + patience:
                self._given_up = newest
                self._copies = True
                break
            if now >= asked + patience / 2:
                self._changer = threading.get_ident()
            self._awaited = True
            try:
                self._changed.wait(asked + (patience if self._changer else patience / 2) - now)
            finally:
                self._awaited = False
        return newest

    def _newest(self) -> int:
        # Copied in one step: collecting garbage may take a pin away at any other.
        return max(dict(self._count_of), default=0)


class Pin:
    """A version that is being read. `release` it once; it goes with the last reference, too."""

    __slots__ = ("_pins", "version")

    def __init__(self, pins: Pins, version: Version) -> None:
        self._pins: Pins | None = pins
        self.version = version

    def release(self) -> None:
        """The version may change from here on; harmless when done before."""
        pins, self._pins = self._pins, None
        if pins is not None:
            pins.unpin(self.version.data_version)

    def __del__(self) -> None:
        self.release()
