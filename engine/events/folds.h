/* Folds: picked events added up by row, into one value for each row of the block.
 *
 *   1. strata_mark_rows collects the rows that have an event at all: the rows present, and what is
 *      touched. It is all that `count >= 1` and `count = 0` need.
 *   2. A fold scatters a stretch of events into its values: counts, sums, least and greatest.
 *   3. The values are compared as those of a column are: 65,536 of them, one a row, with the marks
 *      for presence where a row without events has no value.
 *   4. strata_clear_* bring back to the start what was touched, so that a block of few events does
 *      not pay for 65,536 rows.
 *
 * Manual
 *   - Values are arrays of STRATA_BLOCK_ROWS, aligned to 64, in the state that the matching
 *     strata_clear_* leaves: 0 for counts and sums, STRATA_NO_LEAST or STRATA_NO_GREATEST for
 *     bounds.
 *   - A fold takes `count` rows (and values) in any order; a row may come many times.
 *   - Nothing here allocates. No pointer may alias another.
 *   - No instruction set scatters with repeated targets faster than a scalar loop, so these are
 *     plain C: each event costs a load, an add and a store into the second-level cache.
 */
#ifndef STRATA_FOLDS_H
#define STRATA_FOLDS_H

#include "engine/events/chunk.h"

typedef __int128 strata_event_sum;

/* The loop that follows takes four events at a time: its own steps cost as much as what it does. Where
 * it has a jump, compilers do worse with this than with four steps written out. */
#if defined(__GNUC__) && !defined(__clang__)
#define STRATA_BY_FOURS _Pragma("GCC unroll 4")
#else
#define STRATA_BY_FOURS
#endif

#define STRATA_NO_LEAST INT64_MAX
#define STRATA_NO_GREATEST INT64_MIN

/* ---------------------------------------------------------------------------------- marks */

static inline void strata_mark_rows(const uint16_t *restrict rows, uint32_t count,
                                    uint64_t *restrict mask) {
    for (uint32_t i = 0; i < count; i++) mask[rows[i] >> 6] |= (uint64_t)1 << (rows[i] & 63);
}

/* --------------------------------------------------------------------------------- counts */

/* Stops at 255: for comparisons with less. Half the memory of wider ones, so twice as quick; that
 * a row has so many is rare, and a jump that is guessed right costs nothing. It asks for the carry,
 * which needs no comparison. */
static inline void strata_count_one_u8(uint8_t *count) {
    uint8_t after;
    if (__builtin_expect(!__builtin_add_overflow(*count, (uint8_t)1, &after), 1)) *count = after;
}

static inline void strata_count_u8(const uint16_t *restrict rows, uint32_t count,
                                   uint8_t *restrict counts) {
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        strata_count_one_u8(counts + rows[i]);
        strata_count_one_u8(counts + rows[i + 1]);
        strata_count_one_u8(counts + rows[i + 2]);
        strata_count_one_u8(counts + rows[i + 3]);
    }
    for (; i < count; i++) strata_count_one_u8(counts + rows[i]);
}

/* For fewer than 65,536 events in all. */
static inline void strata_count_u16(const uint16_t *restrict rows, uint32_t count,
                                    uint16_t *restrict counts) {
    STRATA_BY_FOURS
    for (uint32_t i = 0; i < count; i++) counts[rows[i]]++;
}

static inline void strata_count_u32(const uint16_t *restrict rows, uint32_t count,
                                    uint32_t *restrict counts) {
    STRATA_BY_FOURS
    for (uint32_t i = 0; i < count; i++) counts[rows[i]]++;
}

/* ----------------------------------------------------------------------------------- sums */

/* Of values from 0 to UINT32_MAX. Returns not 0 where a sum went past that: then the sums are worth
 * nothing. Half the memory of wider ones. */
static inline uint32_t strata_sum_u32(const uint16_t *restrict rows,
                                      const int64_t *restrict values, uint32_t count,
                                      uint32_t *restrict sums) {
    uint64_t any = 0;
    STRATA_BY_FOURS
    for (uint32_t i = 0; i < count; i++) {
        uint64_t after = sums[rows[i]] + (uint64_t)values[i];
        sums[rows[i]] = (uint32_t)after;
        any |= after;
    }
    return (uint32_t)(any >> 32);
}

/* The same of values as they are stored, above a base: stored[i] + base is at most UINT32_MAX. */
#define STRATA_SUM_STORED(NAME, TYPE)                                                          \
    static inline uint32_t NAME(const uint16_t *restrict rows, const TYPE *restrict stored,    \
                                uint64_t base, uint32_t count, uint32_t *restrict sums) {      \
        uint64_t any = 0;                                                                      \
        STRATA_BY_FOURS                                                                        \
        for (uint32_t i = 0; i < count; i++) {                                                 \
            uint64_t after = sums[rows[i]] + base + stored[i];                                 \
            sums[rows[i]] = (uint32_t)after;                                                   \
            any |= after;                                                                      \
        }                                                                                      \
        return (uint32_t)(any >> 32);                                                          \
    }

STRATA_SUM_STORED(strata_sum_stored_u8, uint8_t)
STRATA_SUM_STORED(strata_sum_stored_u16, uint16_t)
STRATA_SUM_STORED(strata_sum_stored_u32, uint32_t)

