/* Places of digests in sorted columns.
 *
 * Digests are uniform, so a digest's place is guessed from its value: with n entries the guess
 * is off by about sqrt(n) / 2, a few cache lines, where a binary search from the middle misses
 * the cache at every step of the first dozen. From the guess the search gallops, so that any
 * other distribution costs no more than twice a binary search.
 *
 * Columns need no alignment. Nothing is read outside them, whatever they hold.
 */
#ifndef STRATA_DIGEST_SEARCH_H
#define STRATA_DIGEST_SEARCH_H

#include <stdint.h>
#include <string.h>

/* First step of the gallop: half the usual error of a guess in a full shard. */
enum { STRATA_DIGEST_STRIDE = 32 };

static inline uint64_t strata_digest_at(const uint8_t *column, int64_t place) {
    uint64_t value;
    memcpy(&value, column + 8 * place, 8);
    return value;
}

/* The first place whose high half is not below `high`; n where there is none. All high halves
 * have their first `depth` (0..63) bits in common with `high`. */
static inline int64_t strata_digest_lower_bound(
    const uint8_t *highs, int64_t n, unsigned depth, uint64_t high
) {
    int64_t step = STRATA_DIGEST_STRIDE, from, to;
    int64_t guess = (int64_t)(((unsigned __int128)(high << depth) * (uint64_t)n) >> 64);
    if (n == 0) return 0;
    if (strata_digest_at(highs, guess) < high) {
        from = guess + 1;
        to = from;
        while (to < n && strata_digest_at(highs, to) < high) {
            from = to + 1;
            to = step < n - from ? from + step : n;
            step *= 2;
        }
    } else {
        to = guess;
        from = to;
        while (from > 0 && strata_digest_at(highs, from - 1) >= high) {
            to = from - 1;
            from = step < to ? to - step : 0;
            step *= 2;
        }
    }
    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        if (strata_digest_at(highs, middle) < high)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The place of (high, low) among n entries sorted by both, or -1. */
static inline int64_t strata_digest_place(
    const uint8_t *highs, const uint8_t *lows, int64_t n, unsigned depth,
    uint64_t high, uint64_t low
) {
    int64_t place = strata_digest_lower_bound(highs, n, depth, high);
    for (; place < n && strata_digest_at(highs, place) == high; place++)
        if (strata_digest_at(lows, place) == low) return place;
    return -1;
}

/* The row of (high, low) in the columns of a stored shard (high, low, rows; n entries), or
 * `unknown`. */
static inline uint32_t strata_shard_row(
    const uint8_t *columns, int64_t n, unsigned depth, uint64_t high, uint64_t low,
    uint32_t unknown
) {
    int64_t place = strata_digest_place(columns, columns + 8 * n, n, depth, high, low);
    uint32_t row = unknown;
    if (place >= 0) memcpy(&row, columns + 16 * n + 4 * place, 4);
    return row;
}

#endif
