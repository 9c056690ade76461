/* Hot blocks: fields of blocks in memory that their owner writes in place.
 *
 * A hot payload is read like any other of layout.h and has the same contents, in a form that can
 * be written: rows up to the end of the block, presence as a bitset, spare room, bounds that may
 * be wider than needed. Counts and cardinalities are always exact.
 *
 * Memory may be written where no open snapshot sees it. `born` is the first record of the log
 * from which on only the newest version has it; see strata_is_writable.
 */
#ifndef STRATA_HOT_H
#define STRATA_HOT_H

#include <stddef.h>
#include <stdint.h>

#include "engine/bitmaps/layout.h"

/* One field of one block. */
typedef struct {
    uint8_t **parts;    /* where each part begins: at a multiple of 64 */
    uint32_t *lengths;  /* bytes of each part, spare room included */
    uint32_t part_count;
    uint64_t born;      /* see above */
    uint64_t sequence;  /* the last record of the log that changed it */
    double low, high;   /* of floats: every value lies between them */
} strata_hot;

/* The hot blocks of one field by block number; NULL where a block is not hot. */
typedef struct {
    strata_hot **blocks;
    uint32_t block_count;
} strata_hot_field;

static inline strata_hot *strata_hot_block(const strata_hot_field *field, uint32_t block) {
    return block < field->block_count ? field->blocks[block] : 0;
}

/* `newest_open` is the newest data version that an open snapshot sees, 0 where none is open. */
static inline int strata_is_writable(const strata_hot *hot, uint64_t newest_open) {
    return hot->born > newest_open;
}

/* The entry of a bitset in place once it has this many rows. A container of no rows is one of no
 * bytes to every reader; the bitset keeps its place, and its offset. */
static inline void strata_set_cardinality(strata_entry *entry, uint32_t cardinality) {
    entry->cardinality = cardinality;
    entry->kind = cardinality ? STRATA_BITSET : STRATA_EMPTY;
    entry->size_in_2 = cardinality ? STRATA_BLOCK_WORDS * 8 / 2 : 0;
}

/* The rows from `start` on that are in one block: returns the first that is not. Rows ascend and
 * are numbered in the whole store. */
static inline size_t strata_end_of_block(const uint32_t *rows, size_t count, size_t start) {
    uint32_t block = rows[start] / STRATA_BLOCK_ROWS;
    size_t end = start + 1;
    while (end < count && rows[end] / STRATA_BLOCK_ROWS == block) end++;
    return end;
}

/* Whether rows ascend, each once. */
static inline int strata_rows_ascend(const uint32_t *rows, size_t count) {
    int ascend = 1;
    for (size_t i = 1; i < count; i++) ascend &= rows[i - 1] < rows[i];
    return ascend;
}

#endif