/* Where the caller has shown, by bounds and numbers of events, that no sum leaves 64 bits. */
static inline void strata_sum_i64(const uint16_t *restrict rows, const int64_t *restrict values,
                                  uint32_t count, int64_t *restrict sums) {
    STRATA_BY_FOURS
    for (uint32_t i = 0; i < count; i++) sums[rows[i]] += values[i];
}

static inline void strata_sum_i128(const uint16_t *restrict rows, const int64_t *restrict values,
                                   uint32_t count, strata_event_sum *restrict sums) {
    for (uint32_t i = 0; i < count; i++) sums[rows[i]] += values[i];
}

/* Whether sums of `event_count` values of a column stay within 64 bits, with what other columns
 * add: `reach` is the greatest size that a sum may have so far, and is raised. */
static inline int strata_sums_fit(const strata_event_column *column, uint64_t event_count,
                                  strata_event_sum *reach) {
    strata_event_sum low = column->low, high = column->high;
    strata_event_sum size = -low > high ? -low : high;
    *reach += size * (strata_event_sum)event_count;
    return *reach <= INT64_MAX;
}

/* --------------------------------------------------------------------------------- bounds */

static inline void strata_least_i64(const uint16_t *restrict rows, const int64_t *restrict values,
                                    uint32_t count, int64_t *restrict least) {
    for (uint32_t i = 0; i < count; i++) {
        int64_t before = least[rows[i]];
        least[rows[i]] = values[i] < before ? values[i] : before;
    }
}

static inline void strata_greatest_i64(const uint16_t *restrict rows,
                                       const int64_t *restrict values, uint32_t count,
                                       int64_t *restrict greatest) {
    for (uint32_t i = 0; i < count; i++) {
        int64_t before = greatest[rows[i]];
        greatest[rows[i]] = values[i] > before ? values[i] : before;
    }
}

/* Finite doubles, given by their bits, as integers in the same order, and back. */
static inline int64_t strata_ordered_double(int64_t bits) {
    return bits ^ (int64_t)((uint64_t)(bits >> 63) >> 1);
}

/* ----------------------------------------------------------------------------------- bits */

/* Sets bit values[i] (0..63) of the row: what is counted distinct among few, days among them. */
static inline void strata_gather_bits(const uint16_t *restrict rows,
                                      const int64_t *restrict values, uint32_t count,
                                      uint64_t *restrict bits) {
    for (uint32_t i = 0; i < count; i++) bits[rows[i]] |= (uint64_t)1 << (values[i] & 63);
}

/* Adds the number of bits of each marked row to its count, and sets the bits to 0. */
static inline void strata_count_bits(const uint64_t *mask, uint64_t *restrict bits,
                                     uint32_t *restrict counts) {
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = mask[w]; word; word &= word - 1) {
            uint32_t row = 64 * w + (uint32_t)__builtin_ctzll(word);
            counts[row] += strata_popcount64(bits[row]);
            bits[row] = 0;
        }
    }
}

/* values: instants, none later than `now`; they become what an event is worth by its age: worth[h]
 * at the age of h whole hours, 0 beyond. */
#define STRATA_HOUR_US 3600000000u
static inline void strata_worth_of(int64_t now, const int64_t *worth, uint32_t worth_count,
                                   uint32_t count, int64_t *values) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hours = ((uint64_t)now - (uint64_t)values[i]) / STRATA_HOUR_US;
        values[i] = hours < worth_count ? worth[hours] : 0;
    }
}

/* The days of instants: values[i] becomes the place of the last of `starts` that is not above it.
 * `starts` are the first instants of `day_count` days, ascending, and one more where they end;
 * every value lies within. Events close to each other are mostly of one day. */
static inline void strata_days_of(const int64_t *starts, uint32_t day_count, uint32_t count,
                                  int64_t *restrict values) {
    uint32_t day = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = values[i];
        if (value < starts[day] || value >= starts[day + 1]) {
            uint32_t low = 0, left = day_count;
            while (left > 1) {
                uint32_t half = left / 2;
                if (starts[low + half] <= value) low += half;
                left -= half;
            }
            day = low;
        }
        values[i] = day;
    }
}

/* --------------------------------------------------------------------------------- clearing */

#define STRATA_CLEAR(NAME, TYPE, START)                                                        \
    static inline void NAME(const uint64_t *mask, TYPE *restrict values) {                     \
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {                                    \
            if (mask[w])                                                                       \
                for (uint32_t i = 0; i < 64; i++) values[64 * w + i] = (START);                \
        }                                                                                      \
    }

/* Each brings the 64 rows of every word that has a mark back to the start. */
STRATA_CLEAR(strata_clear_u8, uint8_t, 0)
STRATA_CLEAR(strata_clear_u16, uint16_t, 0)
STRATA_CLEAR(strata_clear_u32, uint32_t, 0)
STRATA_CLEAR(strata_clear_i64, int64_t, 0)
STRATA_CLEAR(strata_clear_i128, strata_event_sum, 0)
STRATA_CLEAR(strata_clear_least, int64_t, STRATA_NO_LEAST)
STRATA_CLEAR(strata_clear_greatest, int64_t, STRATA_NO_GREATEST)

#endif
