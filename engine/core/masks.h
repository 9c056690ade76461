/* Containers of stored fields and truth masks: a container read into a mask, joined with one, and
 * found.
 *
 * `base` is the start of the payload that an entry's offset counts from; both come from
 * verified records, so nothing is checked here. The three forms of a container are read by
 * engine/bitmaps/containers.h.
 */
#ifndef STRATA_MASKS_H
#define STRATA_MASKS_H

#include "engine/bitmaps/directory.h"
#include "engine/core/kernels.h"

/* mask |= container. */
static inline void strata_mask_or_entry(uint64_t *mask, const strata_entry *entry,
                                        const uint8_t *base) {
    strata_container_or_mask(entry->kind, base + entry->offset, entry->cardinality, mask);
}

/* mask = container. */
static inline void strata_mask_from_entry(uint64_t *mask, const strata_entry *entry,
                                          const uint8_t *base) {
    if (entry->kind == STRATA_BITSET) {
        memcpy(mask, base + entry->offset, STRATA_BITSET_BYTES);
        return;
    }
    memset(mask, 0, STRATA_BITSET_BYTES);
    strata_mask_or_entry(mask, entry, base);
}

/* mask &= container; returns the rows left. A bitset is joined where it lies. Of an array the rows
 * that the mask has are all that stays, and no mask is made of it. Between runs all is cleared. */
static inline uint32_t strata_mask_and_entry(const strata_kernels *kernels, uint64_t *mask,
                                             const strata_entry *entry, const uint8_t *base) {
    const uint8_t *bytes = base + entry->offset;
    uint16_t kept[STRATA_ARRAY_ROWS];
    uint32_t count = 0;
    switch (entry->kind) {
    case STRATA_BITSET: return kernels->mask_and(mask, (const uint64_t *)(const void *)bytes);
    case STRATA_RUN:
        strata_mask_and_runs(mask, bytes);
        return kernels->mask_count(mask);
    case STRATA_ARRAY:
        count = kernels->rows_in_mask((const uint16_t *)(const void *)bytes, entry->cardinality,
                                      mask, 0, kept);
    }
    memset(mask, 0, STRATA_BITSET_BYTES);
    strata_mask_set_rows(mask, kept, count);
    return count;
}

/* mask &= ~container; returns the rows left. */
static inline uint32_t strata_mask_and_not_entry(const strata_kernels *kernels, uint64_t *mask,
                                                 const strata_entry *entry,
                                                 const uint8_t *base) {
    const uint8_t *bytes = base + entry->offset;
    switch (entry->kind) {
    case STRATA_BITSET: return kernels->mask_and_not(mask, (const uint64_t *)(const void *)bytes);
    case STRATA_RUN: strata_mask_clear_runs(mask, bytes); break;
    case STRATA_ARRAY: strata_mask_clear_rows(mask, bytes, entry->cardinality); break;
    }
    return kernels->mask_count(mask);
}

/* How many rows of the mask are in the container, which is not made a mask. */
static inline uint32_t strata_mask_count_entry(const strata_kernels *kernels, const uint64_t *mask,
                                               const strata_entry *entry, const uint8_t *base) {
    const uint8_t *bytes = base + entry->offset;
    uint16_t kept[STRATA_ARRAY_ROWS];
    if (entry->kind == STRATA_BITSET) {
        const uint64_t *terms[2] = {mask, (const uint64_t *)(const void *)bytes};
        const uint64_t flips[2] = {0, 0};
        return kernels->mask_join(terms, flips, 2, 0);
    }
    if (entry->kind == STRATA_RUN) return strata_mask_count_runs(mask, bytes);
    if (entry->kind == STRATA_EMPTY) return 0;
    return kernels->rows_in_mask((const uint16_t *)(const void *)bytes, entry->cardinality, mask,
                                 0, kept);
}

/* Whether the container holds the row. */
static inline int strata_entry_has(const strata_entry *entry, const uint8_t *base, uint32_t row) {
    return strata_container_contains(entry->kind, base + entry->offset, entry->cardinality, row);
}

/* Entry of a code in the directory of one part, or NULL. */
static inline const strata_entry *strata_find_entry(const uint8_t *payload, uint32_t code) {
    int64_t i = strata_directory_find(payload, code);
    return i < 0 ? 0 : (const strata_entry *)(payload + sizeof(strata_set)) + i;
}

#endif
