/* Containers and truth masks: a container read into a mask, and one row looked up in it.
 *
 * `base` is the start of the payload that the entry's offset counts from; both come from
 * verified records, so nothing is checked here.
 */
#ifndef STRATA_MASKS_H
#define STRATA_MASKS_H

#include "engine/core/kernels.h"

/* Sets rows [first, first + count) of a mask; count >= 1, the end at most 65536. */
static inline void strata_mask_set_run(uint64_t *mask, uint32_t first, uint32_t count) {
    uint32_t last = first + count - 1;
    uint32_t first_word = first >> 6, last_word = last >> 6;
    uint64_t head = ~UINT64_C(0) << (first & 63);
    uint64_t tail = ~UINT64_C(0) >> (63 - (last & 63));
    if (first_word == last_word) {
        mask[first_word] |= head & tail;
        return;
    }
    mask[first_word] |= head;
    for (uint32_t w = first_word + 1; w < last_word; w++) {
        mask[w] = ~UINT64_C(0);
    }
    mask[last_word] |= tail;
}

/* mask |= container. */
static inline void strata_mask_or_container(uint64_t *mask, const strata_entry *entry,
                                            const uint8_t *base) {
    const uint8_t *bytes = base + entry->offset;
    if (entry->kind == STRATA_BITSET) {
        const uint64_t *words = (const uint64_t *)bytes;
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
            mask[w] |= words[w];
        }
    } else if (entry->kind == STRATA_ARRAY) {
        const uint16_t *rows = (const uint16_t *)bytes;
        for (uint32_t i = 0; i < entry->cardinality; i++) {
            mask[rows[i] >> 6] |= UINT64_C(1) << (rows[i] & 63);
        }
    } else if (entry->kind == STRATA_RUN) {
        const uint16_t *pairs = (const uint16_t *)bytes;
        uint32_t runs = pairs[0];
        for (uint32_t i = 0; i < runs; i++) {
            strata_mask_set_run(mask, pairs[1 + 2 * i], (uint32_t)pairs[2 + 2 * i] + 1);
        }
    }
}

/* mask = container. */
static inline void strata_mask_from_container(uint64_t *mask, const strata_entry *entry,
                                              const uint8_t *base) {
    if (entry->kind == STRATA_BITSET) {
        memcpy(mask, base + entry->offset, STRATA_BLOCK_WORDS * 8);
        return;
    }
    memset(mask, 0, STRATA_BLOCK_WORDS * 8);
    strata_mask_or_container(mask, entry, base);
}

/* Whether the container holds the row: binary search in arrays and runs. */
static inline int strata_container_has(const strata_entry *entry, const uint8_t *base,
                                       uint32_t row) {
    const uint8_t *bytes = base + entry->offset;
    if (entry->kind == STRATA_BITSET) {
        return (int)((((const uint64_t *)bytes)[row >> 6] >> (row & 63)) & 1);
    }
    if (entry->kind == STRATA_ARRAY) {
        const uint16_t *rows = (const uint16_t *)bytes;
        uint32_t low = 0, high = entry->cardinality;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (rows[middle] < row) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low < entry->cardinality && rows[low] == row;
    }
    if (entry->kind == STRATA_RUN) {
        const uint16_t *pairs = (const uint16_t *)bytes;
        uint32_t low = 0, high = pairs[0]; /* the first run that starts after the row */
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (pairs[1 + 2 * middle] <= row) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low > 0 &&
               row <= (uint32_t)pairs[1 + 2 * (low - 1)] + (uint32_t)pairs[2 + 2 * (low - 1)];
    }
    return 0;
}

/* Entry of a code in the directory of one part, or NULL. */
static inline const strata_entry *strata_find_entry(const uint8_t *payload, uint32_t code) {
    const strata_set *set = (const strata_set *)payload;
    const strata_entry *entries = (const strata_entry *)(payload + sizeof(strata_set));
    uint32_t low = 0, high = set->entry_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (entries[middle].code < code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < set->entry_count && entries[low].code == code ? &entries[low] : 0;
}

/* Writes the rows of a mask in order; `rows` has room for all of them. Returns how many. */
static inline uint32_t strata_mask_rows(const uint64_t *mask, uint16_t *rows) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
        for (uint64_t word = mask[w]; word; word &= word - 1) {
            rows[count++] = (uint16_t)(64 * w + (uint32_t)__builtin_ctzll(word));
        }
    }
    return count;
}

#endif
