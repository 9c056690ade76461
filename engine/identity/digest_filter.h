/* Which digests are certainly not among many: a blocked Bloom filter.
 *
 * A digest has one line of 512 bits, by its high half in proportion, and five bits of that line,
 * by its low half. Digests are uniform and keyed, so no further hashing is needed. One line is one
 * miss of the cache a question, and digests that come sorted are added from the first line to
 * the last. With 10 bits for each digest about one in a hundred others passes for one of them.
 *
 * After Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007.
 */
#ifndef STRATA_DIGEST_FILTER_H
#define STRATA_DIGEST_FILTER_H

#include <stdint.h>

enum { STRATA_FILTER_WORDS = 8, STRATA_FILTER_BITS = 5, STRATA_FILTER_GROUP = 32 };

static inline int64_t strata_filter_line(uint64_t high, int64_t lines) {
    return (int64_t)(((unsigned __int128)high * (uint64_t)lines) >> 64);
}

/* Adds digests, each with its high half in one column and its low half in another. */
static inline void strata_filter_add(
    uint64_t *words, int64_t lines, const uint64_t *highs, const uint64_t *lows, int64_t count
) {
    for (int64_t i = 0; i < count; i++) {
        uint64_t *line = words + STRATA_FILTER_WORDS * strata_filter_line(highs[i], lines);
        uint64_t low = lows[i];
        for (int bit = 0; bit < STRATA_FILTER_BITS; bit++, low >>= 9)
            line[(low >> 6) & 7] |= (uint64_t)1 << (low & 63);
    }
}

/* The places of those digests (high, low, high, ...) that may have been added; how many. */
static inline int64_t strata_filter_passed(
    const uint64_t *words, int64_t lines, const uint64_t *digests, int64_t count, int64_t *places
) {
    int64_t passed = 0;
    for (int64_t at = 0; at < count; at += STRATA_FILTER_GROUP) {
        int64_t end = count - at < STRATA_FILTER_GROUP ? count : at + STRATA_FILTER_GROUP;
        for (int64_t i = at; i < end; i++)
            __builtin_prefetch(
                words + STRATA_FILTER_WORDS * strata_filter_line(digests[2 * i], lines)
            );
        for (int64_t i = at; i < end; i++) {
            const uint64_t *line =
                words + STRATA_FILTER_WORDS * strata_filter_line(digests[2 * i], lines);
            uint64_t low = digests[2 * i + 1], all = 1;
            for (int bit = 0; bit < STRATA_FILTER_BITS; bit++, low >>= 9)
                all &= line[(low >> 6) & 7] >> (low & 63);
            places[passed] = i;
            passed += (int64_t)(all & 1);
        }
    }
    return passed;
}

#endif
