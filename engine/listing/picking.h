/* The uids of chosen rows, read where they lie in the parts of a column.
 *
 * Manual
 *   - `values` are the values of one part, 16 bytes a row, padded to whole words of 64 rows.
 *   - `words` are the mask's words for the rows of that part; bits of the padding are not set.
 *   - Nothing allocates. Output never overlaps input, and has room for every bit that is set.
 */
#ifndef STRATA_PICKING_H
#define STRATA_PICKING_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/columns/hashing.h"

#define STRATA_UID_BYTES 16u

/* Writes the uids of the rows that are set, in order; returns where the next one goes. A word
 * of 64 neighbours is one copy. */
static inline uint8_t *strata_pick_uids(const uint8_t *values, const uint64_t *words,
                                        uint32_t word_count, uint8_t *out) {
    for (uint32_t w = 0; w < word_count; w++) {
        const uint8_t *at = values + (size_t)w * 64 * STRATA_UID_BYTES;
        uint64_t word = words[w];
        if (word == ~(uint64_t)0) {
            memcpy(out, at, 64 * STRATA_UID_BYTES);
            out += 64 * STRATA_UID_BYTES;
            continue;
        }
        for (; word; word &= word - 1, out += STRATA_UID_BYTES)
            memcpy(out, at + (size_t)__builtin_ctzll(word) * STRATA_UID_BYTES, STRATA_UID_BYTES);
    }
    return out;
}

/* Hashes the uids of the rows that are set with XXH64 and keeps those not above `most`: the hash
 * in `hashes`, the row, counted from `first_row`, in `rows`. Returns how many it kept. Both have
 * room for one more than are set: each is written, and the next overwrites it if it is not kept,
 * which costs less than a branch that nobody can foretell. */
static inline size_t strata_pick_hashes(const uint8_t *values, const uint64_t *words,
                                        uint32_t word_count, uint32_t first_row, uint64_t seed,
                                        uint64_t most, uint64_t *hashes, uint32_t *rows) {
    size_t kept = 0;
    for (uint32_t w = 0; w < word_count; w++) {
        for (uint64_t word = words[w]; word; word &= word - 1) {
            uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(word);
            uint64_t hash = strata_xxh64(values + (size_t)row * STRATA_UID_BYTES,
                                         STRATA_UID_BYTES, seed);
            hashes[kept] = hash;
            rows[kept] = first_row + row;
            kept += hash <= most;
        }
    }
    return kept;
}

#endif
