"""Hot blocks, as the modules of their kinds see them."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from engine.bitmaps.containers cimport strata_entry


cdef extern from "engine/columns/hot.h" nogil:
    ctypedef struct strata_hot:
        uint8_t **parts
        uint32_t *lengths
        uint32_t part_count
        uint64_t born
        uint64_t sequence
        double low
        double high

    ctypedef struct strata_hot_field:
        strata_hot **blocks
        uint32_t block_count

    strata_hot *strata_hot_block(const strata_hot_field *field, uint32_t block) noexcept
    void strata_set_cardinality(strata_entry *entry, uint32_t cardinality) noexcept
    bint strata_is_writable(const strata_hot *hot, uint64_t newest_open) noexcept
    size_t strata_end_of_block(const uint32_t *rows, size_t count, size_t start) noexcept
    bint strata_rows_ascend(const uint32_t *rows, size_t count) noexcept


cdef class HotBlock:
    cdef strata_hot hot         # C view; `parts` and `lengths` are filled in by `place`
    cdef readonly tuple parts
    cdef readonly tuple addresses

    # Zeroed memory for parts of these sizes (ints), at multiples of 64; called once.
    cdef int place(self, sizes) except -1


cdef class HotField:
    cdef strata_hot_field hot   # C view, kept by `heat` and `forget`
    cdef list _owners           # HotBlock or None by block: what hot.blocks points into
    cdef size_t _room           # slots of hot.blocks

    # A new block, placed and filled with what `parts` have; born and sequence are set by `heat`.
    cdef HotBlock make_block(self, parts)
    cdef int _grow(self, size_t count) except -1
