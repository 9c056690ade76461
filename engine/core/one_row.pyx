# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What one row has in many fields, read in place: a profile without decoding its block."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from engine.core.structures cimport (
    strata_entry,
    strata_entry_has,
    strata_field,
    strata_find_code,
    strata_read_code,
)

cdef extern from "engine/core/fields.h" nogil:
    ctypedef struct strata_column:
        uint32_t first_row
        uint32_t row_count

    ctypedef struct strata_values:
        uint32_t count
        uint32_t rows_offset
        uint32_t offsets_offset
        uint32_t bytes_offset

    const strata_column *strata_column_part(
        const strata_field *field, uint32_t block, uint32_t row) noexcept
    int strata_read_int(
        const strata_field *field, uint32_t block, uint32_t row, int64_t *value) noexcept
    int strata_read_float(
        const strata_field *field, uint32_t block, uint32_t row, double *value) noexcept
    const uint8_t *strata_read_uid(
        const strata_field *field, uint32_t block, uint32_t row) noexcept
    int strata_read_text(
        const strata_field *field, uint32_t block, uint32_t row, const uint8_t **bytes,
        uint32_t *length) noexcept
    uint32_t strata_directory_count(const uint8_t *payload) noexcept
    uint32_t strata_directory_codes_of_row(
        const uint8_t *payload, uint32_t row, uint32_t *codes) noexcept

__all__ = ["read_cells"]

# As engine.store.catalog.FieldKind has them, which this room knows by number alone.
cdef enum:
    LIVE = 1
    UIDS = 2
    CODES = 3
    SET = 4
    INTS = 5
    FLOATS = 6
    BOOL = 7
    TEXTS = 8
    VALUES = 9
    MEMBERSHIP = 11


cdef int has_code(const strata_field *part, uint32_t code, uint32_t row) noexcept nogil:
    cdef const uint8_t *base = NULL
    cdef const strata_entry *entry = strata_find_code(part, 0, code, &base)
    return entry != NULL and strata_entry_has(entry, base, row)


cdef object codes_of(tuple addresses, uint32_t row):
    """The codes of a set that a row has, in order."""
    cdef list found = []
    cdef const uint8_t *payload
    cdef uint32_t *codes
    cdef uint32_t count, i
    for address in addresses:
        payload = <const uint8_t *><size_t>address
        codes = <uint32_t *>malloc((strata_directory_count(payload) + 1) * sizeof(uint32_t))
        if codes == NULL:
            raise MemoryError
        count = strata_directory_codes_of_row(payload, row, codes)
        for i in range(count):
            found.append(codes[i])
        free(codes)
    return found


cdef object strings_of(tuple addresses, uint32_t row):
    """The identifiers of a row, in the order of their bytes."""
    cdef list found = []
    cdef const uint8_t *payload
    cdef const strata_values *head
    cdef const uint16_t *rows
    cdef const uint32_t *offsets
    cdef uint32_t low, high, middle
    for address in addresses:
        payload = <const uint8_t *><size_t>address
        head = <const strata_values *>payload
        rows = <const uint16_t *>(payload + head.rows_offset)
        offsets = <const uint32_t *>(payload + head.offsets_offset)
        low, high = 0, head.count
        while low < high:
            middle = (low + high) // 2
            if rows[middle] < row:
                low = middle + 1
            else:
                high = middle
        while low < head.count and rows[low] == row:
            found.append(PyUnicode_DecodeUTF8(
                <const char *>payload + head.bytes_offset + offsets[low],
                offsets[low + 1] - offsets[low], NULL))
            low += 1
    return found


cdef object cell_of(int kind, strata_field *part, uint32_t row):
    """What a part says of a row; None where the row is not in it or has nothing there."""
    cdef int64_t number = 0
    cdef double double_ = 0
    cdef uint32_t code, length = 0
    cdef const uint8_t *at = NULL
    if kind == INTS:
        return number if strata_read_int(part, 0, row, &number) else None
    if kind == CODES:
        code = strata_read_code(part, 0, row)
        return code if code else None
    if kind == BOOL:
        if has_code(part, 2, row):
            return True
        return False if has_code(part, 1, row) else None
    if kind == FLOATS:
        return double_ if strata_read_float(part, 0, row, &double_) else None
    if kind == TEXTS:
        if not strata_read_text(part, 0, row, &at, &length):
            return None
        return PyUnicode_DecodeUTF8(<const char *>at, length, NULL)
    if kind == UIDS:
        at = strata_read_uid(part, 0, row)
        return None if at == NULL else PyBytes_FromStringAndSize(<const char *>at, 16)
    assert kind == LIVE or kind == MEMBERSHIP
    return True if has_code(part, 0, row) else None


def read_cells(tuple kinds not None, list places not None, uint32_t row):
    """What a row of a block has in n fields, as a list; None where it has nothing.

    `kinds` are theirs (FieldKind) and `places` the addresses of their parts in the block, which
    the caller keeps alive and has checked. Values are int (unscaled, days, microseconds, or a
    code), float, bool, str, bytes (a uid), True (alive, a member), and for sets and identifiers a
    list of codes or of str, which may be empty.
    """
    cdef list cells = []
    cdef uint32_t[2] first_part
    cdef uint64_t address
    cdef strata_field part
    cdef Py_ssize_t i
    cdef int kind
    cdef tuple addresses
    assert row < 65536 and len(kinds) == len(places)
    first_part[0], first_part[1] = 0, 1
    part.first_part, part.address = first_part, &address
    for i in range(len(places)):
        kind, addresses = kinds[i], places[i]
        if kind == SET:
            cells.append(codes_of(addresses, row))
            continue
        if kind == VALUES:
            cells.append(strings_of(addresses, row))
            continue
        found = None
        for one in addresses:
            address = <size_t>one
            found = cell_of(kind, &part, row)
            if found is not None:
                break
        cells.append(found)
    return cells
