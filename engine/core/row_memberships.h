/* The memberships of a row side by side: one bit for each, in words that follow one another.
 *
 * Looked up in the containers, what 5,000 rows of 10 million are in of 100 memberships costs half a
 * million places in memory that nobody has touched lately, 14 ns each. Turned round, it costs 5,000.
 *
 * 1. The containers of a block are turned once, 64 rows of 64 memberships at a time.
 * 2. The rows of a stretch are read and turned back, 64 at a time, to what masks are: one bit for
 *    each row, membership by membership.
 * 3. A bit is flipped for each row that enters or leaves.
 */
#ifndef STRATA_ROW_MEMBERSHIPS_H
#define STRATA_ROW_MEMBERSHIPS_H

#include "engine/core/fields.h"
#include "engine/core/selections.h"

/* Words of one mask beside the next: 8 more than it has, so that the same word of 64 masks does not
 * fall into one set of the first-level cache. */
#define STRATA_SPACED_WORDS (STRATA_BLOCK_WORDS + 8)
/* Words of rows that are fetched ahead. */
#define STRATA_ROWS_AHEAD 2u

typedef struct {
    uint64_t **blocks; /* `words` for each row of a block; NULL where it has not been turned */
    uint32_t block_count;
    uint32_t words; /* 64 memberships each */
} strata_row_memberships;

/* Bit j of word i becomes bit i of word j (Warren, Hacker's Delight, 7-3). */
static inline void strata_turn64(uint64_t *words) {
    uint64_t mask = UINT64_C(0x00000000FFFFFFFF);
    for (uint32_t size = 32; size; size >>= 1, mask ^= mask << size) {
        for (uint32_t i = 0; i < 64; i = ((i | size) + 1) & ~size) {
            uint64_t differing = ((words[i] >> size) ^ words[i | size]) & mask;
            words[i] ^= differing << size;
            words[i | size] ^= differing;
        }
    }
}

/* Fills the words of a block, all 0, from memberships `first` .. `first` + `count` - 1 <= first + 64,
 * of which fields[stored[i]] has the rows. `masks` is scratch: 64 * STRATA_SPACED_WORDS. */
static inline void strata_turn_block(const strata_field *fields, const int32_t *stored,
                                     uint32_t first, uint32_t count, uint32_t block,
                                     uint32_t words, uint64_t *masks, uint64_t *out) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t *mask = masks + i * (size_t)STRATA_SPACED_WORDS;
        const uint8_t *base;
        const strata_entry *entry =
            strata_find_code(&fields[stored[first + i]], block, 0, &base);
        if (entry) {
            strata_mask_from_entry(mask, entry, base);
        } else {
            memset(mask, 0, STRATA_BITSET_BYTES);
        }
    }
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        uint64_t turned[64] = {0}, any_row = 0;
        for (uint32_t i = 0; i < count; i++) {
            turned[i] = masks[i * (size_t)STRATA_SPACED_WORDS + w];
            any_row |= turned[i];
        }
        if (!any_row) {
            continue; /* pages of a block that nobody is in are never touched */
        }
        strata_turn64(turned);
        for (uint32_t r = 0; r < 64; r++) {
            out[(64 * w + r) * (size_t)words + first / 64] = turned[r];
        }
    }
}

/* The words of a row, or NULL where its block has none. */
static inline uint64_t *strata_words_of_row(const strata_row_memberships *of, uint32_t row) {
    uint32_t block = row >> 16;
    if (block >= of->block_count || !of->blocks[block]) {
        return 0;
    }
    return of->blocks[block] + (row & 0xFFFF) * (size_t)of->words;
}

/* held[m * STRATA_STRETCH_WORDS + w] = which of the rows 64 w .. 64 w + 63 of a stretch are in
 * membership m, for all m < 64 * words. */
static inline void strata_memberships_of(const strata_row_memberships *of, const uint32_t *rows,
                                         uint32_t count, uint64_t *held) {
    for (uint32_t w = 0; 64 * w < count; w++) {
        const uint64_t *words_of[64] = {0};
        for (uint32_t r = 64 * w; r < count && r < 64 * (w + 1); r++) {
            uint32_t ahead = r + 64 * STRATA_ROWS_AHEAD;
            if (ahead < count) {
                __builtin_prefetch(strata_words_of_row(of, rows[ahead]), 1);
            }
            words_of[r - 64 * w] = strata_words_of_row(of, rows[r]);
        }
        for (uint32_t g = 0; g < of->words; g++) {
            uint64_t turned[64];
            for (uint32_t r = 0; r < 64; r++) {
                turned[r] = words_of[r] ? words_of[r][g] : 0;
            }
            strata_turn64(turned);
            for (uint32_t m = 0; m < 64; m++) {
                held[(64 * g + m) * (size_t)STRATA_STRETCH_WORDS + w] = turned[m];
            }
        }
    }
}

/* A row enters or leaves a membership. */
static inline void strata_flip_membership(const strata_row_memberships *of, uint32_t row,
                                          uint32_t membership) {
    uint64_t *words = strata_words_of_row(of, row);
    if (words) {
        words[membership >> 6] ^= (uint64_t)1 << (membership & 63);
    }
}

#endif
