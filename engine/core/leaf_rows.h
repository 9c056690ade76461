/* The leaves over a stretch of rows: columns gathered once, and every leaf run over them.
 *
 * 1. `strata_gather` brings what a column has of the rows of a stretch, wherever they lie, into
 *    one flat array. Several leaves read the same column, so its memory is waited for once.
 * 2. `strata_flat_leaf` runs a leaf over such arrays, 64 rows at a time, without a branch on the
 *    data.
 * 3. What is not read from one or two columns (sets, texts, sums, lists) is looked up for the rows
 *    that still matter: `strata_picked_leaf`.
 *
 * `strata_leaf_test` says the same of each row.
 */
#ifndef STRATA_LEAF_ROWS_H
#define STRATA_LEAF_ROWS_H

#include "engine/core/leaves.h"
#include "engine/core/selections.h"

/* What a column has of the rows of a stretch: what ints mean, the bits of doubles, or codes.
 * Rows of blocks and parts that are not there have 0 and are not present; nor is any code. */
typedef struct {
    uint64_t values[STRATA_STRETCH_ROWS];
    uint64_t present[STRATA_STRETCH_WORDS];
} strata_gathered;

/* ------------------------------------------------------------------------- gathering */

#define STRATA_GATHER_WIDTH(TYPE)                                                              \
    for (uint32_t i = first; i < last; i++) {                                                  \
        uint64_t stored = ((const TYPE *)values)[some->row[i] - column->first_row];            \
        out[some->at[i]] = (uint64_t)column->base + column->step * stored;                     \
    }                                                                                          \
    break;

/* The values of rows first .. last - 1, all of them in this part. */
static inline void strata_gather_part(const strata_column *column, const strata_selection *some,
                                      uint32_t first, uint32_t last, uint64_t *out) {
    const void *values = (const uint8_t *)column + column->values_offset;
    switch (column->width) {
    case 1: STRATA_GATHER_WIDTH(uint8_t)
    case 2: STRATA_GATHER_WIDTH(uint16_t)
    case 4: STRATA_GATHER_WIDTH(uint32_t)
    case 8: STRATA_GATHER_WIDTH(uint64_t)
    default:
        for (uint32_t i = first; i < last; i++) {
            out[some->at[i]] = (uint64_t)column->base;
        }
    }
}

/* Whether rows first .. last - 1, all of them in this part, are present. */
static inline void strata_gather_presence(const strata_column *column,
                                          const strata_selection *some, uint32_t first,
                                          uint32_t last, uint8_t *hits) {
    if (column->presence.cardinality == column->row_count) {
        for (uint32_t i = first; i < last; i++) {
            hits[some->at[i]] = 1;
        }
    } else {
        strata_add_held(&column->presence, (const uint8_t *)column, some, first, last, hits);
    }
}

/* Reads a column for the rows of a stretch that are in `all`. `hits` is scratch. */
static inline void strata_gather(const strata_field *field, const strata_selection *all,
                                 uint32_t words, uint8_t *hits, strata_gathered *out) {
    memset(out->values, 0, 512 * (size_t)words);
    memset(hits, 0, 64 * (size_t)words);
    for (uint32_t k = 0; k < STRATA_RUNS_AHEAD; k++) {
        strata_fetch_heads(field, all, k);
    }
    for (uint32_t k = 0; k < all->run_count; k++) {
        const strata_run *run = &all->runs[k];
        uint32_t first = run->first, last;
        strata_fetch_heads(field, all, k + STRATA_RUNS_AHEAD);
        for (; first < run->last; first = last) {
            const strata_column *column = strata_column_part(field, run->block, all->row[first]);
            last = first + 1;
            if (!column) {
                continue;
            }
            while (last < run->last && all->row[last] - column->first_row < column->row_count) {
                last++;
            }
            strata_gather_part(column, all, first, last, out->values);
            strata_gather_presence(column, all, first, last, hits);
        }
    }
    for (uint32_t w = 0; w < words; w++) {
        out->present[w] = strata_pack64(hits + 64 * w);
    }
}

/* ----------------------------------------------------------------------- flat leaves */

