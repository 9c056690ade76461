/* Selection lists in plain C: rows taken out of a mask, and lists shortened by a test.
 *
 * A row is written whether it passes or not, and the next one over it where it did not: no branch
 * to guess wrong, which would cost 15 cycles for every second row of a test that half of them pass.
 */
#ifndef STRATA_KERNELS_ROWS_H
#define STRATA_KERNELS_ROWS_H

#include "engine/bitmaps/containers.h"
#include "engine/core/kernels_loops.h"

static uint32_t strata_mask_to_rows_portable(const uint64_t *mask, uint16_t *rows) {
    return strata_mask_to_rows(mask, rows);
}

static uint32_t strata_rows_in_mask_portable(const uint16_t *rows, uint32_t count,
                                             const uint64_t *mask, uint32_t flip, uint16_t *out) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        out[kept] = (uint16_t)row;
        kept += ((uint32_t)(mask[row >> 6] >> (row & 63)) & 1) ^ flip;
    }
    return kept;
}

#define STRATA_ROWS_RANGE(NAME, TYPE, HIT)                                                     \
    static uint32_t NAME(const TYPE *values, uint32_t first, const uint16_t *rows,             \
                         uint32_t count, TYPE low, TYPE high, uint32_t flip, uint16_t *out) {  \
        uint32_t kept = 0;                                                                     \
        for (uint32_t i = 0; i < count; i++) {                                                 \
            TYPE value = values[rows[i] - first];                                              \
            out[kept] = rows[i];                                                               \
            kept += (uint32_t)(HIT) ^ flip;                                                    \
        }                                                                                      \
        return kept;                                                                           \
    }

STRATA_ROWS_RANGE(strata_rows_range_u8_portable, uint8_t, (uint8_t)(value - low) <= high)
STRATA_ROWS_RANGE(strata_rows_range_u16_portable, uint16_t, (uint16_t)(value - low) <= high)
STRATA_ROWS_RANGE(strata_rows_range_u32_portable, uint32_t, value - low <= high)
STRATA_ROWS_RANGE(strata_rows_range_u64_portable, uint64_t, value - low <= high)
STRATA_ROWS_RANGE(strata_rows_range_f64_portable, double, (value >= low) & (value <= high))

#define STRATA_ROWS_MEMBER(NAME, TYPE)                                                         \
    static uint32_t NAME(const TYPE *values, uint32_t first, const uint16_t *rows,             \
                         uint32_t count, const uint64_t *members, uint32_t flip,               \
                         uint16_t *out) {                                                      \
        uint32_t kept = 0;                                                                     \
        for (uint32_t i = 0; i < count; i++) {                                                 \
            uint32_t value = values[rows[i] - first];                                          \
            out[kept] = rows[i];                                                               \
            kept += ((uint32_t)(members[value >> 6] >> (value & 63)) & 1) ^ flip;              \
        }                                                                                      \
        return kept;                                                                           \
    }

STRATA_ROWS_MEMBER(strata_rows_member_u8_portable, uint8_t)
STRATA_ROWS_MEMBER(strata_rows_member_u16_portable, uint16_t)
STRATA_ROWS_MEMBER(strata_rows_member_u32_portable, uint32_t)

#endif
