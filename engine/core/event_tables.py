"""What aggregates take from a state of the store beside events: days, and the order of strings."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from engine.core.day_turns import day_stretches
from engine.core.operations import EventColumn
from engine.rules.calendar import local_day
from engine.store.snapshot import Snapshot

__all__ = ["days_of", "ranks"]

# Orders of strings that are kept: as many dictionaries are compared by order in a deployment.
_ORDERS_KEPT = 64
_orders: OrderedDict[tuple[int, int], NDArray[np.uint32]] = OrderedDict()
_guard = Lock()


def days_of(column: EventColumn, snapshot: Snapshot) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The stretches of one calendar day each between the first and the last event in the window of
    a column: where they begin, and where the last ends, int64 microseconds; and 1 for those that
    show the day of the stretch two before again, uint8. Empty where there is no event."""
    assert column.zone is not None, "days are counted in a time zone"
    zones = (
        snapshot.zone(source.field, block)
        for source in column.sources
        for block in range(snapshot.block_count)
    )
    there = [zone for zone in zones if zone is not None and zone.present_count]
    first_us = min((int(zone.minimum or 0) for zone in there), default=0)
    last_us = max((int(zone.maximum or 0) for zone in there), default=0)
    first_us, last_us = max(first_us, column.from_us), min(last_us, column.to_us - 1)
    if not there or first_us > last_us:
        return np.zeros(0, np.int64), np.zeros(0, np.uint8)
    first, last = (local_day(instant_us, column.zone) for instant_us in (first_us, last_us))
    starts, repeated = day_stretches(first, last, column.zone)
    count = int(np.searchsorted(starts[:-1], last_us, side="right"))
    return starts[: count + 1], repeated[:count].astype(np.uint8)


def ranks(snapshot: Snapshot, field_id: int) -> NDArray[np.uint32]:
    """The place of the string of each code among all of a dictionary, by code point: uint32, by
    code, 0 for code 0."""
    dictionary = snapshot.dictionary(field_id)
    # A table only grows: the order of so many values of one stays what it was. The uid of the store
    # would not do: a copy of it, opened in the same process, may have gone another way.
    key = dictionary.table_number, len(dictionary)
    with _guard:
        known = _orders.get(key)
        if known is not None:
            _orders.move_to_end(key)
            return known
    strings = dictionary.strings.to_list()
    order = sorted(range(len(strings)), key=lambda at: strings[at] or "")
    places = np.zeros(len(strings) + 1, np.uint32)
    places[np.array(order, np.int64) + 1] = np.arange(1, len(strings) + 1, dtype=np.uint32)
    with _guard:
        _orders[key] = places
        while len(_orders) > _ORDERS_KEPT:
            _orders.popitem(last=False)
    return places
