"""Updates whose identifiers are tangled, resolved one by one, as the rules say it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.columns.strings import Strings
from engine.identity.digests import UNKNOWN
from engine.model.definitions import Identifier

__all__ = ["CountOwned", "KindColumn", "Replay", "several_reason"]

# How many identifiers of one kind (index in the columns) each of the rows owns, int64.
CountOwned = Callable[[int, NDArray[np.uint32]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class KindColumn:
    """The identifiers of one kind in a batch of n updates.

    `usable` bool (n,): there is one, and it may identify. `digests` uint64 (n, 2) and
    `found` uint32 (n,), the owner's row or UNKNOWN, have meaning where usable.
    """

    identifier: Identifier
    values: Strings
    usable: NDArray[np.bool_]
    digests: NDArray[np.uint64]
    found: NDArray[np.uint32]

    def describe(self, at: int) -> str:
        """The identifier of one update as a person would write it: `kind:value`."""
        return f"{self.identifier.kind}:{self.values[at]}"


def several_reason(identifiers: Sequence[str]) -> str:
    """Why an update that leads to several profiles is refused."""
    return (
        f"{' and '.join(identifiers)} belong to different profiles, "
        "and merging profiles is not built yet"
    )


class Replay:
    """Owners of the identifiers of tangled updates, as they come about.

    A profile is known by its token: its row, or the complement of a number counted up from
    `first_token`. `creating` lists the updates that made new profiles, in token order;
    `linked`, for each column, the updates that gave their identifier its owner.
    """

    def __init__(
        self, columns: Sequence[KindColumn], owned: CountOwned, *, first_token: int
    ) -> None:
        self.creating: list[int] = []
        self.linked: list[list[int]] = [[] for _ in columns]
        self._columns = columns
        self._owned = owned
        self._first_token = first_token
        self._owners: dict[int, int] = {}
        self._counts: dict[tuple[int, int], int] = {}

    def apply(self, at: int, numbers: Sequence[int]) -> int | str:
        """The token of one update's profile, or why it is refused, which changes nothing.

        `numbers` has, for each column, the number of the identifier if it is a new one, or -1.
        """
        owners = [self._owner(kind, at, number) for kind, number in enumerate(numbers)]
        tokens = {owner for owner in owners if owner is not None}
        if len(tokens) > 1:
            known = [k for k, owner in enumerate(owners) if owner is not None]
            return several_reason([self._columns[k].describe(at) for k in known])
        joining = [k for k, number in enumerate(numbers) if number >= 0 and owners[k] is None]
        token = tokens.pop() if tokens else ~(self._first_token + len(self.creating))
        for kind in joining:
            reason = self._too_many(kind, at, token)
            if reason is not None:
                return reason
        if not any(owner is not None for owner in owners):
            self.creating.append(at)
        for kind in joining:
            self._owners[numbers[kind]] = token
            self._counts[kind, token] = self._count(kind, token) + 1
            self.linked[kind].append(at)
        return token

    def _owner(self, kind: int, at: int, number: int) -> int | None:
        if number >= 0:
            return self._owners.get(number)
        column = self._columns[kind]
        if not column.usable[at] or column.found[at] == UNKNOWN:
            return None
        return int(column.found[at])

    def _count(self, kind: int, token: int) -> int:
        count = self._counts.get((kind, token))
        if count is not None:
            return count
        return int(self._owned(kind, np.array([token], np.uint32))[0]) if token >= 0 else 0

    def _too_many(self, kind: int, at: int, token: int) -> str | None:
        identifier = self._columns[kind].identifier
        limit = identifier.per_profile
        if limit is None or self._count(kind, token) < limit:
            return None
        return (
            f"{self._columns[kind].describe(at)} would be one {identifier.kind} too many: "
            f"its profile has {self._count(kind, token)}, and may have {limit}"
        )
