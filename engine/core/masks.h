/* Containers of stored fields and truth masks: a container read into a mask, and found.
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
