/* Distinct values by row: how many different values the events of each row have.
 *
 * Tables of (row, value), open addressing with linear probing, at most half full; one form for
 * codes, one for any 64 bits, one for texts. The smaller a slot, the more of the table is in the
 * second-level cache, which is what the time goes to.
 * Whether a value is new cannot be guessed, so a free slot and an equal one take the same way;
 * only a slot of something else is a jump.
 *
 * Manual
 *   - `slot_count` is a power of two, strata_slots_for the number of events that are ever added,
 *     or more. All bytes of the slots are zero at first.
 *   - Each function adds to the counts of rows the values that they have not had.
 */
#ifndef STRATA_DISTINCT_H
#define STRATA_DISTINCT_H

#include "engine/columns/hashing.h"
#include "engine/events/picks.h"

/* A value of ints, floats (their bits) or digests. `row` is one more, 0 where the slot is free. */
typedef struct {
    uint64_t value;
    uint64_t row;
} strata_value_slot;

/* A text, by its hash; the bytes are those of a chunk. `row` as above. */
typedef struct {
    uint64_t hash;
    uint32_t row;
    uint32_t length;
    const uint8_t *text;
} strata_text_slot;

static inline uint32_t strata_slots_for(uint64_t event_count) {
    uint64_t slots = 64;
    while (slots < 2 * event_count) slots *= 2;
    return (uint32_t)slots;
}

/* Fibonacci hashing: the upper bits of a product depend on all bits of the key. */
static inline uint32_t strata_slot_of(uint64_t row, uint64_t value, uint32_t slot_count) {
    uint64_t hash = (value ^ (value >> 32) ^ row << 40) * UINT64_C(0x9E3779B97F4A7C15);
    hash = (hash ^ row) * UINT64_C(0xD6E8FEB86659FD93);
    return (uint32_t)(hash >> 32) & (slot_count - 1);
}

/* A slot is row + 1 and code, 0 where it is free. */
static inline void strata_distinct_codes(uint64_t *restrict slots, uint32_t slot_count,
                                         const uint16_t *restrict rows,
                                         const int64_t *restrict codes, uint32_t count,
                                         uint32_t *restrict counts) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = (rows[i] + (uint64_t)1) << 32 | (uint64_t)codes[i];
        uint32_t at = strata_slot_of(0, key, slot_count);
        while (slots[at] != 0 && slots[at] != key) at = (at + 1) & (slot_count - 1);
        counts[rows[i]] += slots[at] == 0;
        slots[at] = key;
    }
}

static inline void strata_distinct_values(strata_value_slot *restrict slots, uint32_t slot_count,
                                          const uint16_t *restrict rows,
                                          const int64_t *restrict values, uint32_t count,
                                          uint32_t *restrict counts) {
    for (uint32_t i = 0; i < count; i++) {
        uint64_t row = rows[i] + (uint64_t)1, value = (uint64_t)values[i];
        strata_value_slot *slot = slots + strata_slot_of(row, value, slot_count);
        while ((slot->row != 0) & ((slot->row != row) | (slot->value != value)))
            if (++slot == slots + slot_count) slot = slots;
        counts[rows[i]] += slot->row == 0;
        slot->row = row;
        slot->value = value;
    }
}

static inline void strata_distinct_text(strata_text_slot *slots, uint32_t slot_count, uint32_t row,
                                        const uint8_t *text, uint32_t length, uint32_t *counts) {
    uint64_t hash = strata_xxh64(text, length, 0);
    strata_text_slot *slot = slots + strata_slot_of(row, hash, slot_count);
    while (slot->row != 0) {
        if (slot->row == row + 1 && slot->hash == hash && slot->length == length &&
            memcmp(slot->text, text, length) == 0)
            return;
        if (++slot == slots + slot_count) slot = slots;
    }
    *slot = (strata_text_slot){hash, row + 1, length, text};
    counts[row]++;
}

/* Bytes of a slot for a kind of column. */
static inline size_t strata_slot_bytes(uint32_t kind) {
    return kind == STRATA_EVENT_CODES   ? sizeof(uint64_t)
           : kind == STRATA_EVENT_TEXTS ? sizeof(strata_text_slot)
                                        : sizeof(strata_value_slot);
}

#endif
