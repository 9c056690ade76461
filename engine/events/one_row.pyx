# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The events of one row of a block, read in place from its chunks; one_row.h finds them, and chains
where there are some."""

from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from engine.events.chains cimport STRATA_CHAIN_END, Chains
from engine.events.chunks cimport (
    STRATA_CHUNK_EVENTS,
    STRATA_EVENT_FLOATS,
    STRATA_EVENT_ID,
    STRATA_EVENT_PROPERTY,
    STRATA_EVENT_TEXTS,
    strata_chunk,
    strata_event_column,
    strata_event_text,
    strata_find_event_column,
)

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "engine/events/one_row.h" nogil:
    uint32_t strata_next_of_row(
        const strata_chunk *chunk, uint16_t row, uint32_t event
    ) noexcept
    const strata_event_column *strata_time_column(const strata_chunk *chunk) noexcept
    int strata_event_has(
        const strata_chunk *chunk, const strata_event_column *column, uint32_t event
    ) noexcept
    int64_t strata_event_int(
        const strata_chunk *chunk, const strata_event_column *column, uint32_t event
    ) noexcept
    uint64_t strata_event_stored(
        const strata_chunk *chunk, const strata_event_column *column, uint32_t event
    ) noexcept

__all__ = ["events_of_row"]


cdef object value_of(
    const strata_chunk *chunk, const strata_event_column *column, uint32_t event
):
    """The value that an event has of a column, None where it has none."""
    cdef uint32_t length
    cdef const uint8_t *text
    cdef uint64_t bits
    cdef double number
    if column == NULL or not strata_event_has(chunk, column, event):
        return None
    if column.kind == STRATA_EVENT_TEXTS:
        text = strata_event_text(chunk, column, event, &length)
        return PyUnicode_DecodeUTF8(<const char *>text, length, NULL)
    if column.kind == STRATA_EVENT_FLOATS:
        bits = strata_event_stored(chunk, column, event)
        memcpy(&number, &bits, 8)
        return number
    return strata_event_int(chunk, column, event)


cdef tuple event_of(const strata_chunk *chunk, uint32_t event, tuple numbers):
    """Time, digest of the id and values of an event of a chunk."""
    cdef Py_ssize_t count = len(numbers), i
    cdef const strata_event_column *ids
    cdef uint64_t id_
    values = tuple([
        value_of(
            chunk,
            strata_find_event_column(chunk, STRATA_EVENT_PROPERTY, <uint32_t>numbers[i]),
            event,
        )
        for i in range(count)
    ])
    ids = strata_find_event_column(chunk, STRATA_EVENT_ID, 0)
    id_ = 0 if ids == NULL else strata_event_stored(chunk, ids, event)
    return strata_event_int(chunk, strata_time_column(chunk), event), id_, values


cdef list chained(Chains chains, Py_ssize_t covered, uint32_t row):
    """The events of a row in the first chunks, as chains have them: references in their order."""
    cdef list found = []
    cdef uint32_t reference = chains.chains.heads[row]
    while reference != STRATA_CHAIN_END:
        if reference // STRATA_CHUNK_EVENTS < covered:
            found.append(reference)
        reference = chains.chains.links[reference]
    found.reverse()
    return found


cdef list of_row(
    tuple addresses, uint32_t row, tuple numbers, tuple known, Py_ssize_t most
):
    """The events of a row in some chunks, at most one more than `most`; None where there is none.
    `known` has chains and of how many of the first chunks these say all, or is None."""
    cdef list found = None
    cdef Py_ssize_t covered = 0, i
    cdef const strata_chunk *chunk
    cdef uint32_t event
    if known is not None:
        covered = known[1]
        references = chained(<Chains>known[0], covered, row)
        if references:
            found = []
            if len(references) > most:
                del references[most + 1:]
            for event in references:
                address = addresses[event // STRATA_CHUNK_EVENTS]
                chunk = <const strata_chunk *><size_t>address
                found.append(event_of(chunk, event % STRATA_CHUNK_EVENTS, numbers))
    for i in range(covered, len(addresses)):
        chunk = <const strata_chunk *><size_t>addresses[i]
        # A microsecond or two: letting go of the lock would take as long.
        event = strata_next_of_row(chunk, <uint16_t>row, 0)
        while event < chunk.event_count:
            if found is None:
                found = []
            found.append(event_of(chunk, event, numbers))
            if len(found) > most:
                return found
            event = strata_next_of_row(chunk, <uint16_t>row, event + 1)
    return found


def events_of_row(
    list places not None, uint32_t row, tuple numbers not None, dict chains=None, most=None
):
    """The events of a row of a block, of n types: for each None, or a list of (time in
    microseconds, digest of its id or 0, the values of some properties, None where missing), chunk
    by chunk, and each in the order of its chunk.

    `places` are the addresses of the chunks of each type, which the caller keeps alive and has
    checked, `numbers` those of the properties. Values are int (unscaled, days, microseconds,
    codes), float or str. `chains` has for some types, by their place, chains and of how many of
    the first chunks they say all; other chunks are scanned. With `most`, None instead of lists
    where the row has more events than that.
    """
    cdef list found = [], events
    cdef Py_ssize_t i, left = PY_SSIZE_T_MAX - 1 if most is None else most
    assert row < 65536 and len(places) == len(numbers)
    for i in range(len(places)):
        known = None if chains is None else chains.get(i)
        events = of_row(<tuple>places[i], row, <tuple>numbers[i], <tuple>known, left)
        if events is not None:
            if len(events) > left:
                return None
            left -= len(events)
        found.append(events)
    return found
