"""What the events of a batch may be; see engine.live.validate.

An event that cannot be kept refuses the update that brings it, with all that the update says
beside: half an update is nobody's wish.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from engine.columns.coded import CodedStrings
from engine.errors import InputInvalid
from engine.limits import EVENT_ID_BYTES, EVENT_TEXT_BYTES, EVENTS_AHEAD_US, TIME_US
from engine.live.batch import EventRows, Texts
from engine.live.cell_checks import Refusals, check_column, check_strings, need_length
from engine.model.definitions import EventType, Model
from engine.nearest import nearest
from engine.rules.retention import kept_from_us

__all__ = ["check_events"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_events(
    events: Sequence[EventRows], count: int, model: Model, now_us: int, refused: Refusals
) -> None:
    """Refuses updates of a batch of `count` by their events. `now_us` is the clock.

    Raises InputInvalid where the events do not fit the model or the batch.
    """
    seen: set[str] = set()
    for rows in events:
        if rows.event in seen:
            raise InputInvalid(f"the batch brings events of the type {rows.event} twice")
        seen.add(rows.event)
        declared = _declared(model, rows.event)
        _check_shape(rows, count)
        of_events = Refusals()
        _check_times(rows, now_us, of_events)
        _check_age(rows, declared, now_us, model.time_zone, of_events)
        _check_ids(rows, of_events)
        _check_properties(rows, declared, of_events)
        for at, reason in of_events.reasons.items():
            refused.reasons.setdefault(int(rows.at[at]), reason)


def _declared(model: Model, name: str) -> EventType:
    declared = model.events.get(name)
    if declared is None:
        close = nearest(name, model.events)
        hint = f"; did you mean {close}?" if close else ""
        raise InputInvalid(f"the model has no event {name}{hint}")
    return declared


def _check_shape(rows: EventRows, count: int) -> None:
    at, size = rows.at, len(rows.at)
    if size and (at[0] < 0 or at[-1] >= count or (at[1:] <= at[:-1]).any()):
        raise InputInvalid(f"the events {rows.event} do not say in order whose they are")
    need_length(len(rows.times), size, f"the time of {rows.event}")
    need_length(len(rows.timed), size, f"the time of {rows.event}")
    if rows.ids is not None:
        need_length(len(rows.ids), size, f"the id of {rows.event}")
    if rows.gone is not None:
        need_length(len(rows.gone), size, f"{rows.event}, taken away,")


def _happening(rows: EventRows) -> NDArray[np.bool_]:
    """Which events are not taken away."""
    return np.ones(len(rows.at), np.bool_) if rows.gone is None else ~rows.gone


def _check_times(rows: EventRows, now_us: int, refused: Refusals) -> None:
    name, times = rows.event, rows.times
    happening = _happening(rows)
    refused.add(np.flatnonzero(happening & ~rows.timed), f"{name} has no time")
    timed = happening & rows.timed
    outside = timed & ((times < TIME_US[0]) | (times > TIME_US[1]))
    refused.add(np.flatnonzero(outside), f"the time of {name} is outside the years 1 to 9999")
    ahead = timed & ~outside & (times > now_us + EVENTS_AHEAD_US)
    for at in np.flatnonzero(ahead).tolist():
        moment = (_EPOCH + timedelta(microseconds=int(times[at]))).isoformat()
        told = f"the time of {name}, {moment}, is more than a day ahead of the clock"
        refused.reasons.setdefault(at, told)


def _check_age(
    rows: EventRows, declared: EventType, now_us: int, zone: ZoneInfo, refused: Refusals
) -> None:
    """Refuses events that would be dropped as soon as they came."""
    border_us = kept_from_us(declared, now_us, zone)
    old = _happening(rows) & rows.timed & (rows.times < border_us)
    if not old.any():
        return
    border = (_EPOCH + timedelta(microseconds=border_us)).astimezone(zone)
    for at in np.flatnonzero(old).tolist():
        time_us = int(rows.times[at])
        if time_us >= TIME_US[0]:
            moment = (_EPOCH + timedelta(microseconds=time_us)).isoformat()
            told = (
                f"the time of {rows.event}, {moment}, is before {border.isoformat()}, "
                "and what is older has been dropped by its retention"
            )
            refused.reasons.setdefault(at, told)


def _check_ids(rows: EventRows, refused: Refusals) -> None:
    if rows.ids is not None:
        check_strings(f"the id of {rows.event}", rows.ids, EVENT_ID_BYTES, refused)
    if rows.gone is not None:
        known = np.zeros(len(rows.at), np.bool_) if rows.ids is None else rows.ids.lengths() > 0
        nameless = np.flatnonzero(rows.gone & ~known)
        refused.add(nameless, f"{rows.event} is taken away by its id, and has none")


def _check_properties(rows: EventRows, declared: EventType, refused: Refusals) -> None:
    count = len(rows.at)
    sizes = np.zeros(count, np.int64)
    for name, column in rows.properties.items():
        found = declared.properties.get(name)
        if found is None:
            close = nearest(name, declared.properties)
            hint = f"; did you mean {close}?" if close else ""
            raise InputInvalid(f"the event {rows.event} has no property {name}{hint}")
        label = f"{rows.event}.{name}"
        if column.unset is not None:
            raise InputInvalid(f"{label} is unset; a property that an event lacks is missing")
        check_column("property", label, found.type, column, count, refused)
        if found.type == "text" and isinstance(column, Texts):
            texts = column.values
            sizes += (texts.plain() if isinstance(texts, CodedStrings) else texts).lengths()
    too_long = f"the texts of {rows.event} are together longer than {EVENT_TEXT_BYTES:,} bytes"
    refused.add(np.flatnonzero(sizes > EVENT_TEXT_BYTES), too_long)