/* How many gathered columns a leaf is read from: `field`, then `field2`. 0 where it is not. */
static inline int strata_flat_columns(const strata_leaf *leaf) {
    switch (leaf->op) {
    case STRATA_LEAF_CODES:
    case STRATA_LEAF_INT_RANGE:
    case STRATA_LEAF_INT_IN:
    case STRATA_LEAF_FLOAT_RANGE: return 1;
    case STRATA_LEAF_PRESENT: return leaf->how ? 0 : 1; /* not of texts */
    case STRATA_LEAF_CODE_PAIR: return 2;
    default: return 0;
    }
}

static inline double strata_double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, 8);
    return value;
}

/* bits[w] = (TEST ^ FLIP) & PRESENT for the words that have a bit in `needed`; TEST is an
 * expression of the value `v` of row `i` of word `w` that is 0 or 1. */
#define STRATA_FLAT(TEST, FLIP, PRESENT)                                                       \
    for (uint32_t w = 0; w < words; w++) {                                                     \
        const uint64_t *values = column->values + 64 * w;                                      \
        uint8_t hit[64];                                                                       \
        if (!needed[w]) {                                                                      \
            continue;                                                                          \
        }                                                                                      \
        for (uint32_t i = 0; i < 64; i++) {                                                    \
            uint64_t v = values[i];                                                            \
            hit[i] = (uint8_t)(TEST);                                                          \
        }                                                                                      \
        bits[w] = (strata_pack64(hit) ^ (FLIP)) & (PRESENT);                                   \
    }                                                                                          \
    break;

/* The bits of a leaf for all rows of every word that has one in `needed`. */
static inline void strata_flat_leaf(const strata_leaf *leaf, const strata_gathered *column,
                                    const strata_gathered *other, const uint64_t *needed,
                                    uint32_t words, uint64_t *bits) {
    const uint64_t flip = leaf->negated ? ~UINT64_C(0) : 0;
    const uint64_t *members = leaf->members;
    switch (leaf->op) {
    case STRATA_LEAF_CODES: {
        uint64_t low = leaf->lowest_code, span = leaf->highest_code - leaf->lowest_code;
        if (leaf->contiguous) {
            STRATA_FLAT(v - low <= span, 0, ~UINT64_C(0))
        }
        STRATA_FLAT((members[v >> 6] >> (v & 63)) & 1, 0, ~UINT64_C(0))
    }
    case STRATA_LEAF_INT_RANGE: {
        uint64_t low = (uint64_t)leaf->low, span = (uint64_t)leaf->high - low;
        uint64_t some = leaf->low <= leaf->high;
        STRATA_FLAT((v - low <= span) & some, flip, column->present[w])
    }
    case STRATA_LEAF_INT_IN:
        STRATA_FLAT(strata_has_int(leaf->ints, leaf->int_count, (int64_t)v) != 0,
                    flip, column->present[w])
    case STRATA_LEAF_FLOAT_RANGE: {
        double low = leaf->float_low, high = leaf->float_high;
        STRATA_FLAT((low <= strata_double_of(v)) & (strata_double_of(v) <= high),
                    flip, column->present[w])
    }
    case STRATA_LEAF_CODE_PAIR: {
        uint64_t negated = leaf->negated != 0;
        STRATA_FLAT(v && other->values[64 * w + i] &&
                        (leaf->codes[v] == other->values[64 * w + i]) != negated,
                    0, ~UINT64_C(0))
    }
    default: /* STRATA_LEAF_PRESENT */
        for (uint32_t w = 0; w < words; w++) {
            bits[w] = column->present[w];
        }
    }
}

/* ------------------------------------------------------------------- leaves row by row */

/* hits = whether a leaf holds, for the rows of a selection. */
static inline void strata_picked_leaf(strata_reader *reader, const strata_leaf *leaf,
                                      const strata_selection *some, uint32_t words,
                                      uint8_t *hits) {
    if (leaf->op == STRATA_LEAF_SET) {
        strata_code_hits(&reader->fields[leaf->field], leaf->codes, leaf->code_count, some, words,
                         hits);
        return;
    }
    for (uint32_t k = 0; k < some->run_count; k++) {
        reader->block = some->runs[k].block;
        for (uint32_t i = some->runs[k].first; i < some->runs[k].last; i++) {
            hits[some->at[i]] = strata_leaf_test(reader, leaf, some->row[i]) != 0;
        }
    }
}

#endif
