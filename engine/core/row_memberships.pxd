"""The memberships of rows side by side, as the loops that judge rows see them."""

from libc.stdint cimport int32_t, uint32_t, uint64_t

from engine.core.structures cimport strata_field


cdef extern from "engine/core/row_memberships.h" nogil:
    ctypedef struct strata_row_memberships:
        uint64_t **blocks
        uint32_t block_count
        uint32_t words

    void strata_memberships_of(
        const strata_row_memberships *of, const uint32_t *rows, uint32_t count,
        uint64_t *held) noexcept
    void strata_flip_membership(
        const strata_row_memberships *of, uint32_t row, uint32_t membership) noexcept


cdef class RowMemberships:
    cdef strata_row_memberships of
    cdef uint32_t _count
    cdef list _memory        # what of.blocks points into
    cdef list _room          # addresses of blocks that are not used yet
    cdef uint64_t *_masks    # scratch

    # Has the words of a block, which fields[stored[i]] are turned into where they were not.
    cdef int turn(
        self, const strata_field *fields, const int32_t *stored, uint32_t block) except -1
