"""The bytes of a log record of profile updates.

All little-endian. Every array begins at a multiple of 8 and is filled up with zeros to one.

    head       uint32 version (1; 2 with sections of events), uint32 number of sections,
               uint64 first new row,
               uint64 new rows, uint64 size of the record in bytes
               uint8 uids[16 * new rows], uint64 digests of uids[2 * new rows]

    section    uint16 kind (1 identifiers, 2 vector, 3 text, 4 set, 5 events; sections ascend by
               kind, and a field has one section at most)
               uint16 form of the values of a vector (1 int64, 2 float64, 3 bool, 4 codes; else 0)
               uint32 field, uint32 giver field (sets, else 0)
               uint32 flags (1: event times follow the rows, of vectors and texts; 2: ids, 4: gone,
               of events)
               uint64 m cells, links, mentions or events, uint64 size of the last array in
               elements, of events the number of properties

    identifiers  uint32 rows[m], uint64 digests[2m], uint32 lengths[m], uint8 text[size]
    vector       uint32 rows[m], int64 times[m] (if flagged), uint8 present[m], then values[m]:
                 int64, float64, uint8 or uint32; size is m
    text         uint32 rows[m], int64 times[m] (if flagged), uint32 lengths[m] (0xFFFFFFFF:
                 missing, which erases), uint8 text[size]
    set          uint32 rows[m], uint32 givers[m], uint8 modes[m], uint32 sizes[m],
                 uint32 values[size]
    events       uint32 rows[m], int64 times[m], uint64 ids[m] (if flagged, 0 for none),
                 uint8 gone[m] (if flagged), then properties, ascending by number:
    property     uint32 number, uint32 kind (1 ints, 2 floats, 3 codes, 5 texts, as in chunks),
                 uint64 size of the text (else 0)
                 ints, floats: uint8 present[m], int64 or float64 values[m] (0 where missing)
                 codes: uint32 codes[m] (0: missing)
                 texts: uint32 lengths[m] (0xFFFFFFFF: missing), uint8 text[size]

Rows are of the store as it is once the record is applied. Codes count from 1; the code of a
cell that erases means nothing. What `unpack_update` accepts can be applied: it looks at every
element of what it has not the form to guarantee.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engine.bitmaps import Buffer
from engine.columns.splitting import MAX_STRING_BYTES
from engine.columns.strings import Strings
from engine.columns.uids import UID_BYTES
from engine.events import head as chunks
from engine.events.events import Codes, Floats, Ints, Property, Texts
from engine.limits import EVENT_PROPERTIES, EVENT_TEXT_BYTES, TIME_US
from engine.live.cell_checks import not_utf8
from engine.live.update import (
    NO_TIME,
    REMOVE,
    EventCells,
    LinkedIdentifiers,
    ProfileUpdate,
    SetCells,
    TextCells,
    VectorCells,
)

__all__ = ["pack_update", "unpack_update"]

# Without events a record is what it was before there were any.
_VERSION, _WITH_EVENTS = 1, 2
_HEAD = struct.Struct("<IIQQQ")
_SECTION = struct.Struct("<HHIIIQQ")
_PROPERTY = struct.Struct("<IIQ")
assert _HEAD.size % 8 == _SECTION.size % 8 == _PROPERTY.size % 8 == 0

_IDENTIFIERS, _VECTOR, _TEXT, _SET, _EVENTS = 1, 2, 3, 4, 5
_TIMES: Final = 1
_IDS, _GONE = 2, 4
# The flags that sections of a kind may have.
_FLAGS = {_VECTOR: _TIMES, _TEXT: _TIMES, _EVENTS: _IDS | _GONE}
_MISSING: Final = 0xFFFF_FFFF
# The form of a vector's values by their dtype, and back.
_FORMS = {"int64": 1, "float64": 2, "bool": 3, "uint32": 4}
_DTYPES = {form: np.dtype(name) for name, form in _FORMS.items()}


def pack_update(update: ProfileUpdate) -> bytes:
    """The bytes of an update."""
    sections = [
        *(_pack_identifiers(links) for links in update.identifiers),
        *(_pack_vector(cells) for cells in update.vectors),
        *(_pack_texts(cells) for cells in update.texts),
        *(_pack_set(cells) for cells in update.sets),
        *(_pack_events(cells) for cells in update.events),
    ]
    version = _WITH_EVENTS if update.events else _VERSION
    body = b"".join((_array(update.uids, "u1"), _array(update.uid_digests, "<u8"), *sections))
    size = _HEAD.size + len(body)
    head = _HEAD.pack(version, len(sections), update.first_new, len(update.uids), size)
    return head + body


def _array(values: NDArray[Any], dtype: str) -> bytes:
    content = np.ascontiguousarray(values, dtype).tobytes()
    return content + bytes(-len(content) % 8)


def _pack_identifiers(links: LinkedIdentifiers) -> bytes:
    values = links.values.compact()
    return b"".join(
        (
            _SECTION.pack(_IDENTIFIERS, 0, links.field_id, 0, 0, len(links.rows), len(values.data)),
            _array(links.rows, "<u4"),
            _array(links.digests, "<u8"),
            _array(values.lengths(), "<u4"),
            _array(values.data, "u1"),
        )
    )


def _pack_vector(cells: VectorCells) -> bytes:
    form = _FORMS[cells.values.dtype.name]
    count = len(cells.rows)
    return b"".join(
        (
            _SECTION.pack(_VECTOR, form, cells.field_id, 0, _flags(cells.times), count, count),
            _array(cells.rows, "<u4"),
            _packed_times(cells.times),
            _array(cells.present, "u1"),
            _array(cells.values, cells.values.dtype.newbyteorder("<").str),
        )
    )


def _pack_texts(cells: TextCells) -> bytes:
    values = cells.values.compact()
    lengths = np.where(values.valid, values.lengths(), _MISSING)
    return b"".join(
        (
            _SECTION.pack(
                _TEXT,
                *(0, cells.field_id, 0, _flags(cells.times)),
                *(len(cells.rows), len(values.data)),
            ),
            _array(cells.rows, "<u4"),
            _packed_times(cells.times),
            _array(lengths, "<u4"),
            _array(values.data, "u1"),
        )
    )


def _pack_set(cells: SetCells) -> bytes:
    return b"".join(
        (
            _SECTION.pack(
                _SET,
                *(0, cells.field_id, cells.giver_field_id, 0),
                *(len(cells.rows), len(cells.values)),
            ),
            _array(cells.rows, "<u4"),
            _array(cells.givers, "<u4"),
            _array(cells.modes, "u1"),
            _array(np.diff(cells.offsets), "<u4"),
            _array(cells.values, "<u4"),
        )
    )


def _pack_events(cells: EventCells) -> bytes:
    count = len(cells.rows)
    flags = _IDS * (cells.ids is not None) | _GONE * (cells.gone is not None)
    properties = sorted(cells.properties.items())
    return b"".join(
        (
            _SECTION.pack(_EVENTS, 0, cells.field_id, 0, flags, count, len(properties)),
            _array(cells.rows, "<u4"),
            _array(cells.times, "<i8"),
            b"" if cells.ids is None else _array(cells.ids, "<u8"),
            b"" if cells.gone is None else _array(cells.gone, "u1"),
            *(_pack_property(number, values) for number, values in properties),
        )
    )


def _pack_property(number: int, values: Property) -> bytes:
    if isinstance(values, Codes):
        return _PROPERTY.pack(number, chunks.CODES, 0) + _array(values.codes, "<u4")
    if isinstance(values, Texts):
        texts = values.strings.compact()
        lengths = np.where(texts.valid, texts.lengths(), _MISSING)
        head = _PROPERTY.pack(number, chunks.TEXTS, len(texts.data))
        return head + _array(lengths, "<u4") + _array(texts.data, "u1")
    kind, dtype = (chunks.INTS, "<i8") if isinstance(values, Ints) else (chunks.FLOATS, "<f8")
    head = _PROPERTY.pack(number, kind, 0)
    return head + _array(values.present, "u1") + _array(values.values, dtype)


def _flags(times: NDArray[np.int64] | None) -> int:
    return 0 if times is None else _TIMES


def _packed_times(times: NDArray[np.int64] | None) -> bytes:
    return b"" if times is None else _array(times, "<i8")


# ----------------------------------------------------------------------------- reading


def unpack_update(buffer: Buffer) -> ProfileUpdate:
    """The update of a record; its arrays are views of the buffer where that is aligned to 8.

    Raises ValueError for bytes that are not a whole record.
    """
    return _Reader(buffer).update()


def _need(condition: bool, fault: str) -> None:
    if not condition:
        raise ValueError(f"not a log record of updates: {fault}")


class _Reader:
    """A cursor over foreign bytes that reads each element of the record once."""

    def __init__(self, buffer: Buffer) -> None:
        data = np.frombuffer(buffer, np.uint8)
        if data.ctypes.data % 8:
            # Compiled readers of the arrays need them where their type may stand.
            data = np.frombuffer(data.tobytes(), np.uint8)
        self._data = data
        self._at = 0
        self._row_count = 0

    def update(self) -> ProfileUpdate:
        """The whole record."""
        _need(len(self._data) >= _HEAD.size, "it is too short")
        version, sections, first_new, created, size = self._fields(_HEAD)
        _need(version in (_VERSION, _WITH_EVENTS), f"its version is {version}")
        _need(size == len(self._data), "it has another size than it states")
        self._row_count = first_new + created
        _need(self._row_count < 1 << 32, "it has more rows than there can be")
        uids = self._take(np.uint8, UID_BYTES * created).reshape(-1, UID_BYTES)
        digests = self._take(np.uint64, 2 * created).reshape(-1, 2)
        identifiers: list[LinkedIdentifiers] = []
        vectors: list[VectorCells] = []
        texts: list[TextCells] = []
        sets: list[SetCells] = []
        events: list[EventCells] = []
        last_kind, fields = 0, set()
        for _ in range(sections):
            kind, form, field, giver_field, flags, count, inner = self._fields(_SECTION)
            _need(kind >= last_kind, "its sections are out of order")
            _need(field not in fields, "it has a field twice")
            _need(not flags & ~_FLAGS.get(kind, 0), "unknown flags")
            _need(bool(giver_field) == (kind == _SET), "a giver field at the wrong place")
            _need(bool(form) == (kind == _VECTOR), "a form at the wrong place")
            if kind == _IDENTIFIERS:
                identifiers.append(self._identifiers(field, count, inner))
            elif kind == _VECTOR:
                vectors.append(self._vector(field, form, flags, count, inner))
            elif kind == _TEXT:
                texts.append(self._texts(field, flags, count, inner))
            elif kind == _SET:
                sets.append(self._set(field, giver_field, count, inner))
            elif kind == _EVENTS:
                events.append(self._events(field, flags, count, inner))
            else:
                _need(False, f"it has a section of kind {kind}")
            last_kind = kind
            fields.add(field)
        _need(self._at == len(self._data), "bytes follow its last section")
        _need(bool(events) == (version == _WITH_EVENTS), "its version is not that of its sections")
        return ProfileUpdate(
            first_new,
            uids,
            digests,
            tuple(identifiers),
            tuple(vectors),
            tuple(texts),
            tuple(sets),
            tuple(events),
        )

    def _identifiers(self, field: int, count: int, size: int) -> LinkedIdentifiers:
        rows = self._rows(count)
        digests = self._take(np.uint64, 2 * count).reshape(-1, 2)
        values = self._strings(count, size)
        _need(bool(values.valid.all()), "an identifier is missing")
        return LinkedIdentifiers(field, rows, values, digests)

    def _vector(self, field: int, form: int, flags: int, count: int, size: int) -> VectorCells:
        _need(form in _DTYPES and size == count, "a vector of no known form")
        rows = self._rows(count)
        times = self._times(flags, count)
        present = self._bools(count)
        is_bool = form == _FORMS["bool"]
        values = self._bools(count) if is_bool else self._take(_DTYPES[form], count)
        if form == _FORMS["float64"]:
            _need(bool(np.isfinite(values[present]).all()), "a float is not a finite number")
        elif form == _FORMS["uint32"]:
            _need(bool(values[present].all()), "a code is 0")
        return VectorCells(field, rows, values, present, times)

    def _texts(self, field: int, flags: int, count: int, size: int) -> TextCells:
        rows = self._rows(count)
        times = self._times(flags, count)
        return TextCells(field, rows, self._strings(count, size), times)

    def _set(self, field: int, giver_field: int, count: int, size: int) -> SetCells:
        rows = self._rows(count)
        givers = self._take(np.uint32, count)
        modes = self._take(np.uint8, count)
        offsets = _offsets(self._take(np.uint32, count))
        values = self._take(np.uint32, size)
        _need(bool(givers.all()) and bool(values.all()), "a code is 0")
        _need(bool((modes <= REMOVE).all()), "a mention of no known mode")
        _need(int(offsets[-1]) == size, "mentions do not cover their values")
        return SetCells(field, giver_field, rows, givers, offsets, values, modes)

    def _events(self, field: int, flags: int, count: int, property_count: int) -> EventCells:
        _need(property_count <= EVENT_PROPERTIES, "more properties than an event can have")
        rows = self._rows(count)
        times = self._take(np.int64, count)
        ids = self._take(np.uint64, count) if flags & _IDS else None
        gone = self._bools(count) if flags & _GONE else None
        if gone is not None:
            _need(ids is not None and bool(ids[gone].all()), "an event without an id is taken away")
        kept = times if gone is None else times[~gone]
        inside = bool(((kept >= TIME_US[0]) & (kept <= TIME_US[1])).all())
        _need(inside, "a time is outside the years 1 to 9999")
        properties: dict[int, Property] = {}
        last, text_bytes = 0, np.zeros(count, np.int64)
        for _ in range(property_count):
            number, kind, size = self._fields(_PROPERTY)
            _need(number > last, "properties are out of order")
            properties[number] = values = self._property(kind, count, size)
            if isinstance(values, Texts):
                text_bytes += values.strings.lengths()
            last = number
        _need(bool((text_bytes <= EVENT_TEXT_BYTES).all()), "an event has too long texts")
        return EventCells(field, rows, times, ids, properties, gone)

    def _property(self, kind: int, count: int, size: int) -> Property:
        if kind == chunks.TEXTS:
            return Texts(self._strings(count, size))
        _need(kind in (chunks.INTS, chunks.FLOATS, chunks.CODES) and not size, "no known property")
        if kind == chunks.CODES:
            return Codes(self._take(np.uint32, count))
        present = self._bools(count)
        values = self._take(np.int64 if kind == chunks.INTS else np.float64, count)
        _need(not values[~present].any(), "a missing property has a value")
        if kind == chunks.INTS:
            return Ints(values, present)
        _need(bool(np.isfinite(values).all()), "a float is not a finite number")
        return Floats(values, present)

    # ------------------------------------------------------------------------- arrays

    def _fields(self, form: struct.Struct) -> tuple[int, ...]:
        _need(form.size <= len(self._data) - self._at, "it ends too early")
        self._at += form.size
        return form.unpack_from(self._data.data, self._at - form.size)

    def _take(self, dtype: DTypeLike, count: int) -> NDArray[Any]:
        start, size = self._at, np.dtype(dtype).itemsize * count
        end = start + size + -size % 8
        _need(end <= len(self._data), "it ends too early")
        _need(not self._data[start + size : end].any(), "it has bytes where it must have none")
        self._at = end
        return self._data[start : start + size].view(dtype)

    def _rows(self, count: int) -> NDArray[np.uint32]:
        rows = self._take(np.uint32, count)
        _need(not count or int(rows.max()) < self._row_count, "it names a row that is none")
        return rows

    def _bools(self, count: int) -> NDArray[np.bool_]:
        stored = self._take(np.uint8, count)
        _need(bool((stored <= 1).all()), "a bool is neither true nor false")
        return stored.view(np.bool_)

    def _times(self, flags: int, count: int) -> NDArray[np.int64] | None:
        if not flags & _TIMES:
            return None
        times = self._take(np.int64, count)
        known = times[times != NO_TIME]
        inside = bool(((known >= TIME_US[0]) & (known <= TIME_US[1])).all())
        _need(inside, "a time is outside the years 1 to 9999")
        return times

    def _strings(self, count: int, size: int) -> Strings:
        lengths = self._take(np.uint32, count)
        valid = lengths != _MISSING
        offsets = _offsets(np.where(valid, lengths, np.uint32(0)))
        data = self._take(np.uint8, size)
        _need(int(offsets[-1]) == size, "strings do not cover their bytes")
        _need(not valid.any() or int(lengths[valid].max()) <= MAX_STRING_BYTES, "a long string")
        strings = Strings(offsets, data, valid)
        _need(not len(not_utf8(strings)), "a string is not UTF-8")
        return strings


def _offsets(lengths: NDArray[np.uint32]) -> NDArray[np.int64]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets
