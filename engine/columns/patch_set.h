/* A directory of containers with some (row, code) pairs put in or taken out.
 *
 *   1. Every container that a pair names is written anew (strata_lay_pairs): short arrays by one
 *      merge, the others through a mask. The rest stay as the bytes they are.
 *   2. The presence follows (strata_follow_presence): rows that got a value are present, and of
 *      those that lost one and got none, each is looked for in the containers that are left.
 *   3. All containers are packed again behind their entries (strata_write_held).
 *
 * Old containers are read at any alignment; nothing here allocates.
 */
#ifndef STRATA_PATCH_SET_H
#define STRATA_PATCH_SET_H

#include "engine/bitmaps/directory.h"
#include "engine/columns/mask_forms.h"

/* A measured container and where its bytes are; the offset of its entry means nothing yet. */
typedef struct {
    strata_entry entry;
    const uint8_t *bytes;
} strata_held;

/* Pairs sorted by code, then by row, each once; is_held[i] says in or out. */
typedef struct {
    const uint32_t *codes;
    const uint16_t *rows;
    const uint8_t *is_held;
    size_t count;
} strata_pairs;

/* The containers of a payload, in order of their codes; returns how many. */
static inline uint32_t strata_list_held(const uint8_t *payload, strata_held *held) {
    uint32_t count = strata_directory_count(payload);
    for (uint32_t i = 0; i < count; i++) {
        held[i].entry = strata_directory_entry(payload, i);
        held[i].bytes = payload + held[i].entry.offset;
    }
    return count;
}

/* ---------------------------------------------------------------------------- containers */

/* Rows of a short array with pairs start..end laid over, into `out`; returns how many. */
static inline uint32_t strata_merge_rows(const strata_held *old, const strata_pairs *pairs,
                                         size_t start, size_t end, uint16_t *out) {
    uint32_t count = 0, i = 0;
    for (size_t p = start; p < end; p++) {
        uint16_t row = pairs->rows[p];
        for (; i < old->entry.cardinality; i++) {
            uint16_t held = strata_load16(old->bytes + 2 * (size_t)i);
            if (held >= row) {
                i += held == row;
                break;
            }
            out[count++] = held;
        }
        if (pairs->is_held[p]) out[count++] = row;
    }
    uint32_t rest = old->entry.cardinality - i;
    if (rest) memcpy(out + count, old->bytes + 2 * (size_t)i, 2 * (size_t)rest);
    return count + rest;
}

static inline size_t strata_container_bytes(strata_entry entry) {
    return (2u * entry.size_in_2 + 7u) & ~7u;
}

/* The bytes that a container can take after `count` rows were put in. */
static inline size_t strata_most_bytes(uint32_t cardinality, size_t count) {
    size_t rows = cardinality + count;
    return rows > STRATA_ARRAY_ROWS ? STRATA_BITSET_BYTES : (2 * rows + 7) & ~(size_t)7;
}

/* The mask as a container whose bytes are written at `out`. */
static inline strata_held strata_held_of_mask(uint32_t code, const uint64_t *mask, uint8_t *out) {
    strata_held held = {strata_measure_words(mask, 0, STRATA_BLOCK_WORDS), out};
    held.entry.code = code;
    strata_write_words(held.entry, mask, 0, STRATA_BLOCK_WORDS, out);
    return held;
}

/* `old` with pairs start..end, which are of its code, laid over; its bytes are at `out`. */
static inline strata_held strata_patch_held(strata_held old, const strata_pairs *pairs,
                                            size_t start, size_t end, uint8_t *out) {
    size_t count = end - start;
    int is_short = old.entry.kind == STRATA_ARRAY || old.entry.kind == STRATA_EMPTY;
    if (is_short && old.entry.cardinality + count <= STRATA_ARRAY_ROWS) {
        uint16_t rows[STRATA_ARRAY_ROWS];
        uint32_t merged = strata_merge_rows(&old, pairs, start, end, rows);
        strata_held held = {strata_measure_rows(rows, merged), out};
        held.entry.code = old.entry.code;
        strata_write_rows(held.entry, rows, out);
        return held;
    }
    uint64_t mask[STRATA_BLOCK_WORDS];
    memset(mask, 0, sizeof mask);
    strata_container_or_mask(old.entry.kind, old.bytes, old.entry.cardinality, mask);
    strata_mask_lay_rows(mask, pairs->rows + start, pairs->is_held + start, count);
    return strata_held_of_mask(old.entry.code, mask, out);
}

static inline size_t strata_end_of_code(const strata_pairs *pairs, size_t start) {
    size_t end = start + 1;
    while (end < pairs->count && pairs->codes[end] == pairs->codes[start]) end++;
    return end;
}

/* Bytes for the containers that pairs change, at most. `old` ascends by code. */
static inline size_t strata_room_for_pairs(const strata_held *old, uint32_t old_count,
                                           const strata_pairs *pairs) {
    size_t room = 0, start = 0;
    uint32_t i = 0;
    while (start < pairs->count) {
        size_t end = strata_end_of_code(pairs, start);
        while (i < old_count && old[i].entry.code < pairs->codes[start]) i++;
        int is_known = i < old_count && old[i].entry.code == pairs->codes[start];
        room += strata_most_bytes(is_known ? old[i].entry.cardinality : 0, end - start);
        start = end;
    }
    return room;
}

/* Writes the containers once the pairs are laid over; returns how many hold rows. `now` has
 * room for the old ones and one for each code of the pairs; changed bytes go to `room`. */
