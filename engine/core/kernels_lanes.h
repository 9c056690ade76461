/* Adding a number to the rows of a mask, and to lanes of a byte by what a column stores: what the
 * points of a score are added up with.
 *
 * kernels.h is the manual. The sets of x86 expand a word of the mask in registers and add to all
 * 64 rows; without them each row of the mask is added to by itself.
 */
#ifndef STRATA_KERNELS_LANES_H
#define STRATA_KERNELS_LANES_H

#include "engine/core/kernels_loops.h"

#define STRATA_ADD_PORTABLE(NAME, TYPE)                                                        \
    static void NAME(TYPE *restrict values, const uint64_t *restrict mask, TYPE value) {       \
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {                                    \
            for (uint64_t word = mask[w]; word; word &= word - 1) {                            \
                TYPE *at = values + 64 * (size_t)w + (uint32_t)__builtin_ctzll(word);          \
                *at = (TYPE)(*at + value);                                                     \
            }                                                                                  \
        }                                                                                      \
    }

STRATA_ADD_PORTABLE(strata_add_u8_portable, uint8_t)
STRATA_ADD_PORTABLE(strata_add_u16_portable, uint16_t)
STRATA_ADD_PORTABLE(strata_add_u32_portable, uint32_t)
STRATA_ADD_PORTABLE(strata_add_u64_portable, uint64_t)

/* ------------------------------------------------------- lanes of a byte, without a mask between */

static void strata_add_by_u8_portable(uint8_t *restrict lanes, const uint8_t *restrict values,
                                      uint32_t words, const uint8_t *restrict table,
                                      uint32_t most) {
    (void)most;
    for (size_t i = 0; i < 64 * (size_t)words; i++) {
        lanes[i] = (uint8_t)(lanes[i] + table[values[i]]);
    }
}

#define STRATA_ADD_IN_PORTABLE(NAME, TYPE)                                                     \
    static void NAME(uint8_t *restrict lanes, const TYPE *restrict values, uint32_t words,     \
                     TYPE low, TYPE span, uint8_t number) {                                    \
        for (size_t i = 0; i < 64 * (size_t)words; i++) {                                      \
            int hit = (TYPE)(values[i] - low) <= span;                                         \
            lanes[i] = (uint8_t)(lanes[i] + (hit ? number : 0));                               \
        }                                                                                      \
    }

STRATA_ADD_IN_PORTABLE(strata_add_in_u16_portable, uint16_t)
STRATA_ADD_IN_PORTABLE(strata_add_in_u32_portable, uint32_t)

#endif
