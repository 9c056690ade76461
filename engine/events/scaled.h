/* Decimals of several scales, folded together: each value counts `factor` times its stored integer, a
 * power of ten, so that all are whole numbers of one unit.
 *
 * An integer of 64 bits times 10^18 fits 123 bits, so bounds are exact in 128. Distinct values need no
 * product: what is equal is written alike, as an integer without zeros at its end and how many there
 * were.
 *
 * Manual
 *   - `least` and `greatest` are one a row, and mean something where the row is marked; the folds set
 *     the marks, so nothing need be cleared but these.
 *   - Slots are those of strata_distinct_values.
 */
#ifndef STRATA_SCALED_H
#define STRATA_SCALED_H

#include "engine/events/distinct.h"
#include "engine/events/folds.h"

#define STRATA_BOUND_SCALED(NAME, IS_BETTER)                                                   \
    static inline void NAME(const uint16_t *restrict rows, const int64_t *restrict values,     \
                            uint32_t count, int64_t factor, uint64_t *restrict marks,          \
                            strata_event_sum *restrict bounds) {                               \
        for (uint32_t i = 0; i < count; i++) {                                                 \
            uint64_t bit = (uint64_t)1 << (rows[i] & 63), *word = marks + (rows[i] >> 6);      \
            strata_event_sum value = (strata_event_sum)values[i] * factor;                     \
            if (!(*word & bit) || value IS_BETTER bounds[rows[i]]) bounds[rows[i]] = value;    \
            *word |= bit;                                                                      \
        }                                                                                      \
    }

STRATA_BOUND_SCALED(strata_least_scaled, <)
STRATA_BOUND_SCALED(strata_greatest_scaled, >)

/* The number of zeros that a power of ten has. */
static inline uint32_t strata_zeros_of(int64_t factor) {
    uint32_t zeros = 0;
    for (; factor > 1; factor /= 10) zeros++;
    return zeros;
}

static inline void strata_distinct_scaled(strata_value_slot *restrict slots, uint32_t slot_count,
                                          const uint16_t *restrict rows,
                                          const int64_t *restrict values, uint32_t count,
                                          int64_t factor, uint32_t *restrict counts) {
    uint64_t least_zeros = strata_zeros_of(factor);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t zeros = values[i] ? least_zeros : 0;
        int64_t value = values[i];
        for (; value && value % 10 == 0; value /= 10) zeros++;
        uint64_t key = zeros << 32 | (rows[i] + (uint64_t)1);
        strata_value_slot *slot = slots + strata_slot_of(key, (uint64_t)value, slot_count);
        while (slot->row != 0 && (slot->row != key || slot->value != (uint64_t)value))
            if (++slot == slots + slot_count) slot = slots;
        counts[rows[i]] += slot->row == 0;
        slot->row = key;
        slot->value = (uint64_t)value;
    }
}

#endif
