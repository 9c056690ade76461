"""How long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `first_s` up to `most_s`, each shortened by chance to between half and
    all of it: so senders that failed together do not all come back together, and none comes back
    at once."""

    first_s: float = 1.0
    most_s: float = 300.0

    def wait_s(self, failures: int, asked_s: float | None = None) -> float:
        """Seconds to wait after so many failures in a row, 1 or more; at least what the other side
        asked for, if that is no more than `most_s`."""
        # 2 ** 60 times anything is beyond every bound; more would not fit a float.
        whole_s = min(self.first_s * 2.0 ** min(failures - 1, 60), self.most_s)
        wait_s = whole_s * random.uniform(0.5, 1.0)
        return wait_s if asked_s is None else max(wait_s, min(asked_s, self.most_s))
