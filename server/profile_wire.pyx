# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Profiles with what rules say of them as bytes of their messages: see wire_writer.h.

Numbers of fields are those of proto/strata/v1/profile.proto, explain.proto and value.proto. As in
any message, strings that are empty and numbers that are 0 are left out where the contract does not
mark them optional.
"""

from datetime import date, datetime
from decimal import Decimal

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from engine.live.profile_event cimport ProfileEvent

from engine.model.definitions import TAG
from server.convert import EPOCH, MICROSECOND

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef extern from "server/wire_writer.h" nogil:
    ctypedef struct strata_wire:
        uint8_t *bytes
        size_t size
        size_t room
        int failed

    void strata_wire_number(strata_wire *wire, unsigned field, uint64_t number) noexcept
    void strata_wire_zigzag(strata_wire *wire, unsigned field, int64_t number) noexcept
    void strata_wire_double(strata_wire *wire, unsigned field, double number) noexcept
    void strata_wire_bytes(
        strata_wire *wire, unsigned field, const void *bytes, size_t count
    ) noexcept
    void strata_wire_thousandths(strata_wire *wire, unsigned field, int64_t number) noexcept
    size_t strata_wire_open(strata_wire *wire, unsigned field) noexcept
    void strata_wire_close(strata_wire *wire, size_t opened) noexcept

__all__ = ["batch_response", "profile", "profile_response"]

# As LedgerLine.Kind has them.
_KINDS = {"when": 1, "each": 2, "floor": 3, "ceiling": 4}

cdef str tag_name = TAG


def profile(card not None):
    """The message Profile of a ProfileCard."""
    cdef strata_wire wire
    memset(&wire, 0, sizeof(wire))
    try:
        write_profile(&wire, card)
        return written(&wire)
    finally:
        free(wire.bytes)


def profile_response(card not None):
    """The message GetProfileResponse of a ProfileCard, with its recent events."""
    cdef strata_wire wire
    cdef size_t opened
    memset(&wire, 0, sizeof(wire))
    try:
        opened = strata_wire_open(&wire, 1)
        write_profile(&wire, card)
        strata_wire_close(&wire, opened)
        for event in card.record.recent_events:
            opened = strata_wire_open(&wire, 2)
            write_event(&wire, event)
            strata_wire_close(&wire, opened)
        return written(&wire)
    finally:
        free(wire.bytes)


def batch_response(cards not None):
    """The message BatchGetProfilesResponse of ProfileCards, None where nobody was found."""
    cdef strata_wire wire
    cdef size_t one, opened
    memset(&wire, 0, sizeof(wire))
    try:
        for card in cards:
            one = strata_wire_open(&wire, 1)
            if card is not None:
                opened = strata_wire_open(&wire, 1)
                write_profile(&wire, card)
                strata_wire_close(&wire, opened)
            strata_wire_close(&wire, one)
        return written(&wire)
    finally:
        free(wire.bytes)


cdef bytes written(strata_wire *wire):
    if wire.failed:
        raise MemoryError
    return PyBytes_FromStringAndSize(<char *>wire.bytes, wire.size)


cdef int write_text(strata_wire *wire, unsigned field, text) except -1:
    """A string, unless it is empty."""
    cdef Py_ssize_t size = 0
    cdef const char *bytes_ = PyUnicode_AsUTF8AndSize(text, &size)
    if size:
        strata_wire_bytes(wire, field, bytes_, size)
    return 0


cdef int write_full_text(strata_wire *wire, unsigned field, text) except -1:
    """A string, also where it is empty."""
    cdef Py_ssize_t size = 0
    cdef const char *bytes_ = PyUnicode_AsUTF8AndSize(text, &size)
    strata_wire_bytes(wire, field, bytes_, size)
    return 0


cdef int write_two(strata_wire *wire, unsigned field, one, other) except -1:
    """A message of two strings."""
    cdef size_t opened = strata_wire_open(wire, field)
    write_text(wire, 1, one)
    write_text(wire, 2, other)
    strata_wire_close(wire, opened)
    return 0


cdef int write_profile(strata_wire *wire, card) except -1:
    record, said = card.record, card.card
    cdef bytes uid = record.uid
    cdef size_t opened
    strata_wire_bytes(wire, 1, <const char *>uid, len(uid))
    for kind, values in record.identifiers.items():
        for value in sorted(values):
            write_two(wire, 2, kind, value)
    for name, value in record.attributes.items():
        if name != tag_name:
            write_named(wire, 3, name, value)
    tags = record.tags
    if said.tags:
        tags = sorted({*tags, *said.tags})
    for tag in tags:
        write_full_text(wire, 4, tag)
    for name in record.segments:
        write_full_text(wire, 5, name)
    bands = said.bands
    for name, ledger in said.scores.items():
        opened = strata_wire_open(wire, 6)
        write_ledger(wire, ledger, bands.get(name, ""))
        strata_wire_close(wire, opened)
    for tier, name in said.tiers.items():
        write_two(wire, 7, tier, name)
    for about, reason in said.notes.items():
        write_two(wire, 8, about, reason)
    return 0


cdef int write_ledger(strata_wire *wire, ledger, band) except -1:
    cdef size_t opened
    write_text(wire, 1, ledger.score)
    strata_wire_thousandths(wire, 2, ledger.points)
    write_text(wire, 3, band)
    for line in <tuple>ledger.lines:
        opened = strata_wire_open(wire, 4)
        write_line(wire, line)
        strata_wire_close(wire, opened)
    return 0


cdef int write_line(strata_wire *wire, line) except -1:
    cdef size_t opened, moment
    cdef uint64_t left_out
    strata_wire_number(wire, 1, <int>_KINDS[line.kind])
    strata_wire_thousandths(wire, 2, line.points)
    if line.rule is not None:
        strata_wire_number(wire, 3, <uint64_t>line.rule)
    write_text(wire, 4, line.text)
    if line.uncapped is not None:
        strata_wire_thousandths(wire, 5, line.uncapped)
    for event in <tuple>line.events:
        opened = strata_wire_open(wire, 6)
        write_text(wire, 1, event.type)
        moment = strata_wire_open(wire, 2)
        write_instant(wire, event.time_us)
        strata_wire_close(wire, moment)
        moment = strata_wire_open(wire, 3)
        write_value(wire, event.value)
        strata_wire_close(wire, moment)
        if event.points is not None:
            strata_wire_thousandths(wire, 4, event.points)
        strata_wire_close(wire, opened)
    left_out = line.left_out
    if left_out:
        strata_wire_number(wire, 7, left_out)
    return 0


cdef int write_event(strata_wire *wire, ProfileEvent event) except -1:
    cdef size_t moment
    write_text(wire, 1, event.type)
    moment = strata_wire_open(wire, 2)
    write_instant(wire, event.time_us)
    strata_wire_close(wire, moment)
    for name, value in event.properties.items():
        write_named(wire, 3, name, value)
    return 0


cdef int write_named(strata_wire *wire, unsigned field, name, value) except -1:
    cdef size_t opened = strata_wire_open(wire, field), inner
    write_text(wire, 1, name)
    inner = strata_wire_open(wire, 2)
    write_value(wire, value)
    strata_wire_close(wire, inner)
    strata_wire_close(wire, opened)
    return 0


cdef int write_value(strata_wire *wire, value) except -1:
    """The fields of a Value: one, or none of None."""
    cdef size_t opened
    if value is None:
        return 0
    kind = type(value)
    if kind is str:
        write_full_text(wire, 1, value)
    elif kind is bool:
        strata_wire_number(wire, 5, 1 if value else 0)
    elif kind is int:
        strata_wire_zigzag(wire, 2, value)
    elif kind is float:
        strata_wire_double(wire, 4, value)
    elif kind is Decimal:
        write_full_text(wire, 3, format(value, "f"))
    elif isinstance(value, datetime):
        opened = strata_wire_open(wire, 7)
        write_instant(wire, (value - EPOCH) // MICROSECOND)
        strata_wire_close(wire, opened)
    elif isinstance(value, date):
        write_full_text(wire, 6, value.isoformat())
    else:
        opened = strata_wire_open(wire, 8)
        for one in sorted(value):
            write_full_text(wire, 1, one)
        strata_wire_close(wire, opened)
    return 0


cdef int write_instant(strata_wire *wire, int64_t instant_us) except -1:
    """The fields of a Timestamp."""
    cdef int64_t seconds = instant_us // 1_000_000, rest_us = instant_us - seconds * 1_000_000
    if seconds:
        strata_wire_number(wire, 1, <uint64_t>seconds)
    if rest_us:
        strata_wire_number(wire, 2, <uint64_t>(rest_us * 1000))
    return 0
