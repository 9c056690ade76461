/* Hot givers brought to the parts that are stored: the triples of hot parts one behind the other, cut
 * where encode_givers cuts them. One pass copies and finds the bounds of the values.
 */
#ifndef STRATA_STORED_GIVERS_H
#define STRATA_STORED_GIVERS_H

#include "engine/columns/hot_givers.h"

/* Triples of a stored part: 10 bytes each, and 64 for the head and the alignment gaps. */
#define STRATA_STORED_TRIPLES ((STRATA_PART_BYTES - 64u) / 10u)

/* The triple from which on a part is stored next, and the bounds of the values before it. */
typedef struct {
    uint32_t part;
    uint32_t at;
    uint32_t least;
    uint32_t greatest;
} strata_storing;

static inline size_t strata_count_triples(const strata_hot *hot) {
    size_t count = 0;
    for (uint32_t p = 0; p < hot->part_count; p++) count += *strata_open_triples(hot->parts[p]).count;
    return count;
}

/* The head of a stored part of so many triples. */
static inline strata_givers strata_stored_head(uint32_t count) {
    uint32_t at = (uint32_t)sizeof(strata_givers), values = at + ((2 * count + 7) & ~7u);
    return (strata_givers){count, at, values, values + ((4 * count + 7) & ~7u)};
}

static inline uint32_t strata_stored_length(uint32_t count) {
    return strata_stored_head(count).givers_offset + ((4 * count + 7) & ~7u);
}

/* Writes the next `count` triples as a part of that length. */
static inline void strata_store_triples(const strata_hot *hot, uint32_t count,
                                        strata_storing *storing, uint8_t *payload) {
    strata_givers head = strata_stored_head(count);
    memcpy(payload, &head, sizeof head);
    if (count) { /* the gaps behind the arrays */
        memset(payload + head.values_offset - 8, 0, 8);
        memset(payload + head.givers_offset - 8, 0, 8);
        memset(payload + strata_stored_length(count) - 8, 0, 8);
    }
    for (uint32_t done = 0, some; done < count; done += some) {
        strata_triples from = strata_open_triples(hot->parts[storing->part]);
        some = *from.count - storing->at;
        if (some > count - done) some = count - done;
        const uint32_t *values = from.values + storing->at;
        memcpy(payload + head.rows_offset + 2 * done, from.rows + storing->at, 2 * some);
        memcpy(payload + head.values_offset + 4 * done, values, 4 * some);
        memcpy(payload + head.givers_offset + 4 * done, from.givers + storing->at, 4 * some);
        for (uint32_t i = 0; i < some; i++) {
            if (values[i] < storing->least) storing->least = values[i];
            if (values[i] > storing->greatest) storing->greatest = values[i];
        }
        storing->at += some;
        if (storing->at == *from.count) {
            storing->part++;
            storing->at = 0;
        }
    }
}

#endif
