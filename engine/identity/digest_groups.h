/* Equal digests in a batch, numbered by their first places. */
#ifndef STRATA_DIGEST_GROUPS_H
#define STRATA_DIGEST_GROUPS_H

#include <stdint.h>

/* Numbers the distinct digests (high, low, high, ...) in the order in which they first come:
 * `groups` gets the number of each digest, `firsts` the place of the first one of each number.
 * Returns how many there are. `table` has 2^bits zeros, more than there are digests. */
static inline int64_t strata_digest_groups(
    const uint64_t *digests, int64_t count, unsigned bits, uint32_t *table, int64_t *groups,
    int64_t *firsts
) {
    int64_t group_count = 0;
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    for (int64_t i = 0; i < count; i++) {
        uint64_t high = digests[2 * i], low = digests[2 * i + 1];
        uint64_t slot = (high * 0x9E3779B97F4A7C15u) >> (64 - bits);
        for (;; slot = (slot + 1) & mask) {
            if (table[slot] == 0) {
                firsts[group_count] = i;
                groups[i] = group_count;
                table[slot] = (uint32_t)++group_count;
                break;
            }
            int64_t group = (int64_t)table[slot] - 1, first = firsts[group];
            if (digests[2 * first] == high && digests[2 * first + 1] == low) {
                groups[i] = group;
                break;
            }
        }
    }
    return group_count;
}

#endif
