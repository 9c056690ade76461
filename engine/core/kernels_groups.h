/* Counting the rows of a mask by their code, in plain C.
 *
 * Neighbours often have the same code, and a counter that was just written is not read again for
 * 5 cycles. So up to STRATA_TALLIED codes are counted in four tallies by turns, and added up at
 * the end; with more codes the same one seldom comes twice in a row.
 */
#ifndef STRATA_KERNELS_GROUPS_H
#define STRATA_KERNELS_GROUPS_H

#include "engine/bitmaps/containers.h"
#include "engine/core/kernels_loops.h"

#define STRATA_TALLIED 1024u /* four tallies take 16 KiB, half of a first-level cache */

/* Apart by more than a multiple of 4 KiB: a processor takes addresses that are alike in their last
 * 12 bits for the same one, and makes a load wait for the store before it. */
typedef struct {
    uint32_t of[4][STRATA_TALLIED + 16];
} strata_tallies;

static inline void strata_tallies_clear(strata_tallies *tallies, uint32_t code_count) {
    for (int t = 0; t < 4; t++) {
        memset(tallies->of[t], 0, code_count * sizeof tallies->of[t][0]);
    }
}

static inline void strata_tallies_add(const strata_tallies *tallies, uint32_t code_count,
                                      int64_t *counts) {
    for (uint32_t code = 0; code < code_count; code++) {
        counts[code] += (int64_t)tallies->of[0][code] + tallies->of[1][code] +
                        tallies->of[2][code] + tallies->of[3][code];
    }
}

/* The rows of the mask one by one: COUNTED says what is done with `code` of row `i`. */
#define STRATA_FOR_CODES(VALUES, WORDS, MASK, COUNTED)                                         \
    for (uint32_t w = 0; w < (WORDS); w++) {                                                   \
        for (uint64_t word = (MASK)[w]; word; word &= word - 1, rows++) {                      \
            uint32_t code = (VALUES)[64 * (size_t)w + (uint32_t)__builtin_ctzll(word)];        \
            COUNTED;                                                                           \
        }                                                                                      \
    }

#define STRATA_GROUP(TARGET, NAME, TYPE)                                                       \
    TARGET static uint32_t NAME(const TYPE *values, uint32_t words, const uint64_t *mask,      \
                                uint32_t code_count, int64_t *counts) {                        \
        uint32_t rows = 0;                                                                     \
        if (code_count > STRATA_TALLIED) {                                                     \
            STRATA_FOR_CODES(values, words, mask, counts[code]++)                              \
            return rows;                                                                       \
        }                                                                                      \
        strata_tallies tallies;                                                                \
        strata_tallies_clear(&tallies, code_count);                                            \
        STRATA_FOR_CODES(values, words, mask, tallies.of[rows & 3][code]++)                    \
        strata_tallies_add(&tallies, code_count, counts);                                      \
        return rows;                                                                           \
    }

STRATA_GROUP(, strata_group_u8_portable, uint8_t)
STRATA_GROUP(, strata_group_u16_portable, uint16_t)
STRATA_GROUP(, strata_group_u32_portable, uint32_t)

#endif
