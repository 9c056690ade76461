"""The members of an audience: rows chosen once, handed out in any of several forms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.bitmaps.portable import portable
from engine.columns.column import rows_per_part
from engine.columns.strings import Strings
from engine.columns.uid_rows import uids_of_rows
from engine.columns.uids import UID_BYTES
from engine.errors import NotFound
from engine.listing.batches import Batch, batches_of_masks, batches_of_rows
from engine.listing.choosing import choose_at_random, choose_in_order
from engine.listing.columns import owned_identifiers
from engine.listing.frozen import ROW_EPOCH, Frozen
from engine.listing.picking import uids_of_mask
from engine.live.memberships import rows_of_masks
from engine.live.stored_values import AttributeValue
from engine.member_values import MemberValues
from engine.model.definitions import Model
from engine.nearest import nearest
from engine.store.catalog import UIDS, identifier_field
from engine.store.snapshot import Snapshot

__all__ = ["MemberTable", "Members"]


@dataclass(frozen=True, slots=True)
class MemberTable:
    """Some lines of a list: in each an identifier (`uids` is empty then) or a uid of 16 bytes
    (`identifiers` is None then), and beside it a value of each attribute asked for, None where
    missing."""

    identifiers: Strings | None
    uids: bytes
    columns: Sequence[Sequence[AttributeValue | None]]


class Members:
    """The profiles that an expression holds for, at one instant and data version; or those of a
    frozen audience that are still there.

    `masks` is uint64 of shape (blocks, 1024). `matched` counts all of them; those chosen of them
    are listed in row order, unless `choose` was given another. Every form below reads the
    snapshot that the members were found in, which stays open until `close`, or the end of a
    `with` block; nothing is held beyond masks, and 4 bytes a member where there is an order.

    `values` reads what no column of the store has. `frozen` is the audience that they come from,
    and `gone` how many of it (of its page, if one was asked for) are no profiles any more.
    """

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        model: Model,
        values: MemberValues,
        expression: str,
        as_of_us: int,
        masks: NDArray[np.uint64],
        waiting: int = 0,
        read_as_of_today: tuple[str, ...] = (),
        notes: tuple[str, ...] = (),
        frozen: Frozen | None = None,
        gone: int = 0,
    ) -> None:
        self.expression = expression
        self.as_of_us = as_of_us
        self.waiting = waiting
        self.read_as_of_today = read_as_of_today
        self.notes = notes
        self.frozen = frozen
        self.gone = gone
        self.data_version = snapshot.data_version
        self.row_epoch = ROW_EPOCH
        self.matched = self.count = int(np.bitwise_count(masks).sum())
        self._snapshot = snapshot
        self._model = model
        self._values = values
        self._masks = masks
        # The rows in their order, where that is not their own.
        self._ordered: NDArray[np.uint32] | None = None

    def close(self) -> None:
        """Let go of the snapshot; harmless when done before."""
        self._snapshot.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def rows(self) -> NDArray[np.uint32]:
        """Row numbers in the order listed."""
        return rows_of_masks(self._masks) if self._ordered is None else self._ordered

    @property
    def masks(self) -> NDArray[np.uint64]:
        """The rows as masks, uint64 (blocks, 1024), without their order."""
        if self._ordered is None:
            return self._masks
        masks = np.zeros_like(self._masks)
        bits = np.zeros(masks.size * 64, np.bool_)
        bits[self._ordered] = True
        return np.packbits(bits, bitorder="little").view(np.uint64).reshape(masks.shape)

    def choose(
        self,
        limit: int | None,
        *,
        salt: str = "",
        order_by: str | None = None,
        descending: bool = False,
    ) -> None:
        """Keep `limit` of them, all where it is None.

        `order_by` an attribute or another value that has an order (`score('lead')`): the first
        in its order, those without a value last, equal values by row. Otherwise a random choice
        that is the same for the same salt and stays nearly the same while the audience changes:
        the smallest hashes of the uids, listed in row order.
        """
        if order_by is not None:
            ordered = self._values.in_order(self._masks, limit, order_by, descending=descending)
            if ordered is None:
                ordered = choose_in_order(
                    self._snapshot, self._model, self._masks, limit, order_by, descending=descending
                )
            self._ordered, self.count = ordered, len(ordered)
            today = (*self.read_as_of_today, *self._values.read_today((), order_by))
            self.read_as_of_today = tuple(dict.fromkeys(today))
        elif limit is not None and limit < self.matched:
            self._masks = choose_at_random(self._snapshot, self._masks, limit, salt)
            self.count = limit

    # ------------------------------------------------------------------------- forms

    def roaring(self) -> bytes:
        """Row numbers as one bitmap in the portable roaring format."""
        return portable((block, mask) for block, mask in enumerate(self.masks) if mask.any())

    def uids(self) -> Iterator[bytes]:
        """Uids in listed order, 16 bytes each, joined; chunks of at most a block."""
        table = self._snapshot.addresses(self._snapshot.fields[UIDS.name].id)
        if self._ordered is not None:
            size = rows_per_part(UID_BYTES)
            for start in range(0, len(self._ordered), size):
                yield uids_of_rows(table, self._ordered[start : start + size], size)
            return
        for block in np.flatnonzero(self._masks.any(axis=1)).tolist():
            yield uids_of_mask(table, block, self._masks[block])

    def identifiers(self, kind: str) -> Iterator[list[str]]:
        """As `identifier_batches`, in lists."""
        for strings in self.identifier_batches(kind):
            yield [value for value in strings.to_list() if value is not None]

    def identifier_batches(self, kind: str) -> Iterator[Strings]:
        """All identifiers of a kind that the profiles own, in listed order, in chunks.

        A profile without one is left out, one with several is there several times. Raises
        NotFound for a kind that the model does not declare.
        """
        field = self._identifier_field(kind)
        return (owned_identifiers(self._snapshot, field, batch)[0] for batch in self._batches())

    def table(self, kind: str | None, attributes: Sequence[str]) -> Iterator[MemberTable]:
        """Identifiers of a kind (as `identifiers`), or uids where it is None, each with the values
        of some attributes of its profile, in chunks. Raises NotFound."""
        for name in attributes:
            if name not in self._model.attributes:
                raise NotFound(
                    f"There is no attribute {name}.{_hint(name, self._model.attributes)}"
                )
        field = None if kind is None else self._identifier_field(kind)
        return (self._read_table(batch, field, attributes) for batch in self._batches())

    def read_today_with(self, attributes: Sequence[str]) -> tuple[str, ...]:
        """What is read as it is today although another instant was asked for, in a table with
        these attributes, all of them the model's."""
        listed = self._values.read_today(attributes)
        return tuple(dict.fromkeys((*self.read_as_of_today, *listed)))

    def _read_table(
        self, batch: Batch, kind_field: int | None, attributes: Sequence[str]
    ) -> MemberTable:
        snapshot = self._snapshot
        columns = [self._values.cells(self._model.attributes[n], batch) for n in attributes]
        if kind_field is None:
            table = snapshot.addresses(snapshot.fields[UIDS.name].id)
            uids = uids_of_rows(table, batch.rows(), rows_per_part(UID_BYTES))
            return MemberTable(None, uids, columns)
        identifiers, places = owned_identifiers(snapshot, kind_field, batch)
        if not np.array_equal(places, np.arange(batch.row_count)):
            at = places.tolist()
            columns = [[column[place] for place in at] for column in columns]
        return MemberTable(identifiers, b"", columns)

    def _batches(self) -> Iterator[Batch]:
        if self._ordered is not None:
            return batches_of_rows(self._ordered)
        return batches_of_masks(self._masks)

    def _identifier_field(self, kind: str) -> int:
        if kind not in self._model.identifiers:
            hint = _hint(kind, self._model.identifiers)
            raise NotFound(f"There is no kind of identifier {kind}.{hint}")
        return self._snapshot.fields[identifier_field(kind)].id


def _hint(name: str, known: Iterable[str]) -> str:
    close = nearest(name, known)
    return f" Did you mean {close}?" if close else ""
