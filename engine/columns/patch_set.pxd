"""The loops of patch_set.h, for whoever builds directories of containers."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from engine.bitmaps.containers cimport strata_entry


cdef extern from "engine/columns/patch_set.h" nogil:
    ctypedef struct strata_held:
        strata_entry entry
        const uint8_t *bytes

    ctypedef struct strata_pairs:
        const uint32_t *codes
        const uint16_t *rows
        const uint8_t *is_held
        size_t count

    ctypedef struct strata_extent:
        uint32_t entry_count

    uint32_t strata_directory_count(const uint8_t *payload) noexcept
    uint32_t strata_extent_bytes(strata_extent extent) noexcept
    uint32_t strata_list_held(const uint8_t *payload, strata_held *held) noexcept
    strata_held strata_held_of_mask(uint32_t code, const uint64_t *mask, uint8_t *out) noexcept
    size_t strata_room_for_pairs(
        const strata_held *old, uint32_t old_count, const strata_pairs *pairs
    ) noexcept
    uint32_t strata_lay_pairs(
        const strata_held *old, uint32_t old_count, const strata_pairs *pairs, strata_held *now,
        uint8_t *room,
    ) noexcept
    void strata_follow_presence(
        const strata_held *now, uint32_t count, const strata_pairs *pairs, uint64_t *presence,
        uint16_t *rows,
    ) noexcept
    strata_extent strata_take_held(const strata_held *held, uint32_t count) noexcept
    void strata_write_held(
        strata_extent extent, const strata_held *held, uint8_t *payload
    ) noexcept


# The parts (bytes) of some containers, at least one, in order of their codes.
cdef tuple pack_held(const strata_held *held, uint32_t count)
