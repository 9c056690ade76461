/* Directories: the containers of one field of one block, packed behind sorted entries.
 *
 * A payload is a strata_set, its entries, then the bitsets (aligned to 64), then the arrays and
 * runs (aligned to 8), each group in the order of the entries: so the size of a payload follows
 * from counts alone and can be known before anything is placed.
 * Readers trust the payload except strata_directory_check, which reads any bytes safely.
 */
#ifndef STRATA_DIRECTORY_H
#define STRATA_DIRECTORY_H

#include "engine/bitmaps/containers.h"

/* What a payload will take: grown entry by entry, never shrunk. */
typedef struct {
    uint32_t entry_count;
    uint32_t bitset_count;
    uint32_t other_bytes; /* of arrays and runs, each rounded up to 8 */
} strata_extent;

static inline void strata_extent_add(strata_extent *extent, const strata_entry *entry) {
    extent->entry_count++;
    if (entry->kind == STRATA_BITSET) extent->bitset_count++;
    else extent->other_bytes += (2u * entry->size_in_2 + 7u) & ~7u;
}

/* Offset of the first bitset, or of the other containers where there is no bitset. */
static inline uint32_t strata_extent_body(strata_extent extent) {
    uint32_t end = (uint32_t)sizeof(strata_set)
                   + extent.entry_count * (uint32_t)sizeof(strata_entry);
    return extent.bitset_count ? (end + 63u) & ~63u : end;
}

static inline uint32_t strata_extent_bytes(strata_extent extent) {
    return strata_extent_body(extent) + extent.bitset_count * STRATA_BITSET_BYTES
           + extent.other_bytes;
}

/* Writes one payload of `extent` bytes, zeroed before. Entry i holds the rows
 * rows[starts[i]:starts[i + 1]]; the entries are measured and get their offsets here. */
static inline void strata_directory_write(strata_extent extent, strata_entry *entries,
                                          const int64_t *starts, const uint16_t *rows,
                                          uint8_t *payload) {
    strata_set head = {extent.entry_count, 0, 0, 0};
    if (extent.entry_count) {
        head.first_code = entries[0].code;
        head.last_code = entries[extent.entry_count - 1].code;
    }
    uint32_t bitset_at = strata_extent_body(extent);
    uint32_t other_at = bitset_at + extent.bitset_count * STRATA_BITSET_BYTES;
    for (uint32_t i = 0; i < extent.entry_count; i++) {
        strata_entry *entry = &entries[i];
        if (entry->kind == STRATA_EMPTY) continue;
        uint32_t *at = entry->kind == STRATA_BITSET ? &bitset_at : &other_at;
        entry->offset = *at;
        strata_write_rows(*entry, rows + starts[i], payload + *at);
        *at += (2u * entry->size_in_2 + 7u) & ~7u;
    }
    memcpy(payload, &head, sizeof head);
    memcpy(payload + sizeof head, entries, extent.entry_count * sizeof(strata_entry));
}

static inline strata_entry strata_directory_entry(const uint8_t *payload, uint32_t i) {
    strata_entry entry;
    memcpy(&entry, payload + sizeof(strata_set) + i * sizeof entry, sizeof entry);
    return entry;
}

static inline uint32_t strata_directory_count(const uint8_t *payload) {
    strata_set head;
    memcpy(&head, payload, sizeof head);
    return head.entry_count;
}

/* Index of the entry of this code, or -1. */
static inline int64_t strata_directory_find(const uint8_t *payload, uint32_t code) {
    int64_t low = 0, high = (int64_t)strata_directory_count(payload) - 1;
    while (low <= high) {
        int64_t middle = (low + high) / 2;
        uint32_t found = strata_directory_entry(payload, (uint32_t)middle).code;
        if (found == code) return middle;
        if (found < code) low = middle + 1;
        else high = middle - 1;
    }
    return -1;
}

/* Codes whose container has the row, in order, after code 0; returns how many. `codes` has
 * room for the entry count. */
static inline uint32_t strata_directory_codes_of_row(const uint8_t *payload, uint32_t row,
                                                     uint32_t *codes) {
    uint32_t count = strata_directory_count(payload), found = 0;
    for (uint32_t i = 0; i < count; i++) {
        strata_entry entry = strata_directory_entry(payload, i);
        if (entry.code == 0 || entry.kind == STRATA_EMPTY) continue;
        if (strata_container_contains(entry.kind, payload + entry.offset, entry.cardinality, row))
            codes[found++] = entry.code;
    }
    return found;
}

/* Faults of a directory beyond those of a container. */
enum {
    STRATA_BAD_HEAD = 16, /* entry count, first or last code, or a reserved field */
    STRATA_BAD_CODES,     /* codes not ascending */
    STRATA_BAD_OFFSET,    /* a container past the end of the payload, or misaligned */
};

static inline int strata_entry_check(strata_entry entry, const uint8_t *payload, size_t size) {
    size_t bytes = 2 * (size_t)entry.size_in_2;
    if (entry.reserved) return STRATA_BAD_KIND;
    if (entry.kind == STRATA_EMPTY)
        return strata_container_check(entry.kind, payload, bytes, entry.cardinality);
    if (entry.offset % (entry.kind == STRATA_BITSET ? 64 : 8)) return STRATA_BAD_OFFSET;
    if (entry.offset > size || bytes > size - entry.offset) return STRATA_BAD_OFFSET;
    return strata_container_check(entry.kind, payload + entry.offset, bytes, entry.cardinality);
}

/* Reads untrusted bytes, `size` of them, and never past them; 0 where they are sound. */
static inline int strata_directory_check(const uint8_t *payload, size_t size) {
    strata_set head;
    if (size < sizeof head) return STRATA_BAD_HEAD;
    memcpy(&head, payload, sizeof head);
    if (head.reserved || head.entry_count > (size - sizeof head) / sizeof(strata_entry))
        return STRATA_BAD_HEAD;
    for (uint32_t i = 0; i < head.entry_count; i++) {
        strata_entry entry = strata_directory_entry(payload, i);
        if (i == 0 && entry.code != head.first_code) return STRATA_BAD_HEAD;
        if (i == head.entry_count - 1 && entry.code != head.last_code) return STRATA_BAD_HEAD;
        if (i > 0 && entry.code <= strata_directory_entry(payload, i - 1).code)
            return STRATA_BAD_CODES;
        size_t least = sizeof head + head.entry_count * sizeof entry;
        if (entry.kind != STRATA_EMPTY && entry.offset < least) return STRATA_BAD_OFFSET;
        int fault = strata_entry_check(entry, payload, size);
        if (fault) return fault;
    }
    return STRATA_SOUND;
}

#endif