static inline uint32_t strata_lay_pairs(const strata_held *old, uint32_t old_count,
                                        const strata_pairs *pairs, strata_held *now,
                                        uint8_t *room) {
    uint32_t count = 0, i = 0;
    size_t start = 0;
    while (i < old_count || start < pairs->count) {
        strata_held held = {{0, 0, 0, 0, STRATA_EMPTY, 0}, room};
        int is_changed = start < pairs->count
                         && (i == old_count || pairs->codes[start] <= old[i].entry.code);
        if (i < old_count && (!is_changed || old[i].entry.code == pairs->codes[start])) {
            held = old[i++];
        } else {
            held.entry.code = pairs->codes[start];
        }
        if (is_changed) {
            size_t end = strata_end_of_code(pairs, start);
            held = strata_patch_held(held, pairs, start, end, room);
            room += strata_container_bytes(held.entry);
            start = end;
        }
        if (held.entry.cardinality) now[count++] = held;
    }
    return count;
}

/* ------------------------------------------------------------------------------ presence */

/* Takes from the mask of rows looked for those that the container has; returns how many.
 * `rows` lists `count` rows, among them all that are still in the mask. */
static inline uint32_t strata_find_rows(const strata_held *held, uint64_t *wanted,
                                        const uint16_t *rows, uint32_t count) {
    uint32_t found = 0, cardinality = held->entry.cardinality;
    /* One look into an array is taken to cost as much as passing over 8 of its rows. */
    int is_passed = held->entry.kind == STRATA_ARRAY && cardinality < 8 * count;
    uint32_t looks = is_passed ? cardinality : count;
    for (uint32_t i = 0; i < looks; i++) {
        uint16_t row = is_passed ? strata_load16(held->bytes + 2 * (size_t)i) : rows[i];
        uint64_t bit = (uint64_t)1 << (row & 63);
        if (!(wanted[row >> 6] & bit)) continue;
        if (is_passed
            || strata_container_contains(held->entry.kind, held->bytes, cardinality, row)) {
            wanted[row >> 6] &= ~bit;
            found++;
        }
    }
    return found;
}

/* Brings the presence up to the containers `now`, of which none is the presence. `rows` has
 * room for all rows of a block. */
static inline void strata_follow_presence(const strata_held *now, uint32_t count,
                                          const strata_pairs *pairs, uint64_t *presence,
                                          uint16_t *rows) {
    uint64_t wanted[STRATA_BLOCK_WORDS];
    memset(wanted, 0, sizeof wanted);
    for (size_t i = 0; i < pairs->count; i++) {
        if (!pairs->is_held[i]) strata_mask_set_rows(wanted, pairs->rows + i, 1);
    }
    for (size_t i = 0; i < pairs->count; i++) {
        uint64_t bit = (uint64_t)1 << (pairs->rows[i] & 63);
        if (!pairs->is_held[i]) continue;
        wanted[pairs->rows[i] >> 6] &= ~bit;
        presence[pairs->rows[i] >> 6] |= bit;
    }
    uint32_t left = strata_mask_to_rows(wanted, rows), listed = left;
    /* Large containers first: they find most rows, and a look into them is the cheapest. */
    for (int arrays = 0; arrays < 2; arrays++) {
        for (uint32_t i = 0; i < count && left; i++) {
            if ((now[i].entry.kind == STRATA_ARRAY) != arrays) continue;
            left -= strata_find_rows(&now[i], wanted, rows, listed);
            if (left < listed / 2) listed = strata_mask_to_rows(wanted, rows);
        }
    }
    for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) presence[w] &= ~wanted[w];
}

/* ------------------------------------------------------------------------------- packing */

/* The extent of as many leading containers as one part can hold; at least one. */
static inline strata_extent strata_take_held(const strata_held *held, uint32_t count) {
    strata_extent extent = {0, 0, 0};
    for (uint32_t i = 0; i < count; i++) {
        strata_extent longer = extent;
        strata_extent_add(&longer, &held[i].entry);
        if (i > 0 && strata_extent_bytes(longer) > STRATA_PART_BYTES) break;
        extent = longer;
    }
    return extent;
}

/* Writes one payload of strata_extent_bytes: its head, entries and containers. */
static inline void strata_write_held(strata_extent extent, const strata_held *held,
                                     uint8_t *payload) {
    uint32_t count = extent.entry_count;
    strata_set head = {count, held[0].entry.code, held[count - 1].entry.code, 0};
    uint32_t bitset_at = strata_extent_body(extent);
    uint32_t other_at = bitset_at + extent.bitset_count * STRATA_BITSET_BYTES;
    uint8_t *entry_at = payload + sizeof head;
    memcpy(payload, &head, sizeof head);
    for (uint32_t i = 0; i < count; i++, entry_at += sizeof(strata_entry)) {
        strata_entry entry = held[i].entry;
        uint32_t *at = entry.kind == STRATA_BITSET ? &bitset_at : &other_at;
        size_t size = 2 * (size_t)entry.size_in_2, taken = strata_container_bytes(entry);
        entry.offset = entry.kind == STRATA_EMPTY ? 0 : *at;
        if (size) memcpy(payload + *at, held[i].bytes, size);
        memset(payload + *at + size, 0, taken - size);
        *at += (uint32_t)taken;
        memcpy(entry_at, &entry, sizeof entry);
    }
    memset(entry_at, 0, (size_t)(payload + strata_extent_body(extent) - entry_at));
}

#endif
