/* The masks of all ranges of a number, made once a block where many leaves compare it with constants.
 *
 * 1. All that such leaves ask of a value is how many of their bounds, the cuts, it has reached: its
 *    rank, one byte a row. Ranks are made in one pass over the column. Who has no value has rank 0,
 *    which is in no range, and presence is not read again.
 * 2. The ranks are read once, a few words at a time, and give a mask for every leaf: a range of ranks.
 * A leaf by itself would read the column of the block again, from beyond the second-level cache.
 */
#ifndef STRATA_RANGE_MASKS_H
#define STRATA_RANGE_MASKS_H

#include <stdlib.h>

#include "engine/core/leaf_blocks.h"

/* More ranges of a number than these have no masks: two megabytes are a good part of a cache. */
#define STRATA_RANGES_MOST 256u

/* One number of a program. A cut is the least value that a leaf takes in, or the first that it does
 * not. */
typedef struct {
    uint32_t cut_count; /* 0 where it has no masks */
    uint32_t range_count;
    const int64_t *cuts;
    const uint8_t *lows;  /* of each range: its least rank, */
    const uint8_t *spans; /* and the greatest less that */
    int32_t is_made;      /* for the open block: -1 not looked at, 0 leaves read the column */
    uint8_t *ranks;       /* of the whole block, or NULL as long as none were made; */
    uint64_t *masks;      /* as these, */
    strata_cuts *divided; /* and this */
} strata_ranges;

/* Whether the column of the open block is to have ranks: most of it is of a width that they are soon
 * made for. */
static inline int strata_has_ranges(const strata_reader *reader, const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    uint64_t soon = 0, late = 0;
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        if (column->width > 4) {
            return 0;
        }
        *(column->width == 4 || column->width == 1 ? &soon : &late) += column->row_count;
    }
    return soon > late; /* cost */
}

/* The cuts in stored units of a part, divided; 0 where they are not to be used. Cuts that every value
 * has reached count as `before`, those that none has are left out. */
static inline int strata_find_cuts(const strata_ranges *ranges, const strata_column *column,
                                   strata_cuts *out) {
    out->before = 1;
    out->cut_count = 0;
    for (uint32_t i = 0; i < ranges->cut_count; i++) {
        strata_int128 distance = (strata_int128)ranges->cuts[i] - column->base;
        strata_int128 step = (strata_int128)column->step;
        if (distance <= 0) {
            out->before++;
            continue;
        }
        distance = step == 1 ? distance : (distance + step - 1) / step;
        if (distance > (strata_int128)column->max_stored) {
            break;
        }
        out->cuts[out->cut_count++] = (uint32_t)distance;
    }
    return !out->cut_count || strata_divide_cuts(out, (uint32_t)column->max_stored);
}

/* Ranks of a part of bytes: a table has that of each. `ranks` is all zeros. */
static inline void strata_rank_bytes(const strata_kernels *kernels, const strata_column *column,
                                     const strata_cuts *cuts, uint8_t *ranks) {
    uint8_t rank_of[256];
    uint32_t words = (column->row_count + 63) / 64;
    for (uint32_t stored = 0, reached = 0; stored < 256; stored++) {
        while (reached < cuts->cut_count && cuts->cuts[reached] <= stored) {
            reached++;
        }
        rank_of[stored] = (uint8_t)(cuts->before + reached);
    }
    kernels->add_by_u8(ranks, (const uint8_t *)column + column->values_offset, words, rank_of,
                       (uint32_t)column->max_stored);
}

/* Ranks of a part of two bytes a row, which the kernel takes as four. */
static inline void strata_widen_and_rank(const strata_kernels *kernels, const strata_column *column,
                                         const strata_cuts *cuts, uint8_t *ranks) {
    uint32_t wide[64 * STRATA_STRIP_WORDS];
    uint32_t rows = 64 * ((column->row_count + 63) / 64);
    for (uint32_t row = 0; row < rows; row += 64 * STRATA_STRIP_WORDS) {
        uint32_t count = rows - row < 64 * STRATA_STRIP_WORDS ? rows - row : 64 * STRATA_STRIP_WORDS;
        for (uint32_t i = 0; i < count; i++) {
            wide[i] = (uint32_t)strata_stored(column, column->first_row + row + i);
        }
        kernels->ranks_u32(wide, count / 64, cuts, ranks + row);
    }
}

/* Ranks of one part of the open block, where they are all zeros; 0 where there can be none. */
static inline int strata_rank_part(const strata_reader *reader, const strata_ranges *ranges,
                                   const strata_column *column) {
    uint64_t missing[STRATA_BLOCK_WORDS];
    strata_cuts *cuts = ranges->divided;
    uint32_t first = column->first_row, words = (column->row_count + 63) / 64;
    uint8_t *own = ranges->ranks + first;
    if (!strata_find_cuts(ranges, column, cuts)) {
        return 0;
    }
    if (!cuts->cut_count) {
        memset(own, (int)cuts->before, 64 * (size_t)words);
    } else if (column->width == 4) {
        const uint8_t *values = (const uint8_t *)column + column->values_offset;
        reader->kernels->ranks_u32((const uint32_t *)(const void *)values, words, cuts, own);
    } else if (column->width == 1) {
        strata_rank_bytes(reader->kernels, column, cuts, own);
    } else {
        strata_widen_and_rank(reader->kernels, column, cuts, own);
    }
    if (column->presence.cardinality < 64 * words) {
        /* Whoever is missing stores 0, whose rank is known, and loses it. */
        strata_mask_from_entry(missing, &column->presence, (const uint8_t *)column);
        for (uint32_t w = 0; w < STRATA_BLOCK_WORDS; w++) {
            missing[w] = w >= first / 64 && w < first / 64 + words ? ~missing[w] : 0;
        }
        reader->kernels->add_u8(ranges->ranks, missing, (uint8_t)-cuts->before);
    }
    return 1;
}

static inline int strata_have_room(strata_ranges *ranges) {
    if (!ranges->masks) {
        ranges->ranks = aligned_alloc(64, STRATA_BLOCK_ROWS);
        ranges->divided = malloc(sizeof(strata_cuts));
        ranges->masks = aligned_alloc(64, ranges->range_count * (size_t)STRATA_MASK_STRIDE * 8);
        if (!ranges->ranks || !ranges->divided || !ranges->masks) {
            ranges->cut_count = 0;
        }
    }
    return ranges->cut_count > 0;
}

/* Makes the masks of the open block, if they are to be there; `is_made` says. */
static inline void strata_make_ranges(const strata_reader *reader, strata_ranges *ranges,
                                      const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    ranges->is_made = 0;
    if (!strata_has_ranges(reader, leaf) || !strata_have_room(ranges)) {
        return;
    }
    memset(ranges->ranks, 0, STRATA_BLOCK_ROWS);
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        if (!strata_rank_part(reader, ranges, (const strata_column *)strata_part(field, p))) {
            return;
        }
    }
    reader->kernels->range_masks_u8(ranges->ranks, STRATA_BLOCK_WORDS, ranges->lows, ranges->spans,
                                    ranges->range_count, ranges->masks);
    ranges->is_made = 1;
}

/* The mask of a leaf, made if need be; NULL where it reads the column instead. */
static inline const uint64_t *strata_range_mask(const strata_reader *reader, strata_ranges *ranges,
                                                const strata_leaf *leaf) {
    if (ranges->is_made < 0) {
        strata_make_ranges(reader, ranges, leaf);
    }
    return ranges->is_made ? ranges->masks + (size_t)(leaf->range - 1) * STRATA_MASK_STRIDE : 0;
}

#endif
