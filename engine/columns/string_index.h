/* A growing set of distinct byte strings, numbered from 0 in the order they came.
 *
 * Open addressing with linear probing, at most half full. A slot is 64 bits: the upper half of
 * the string's XXH64, which also places it, and the string's number + 1 (0: free). So probing
 * touches the strings' bytes only where 32 bits of hash agree, and growing touches no string.
 * The strings are copied into one heap.
 *
 * One thread at a time may add; any number may find while nobody adds. An operation returns 0
 * where memory ran out, and the index is then as it was before.
 */
#ifndef STRATA_STRING_INDEX_H
#define STRATA_STRING_INDEX_H

#include <stdlib.h>

#include "engine/columns/hashing.h"

#define STRATA_INDEX_FIRST_SLOTS 64u

/* Strings hashed ahead of their probes, so that the slots of a large table are on their way
 * from memory while earlier strings are compared. */
#define STRATA_INDEX_AHEAD 16

typedef struct {
    uint64_t *slots;
    uint64_t slot_mask;
    int64_t *offsets;      /* [count + 1] */
    uint8_t *heap;
    int64_t count;
    int64_t offset_room;   /* elements */
    int64_t heap_room;     /* bytes */
} strata_string_index;

static inline void strata_index_free(strata_string_index *index) {
    free(index->slots);
    free(index->offsets);
    free(index->heap);
    memset(index, 0, sizeof *index);
}

static inline int strata_index_init(strata_string_index *index) {
    memset(index, 0, sizeof *index);
    index->slots = (uint64_t *)calloc(STRATA_INDEX_FIRST_SLOTS, sizeof *index->slots);
    index->slot_mask = STRATA_INDEX_FIRST_SLOTS - 1;
    index->offset_room = STRATA_INDEX_FIRST_SLOTS;
    index->offsets = (int64_t *)calloc((size_t)index->offset_room, sizeof *index->offsets);
    index->heap_room = 1024;
    index->heap = (uint8_t *)malloc((size_t)index->heap_room);
    if (index->slots && index->offsets && index->heap) return 1;
    strata_index_free(index);
    return 0;
}

/* The number of an equal string, or -1; `slot` is where it stands or would stand. */
static inline int64_t strata_index_probe(const strata_string_index *index, uint64_t hash,
                                         const uint8_t *bytes, int64_t size, uint64_t *slot) {
    uint64_t tag = hash >> 32, at = tag & index->slot_mask;
    for (;; at = (at + 1) & index->slot_mask) {
        uint64_t found = index->slots[at];
        *slot = at;
        if (found == 0) return -1;
        if (found >> 32 != tag) continue;
        int64_t number = (int64_t)(found & 0xFFFFFFFFu) - 1, from = index->offsets[number];
        if (index->offsets[number + 1] - from == size
            && (size == 0 || memcmp(index->heap + from, bytes, (size_t)size) == 0))
            return number;
    }
}

static inline int strata_index_grow_slots(strata_string_index *index) {
    uint64_t mask = index->slot_mask * 2 + 1;
    uint64_t *slots = (uint64_t *)calloc(mask + 1, sizeof *slots);
    if (!slots) return 0;
    for (uint64_t i = 0; i <= index->slot_mask; i++) {
        uint64_t slot = index->slots[i], at = (slot >> 32) & mask;
        if (slot == 0) continue;
        while (slots[at]) at = (at + 1) & mask;
        slots[at] = slot;
    }
    free(index->slots);
    index->slots = slots;
    index->slot_mask = mask;
    return 1;
}

/* Room for one more string of `size` bytes. */
static inline int strata_index_reserve(strata_string_index *index, int64_t size) {
    if ((uint64_t)(index->count + 1) * 2 > index->slot_mask + 1
        && !strata_index_grow_slots(index))
        return 0;
    if (index->count + 2 > index->offset_room) {
        void *grown = realloc(index->offsets, (size_t)index->offset_room * 2 * sizeof(int64_t));
        if (!grown) return 0;
        index->offsets = (int64_t *)grown;
        index->offset_room *= 2;
    }
    int64_t needed = index->offsets[index->count] + size, room = index->heap_room;
    while (room < needed) room *= 2;
    if (room > index->heap_room) {
        void *grown = realloc(index->heap, (size_t)room);
        if (!grown) return 0;
        index->heap = (uint8_t *)grown;
        index->heap_room = room;
    }
    return 1;
}

/* The number of the string, added if it is new; -1 where memory ran out. */
static inline int64_t strata_index_add(strata_string_index *index, uint64_t hash,
                                       const uint8_t *bytes, int64_t size) {
    uint64_t slot;
    int64_t number = strata_index_probe(index, hash, bytes, size, &slot);
    if (number >= 0) return number;
    if (!strata_index_reserve(index, size)) return -1;
    strata_index_probe(index, hash, bytes, size, &slot); /* the table may have grown */
    int64_t from = index->offsets[index->count];
    if (size) memcpy(index->heap + from, bytes, (size_t)size);
    number = index->count++;
    index->offsets[index->count] = from + size;
    index->slots[slot] = (hash >> 32) << 32 | (uint64_t)(number + 1);
    return number;
}

/* Finds or adds many strings; string i is data[offsets[i]:offsets[i + 1]]. numbers[i] is -1
 * where valid[i] is 0, and, when only finding, where the string is unknown. */
static inline int strata_index_run(strata_string_index *index, const int64_t *offsets,
                                   const uint8_t *data, const uint8_t *valid, int64_t count,
                                   int adding, int32_t *numbers) {
    uint64_t hashes[STRATA_INDEX_AHEAD], slot;
    for (int64_t begin = 0; begin < count; begin += STRATA_INDEX_AHEAD) {
        int64_t end = count - begin < STRATA_INDEX_AHEAD ? count : begin + STRATA_INDEX_AHEAD;
        for (int64_t i = begin; i < end; i++) {
            hashes[i - begin] = strata_xxh64(data + offsets[i],
                                             (size_t)(offsets[i + 1] - offsets[i]), 0);
            __builtin_prefetch(&index->slots[(hashes[i - begin] >> 32) & index->slot_mask]);
        }
        for (int64_t i = begin; i < end; i++) {
            int64_t number = -1, size = offsets[i + 1] - offsets[i];
            if (valid[i] && adding) {
                number = strata_index_add(index, hashes[i - begin], data + offsets[i], size);
                if (number < 0) return 0;
            } else if (valid[i]) {
                number = strata_index_probe(index, hashes[i - begin], data + offsets[i], size,
                                            &slot);
            }
            numbers[i] = (int32_t)number;
        }
    }
    return 1;
}

#endif
