/* The masks of single codes of a block, made once where many leaves ask about one category.
 *
 * A leaf about three of thirty codes reads the column. Where as many leaves read it as it has codes,
 * the mask of every code is sooner made in one pass (`code_masks_u8`), and each leaf joins the few
 * that it asks about: 8 KiB each, that stay in the second-level cache while the block is worked on.
 * What a leaf says stays the same: rows that lack the category have code 0, which no mask is of.
 */
#ifndef STRATA_CODE_MASKS_H
#define STRATA_CODE_MASKS_H

#include <stdlib.h>

#include "engine/core/leaf_blocks.h"

/* Columns with codes beyond this have none made: half a megabyte of them is a good part of a cache. */
#define STRATA_CODES_MOST 48u
/* A leaf about more codes reads the column: to join so many takes as long. */
#define STRATA_CODES_JOINED 12u

/* One category of a program. */
typedef struct {
    uint32_t leaf_count; /* that ask about it; 0 where it has no masks */
    int32_t code_count;  /* of the open block: how many codes have masks, -1 not looked at */
    uint64_t *masks;     /* room for STRATA_CODES_MOST, or NULL as long as none were made */
} strata_code_masks;

/* The column of the open block where its codes are to have masks, else NULL. */
static inline const strata_column *strata_coded_column(const strata_reader *reader,
                                                       const strata_code_masks *codes,
                                                       const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    uint32_t p = field->first_part[reader->block];
    if (field->first_part[reader->block + 1] != p + 1) {
        return 0;
    }
    const strata_column *column = (const strata_column *)strata_part(field, p);
    int is_worth = column->max_stored < codes->leaf_count; /* cost */
    return column->width == 1 && column->max_stored <= STRATA_CODES_MOST && is_worth ? column : 0;
}

/* Makes the masks of the open block, if they are to be there; `code_count` says. */
static inline void strata_make_code_masks(const strata_reader *reader, strata_code_masks *codes,
                                          const strata_leaf *leaf) {
    const strata_column *column = strata_coded_column(reader, codes, leaf);
    codes->code_count = 0;
    if (column && !codes->masks) {
        codes->masks = aligned_alloc(64, STRATA_CODES_MOST * STRATA_MASK_STRIDE * 8);
    }
    if (!column || !codes->masks) {
        return;
    }
    uint32_t start = column->first_row / 64, words = (column->row_count + 63) / 64;
    const uint8_t *values = (const uint8_t *)column + column->values_offset;
    codes->code_count = (int32_t)column->max_stored;
    reader->kernels->code_masks_u8(values, words, (uint32_t)column->max_stored,
                                   codes->masks + start);
    for (uint32_t c = 0; c < column->max_stored; c++) {
        uint64_t *mask = codes->masks + (size_t)c * STRATA_MASK_STRIDE;
        memset(mask, 0, 8 * (size_t)start);
        memset(mask + start + words, 0, 8 * (size_t)(STRATA_BLOCK_WORDS - start - words));
    }
}

/* The masks that a leaf is the union of, made if need be; 0 where it reads the column instead. */
static inline uint32_t strata_codes_joined(const strata_reader *reader, strata_code_masks *codes,
                                           const strata_leaf *leaf, const uint64_t **terms) {
    if (codes->code_count < 0) {
        strata_make_code_masks(reader, codes, leaf);
    }
    uint32_t count = 0, last = (uint32_t)codes->code_count;
    last = leaf->highest_code < last ? leaf->highest_code : last;
    for (uint32_t code = leaf->lowest_code; code <= last; code++) {
        if (leaf->members[code >> 6] >> (code & 63) & 1) {
            if (count == STRATA_CODES_JOINED) {
                return 0;
            }
            terms[count++] = codes->masks + (size_t)(code - 1) * STRATA_MASK_STRIDE;
        }
    }
    return count;
}

/* strata_leaf_narrow by masks of codes: sets *rows to how many stay. 0 where it is not to be done
 * so, and nothing is changed. */
static inline int strata_codes_narrow(const strata_reader *reader, strata_code_masks *codes,
                                      const strata_leaf *leaf, int negate, uint64_t *mask,
                                      uint32_t *rows) {
    const uint64_t *terms[1 + STRATA_CODES_JOINED];
    uint32_t count = strata_codes_joined(reader, codes, leaf, terms + 1);
    const uint32_t ends[2] = {1, 1 + count};
    const uint64_t flips[2] = {0, negate ? ~UINT64_C(0) : 0};
    if (!count) {
        return 0;
    }
    terms[0] = mask;
    *rows = reader->kernels->mask_join_any(terms, ends, flips, 2, mask);
    return 1;
}

/* What a leaf costs, which is `cost` where it reads the column. */
static inline uint32_t strata_codes_cost(const strata_reader *reader,
                                         const strata_code_masks *codes,
                                         const strata_leaf *leaf, uint32_t cost) {
    uint32_t joined = leaf->code_count < STRATA_CODES_JOINED ? leaf->code_count : 0;
    if (!joined || !codes->code_count ||
        (codes->code_count < 0 && !strata_coded_column(reader, codes, leaf))) {
        return cost;
    }
    /* A mask is read in a quarter of the time that as much of a column takes. */
    uint32_t masks = joined * STRATA_BITSET_BYTES / 4; /* cost */
    return masks < cost ? masks : cost;
}

#endif
