/* A stretch of a mask as a container: measured, and written in its smallest form.
 *
 * Runs are found word by word, where strata_write_mask of containers.h lists all rows first: a
 * full block without a few rows is a few runs and 65,000 rows.
 * Stretches are words [first, end) of a mask of the block; rows outside of it are not looked at.
 */
#ifndef STRATA_MASK_FORMS_H
#define STRATA_MASK_FORMS_H

#include "engine/bitmaps/containers.h"

/* The smallest form of the rows in the words; see strata_smallest_form. */
static inline strata_entry strata_measure_words(const uint64_t *mask, uint32_t first,
                                                uint32_t end) {
    uint32_t cardinality = 0, runs = 0;
    uint64_t last_bit = 0;
    for (uint32_t w = first; w < end; w++) {
        cardinality += strata_popcount64(mask[w]);
        runs += strata_popcount64(mask[w] & ~((mask[w] << 1) | last_bit));
        last_bit = mask[w] >> 63;
    }
    return strata_smallest_form(cardinality, runs);
}

/* The first row from `row` on, below `end`, whose bit is `wanted`, or `end`. */
static inline uint32_t strata_next_row(const uint64_t *mask, uint32_t row, uint32_t end,
                                       int wanted) {
    uint64_t flip = wanted ? 0 : ~(uint64_t)0;
    while (row < end) {
        uint64_t word = (mask[row >> 6] ^ flip) >> (row & 63);
        if (word) {
            row += (uint32_t)__builtin_ctzll(word);
            return row < end ? row : end;
        }
        row = (row | 63) + 1;
    }
    return end;
}

/* Writes the measured form of the words at `out`, which is aligned to 8 and has
 * 2 * size_in_2 bytes. */
static inline void strata_write_words(strata_entry entry, const uint64_t *mask, uint32_t first,
                                      uint32_t end, uint8_t *out) {
    if (entry.kind == STRATA_BITSET) {
        memset(out, 0, STRATA_BITSET_BYTES);
        memcpy(out + 8 * (size_t)first, mask + first, 8 * (size_t)(end - first));
    } else if (entry.kind == STRATA_ARRAY) {
        uint16_t *rows = (uint16_t *)(void *)out;
        for (uint32_t w = first; w < end; w++) {
            for (uint64_t word = mask[w]; word; word &= word - 1)
                *rows++ = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(word));
        }
    } else if (entry.kind == STRATA_RUN) {
        uint16_t run_count = 0, *pairs = (uint16_t *)(void *)(out + 2);
        uint32_t limit = end * 64, row = first * 64;
        while ((row = strata_next_row(mask, row, limit, 1)) < limit) {
            uint32_t stop = strata_next_row(mask, row, limit, 0);
            *pairs++ = (uint16_t)row;
            *pairs++ = (uint16_t)(stop - row - 1);
            run_count++;
            row = stop;
        }
        memcpy(out, &run_count, sizeof run_count);
    }
}

/* Rows up to the last one in the mask; 0 where it is empty. */
static inline uint32_t strata_mask_length(const uint64_t *mask) {
    for (uint32_t w = STRATA_BLOCK_WORDS; w > 0; w--) {
        if (mask[w - 1]) return 64 * w - (uint32_t)__builtin_clzll(mask[w - 1]);
    }
    return 0;
}

/* Puts rows into the mask (present[i]) or takes them out of it. */
static inline void strata_mask_lay_rows(uint64_t *mask, const uint16_t *rows,
                                        const uint8_t *present, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint64_t bit = (uint64_t)1 << (rows[i] & 63);
        if (present[i]) mask[rows[i] >> 6] |= bit;
        else mask[rows[i] >> 6] &= ~bit;
    }
}

#endif
