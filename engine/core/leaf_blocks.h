/* The leaves over a whole block: what headers decide alone, and the mask where they do not. */
#ifndef STRATA_LEAF_BLOCKS_H
#define STRATA_LEAF_BLOCKS_H

#include "engine/core/leaves.h"

/* How a leaf stands over the block of a reader, from headers alone.
 * `cost` estimates the bytes that deciding it reads, in units that order conjuncts. */
typedef struct {
    int32_t state;
    uint32_t cost;
} strata_outlook;

/* A test of one row is taken to cost as much as reading this many bytes of a column. */
#define STRATA_ROW_TEST_BYTES 24u
/* `in` lists up to this length are filled by one range pass each; longer ones row by row. */
#define STRATA_IN_PASSES 8u

/* Whether the leaf can fill a mask by itself. */
static inline int strata_leaf_is_vector(const strata_leaf *leaf) {
    switch (leaf->op) {
    case STRATA_LEAF_SET:
    case STRATA_LEAF_CODES:
    case STRATA_LEAF_PRESENT:
    case STRATA_LEAF_INT_RANGE:
    case STRATA_LEAF_FLOAT_RANGE:
    case STRATA_LEAF_ROWS: return 1;
    case STRATA_LEAF_INT_IN: return leaf->int_count <= STRATA_IN_PASSES;
    default: return 0;
    }
}

/* Stored bounds [first, first + span] of low <= value <= high in a part.
 * Returns STRATA_NONE, STRATA_ALL (of its present rows) or STRATA_OPEN. */
static inline int strata_stored_range(const strata_column *column, int64_t low, int64_t high,
                                      uint64_t *first, uint64_t *span) {
    strata_int128 step = (strata_int128)column->step;
    strata_int128 from = (strata_int128)low - column->base;
    strata_int128 to = (strata_int128)high - column->base;
    if (to < 0) {
        return STRATA_NONE;
    }
    from = from <= 0 ? 0 : (from + step - 1) / step;
    to = to / step;
    if (from > to || from > (strata_int128)column->max_stored) {
        return STRATA_NONE;
    }
    if (from == 0 && to >= (strata_int128)column->max_stored) {
        return STRATA_ALL;
    }
    if (to > (strata_int128)column->max_stored) {
        to = (strata_int128)column->max_stored;
    }
    *first = (uint64_t)from;
    *span = (uint64_t)(to - from);
    return STRATA_OPEN;
}

/* --------------------------------------------------------------------------- states */

static inline strata_outlook strata_outlook_of(uint64_t rows, uint32_t live, uint64_t cost) {
    strata_outlook outlook;
    outlook.state = rows == 0 ? STRATA_NONE : rows == live ? STRATA_ALL : STRATA_OPEN;
    outlook.cost = cost > UINT32_MAX ? UINT32_MAX : (uint32_t)cost;
    return outlook;
}

static inline strata_outlook strata_set_outlook(const strata_reader *reader,
                                                const strata_leaf *leaf) {
    uint64_t cost = 0, most = 0;
    for (uint32_t i = 0; i < leaf->code_count; i++) {
        const uint8_t *base;
        const strata_entry *entry =
            strata_find_code(&reader->fields[leaf->field], reader->block, leaf->codes[i], &base);
        if (entry && entry->cardinality) {
            cost += 2u * entry->size_in_2;
            most = entry->cardinality > most ? entry->cardinality : most;
        }
    }
    return strata_outlook_of(most, reader->live_count, cost);
}

static inline strata_outlook strata_codes_outlook(const strata_reader *reader,
                                                  const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    uint64_t cost = 0, possible = 0;
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        if (leaf->lowest_code <= column->max_stored && column->present_count) {
            cost += (uint64_t)column->width * column->row_count;
            possible += column->present_count;
        }
    }
    strata_outlook outlook = strata_outlook_of(possible, reader->live_count, cost);
    if (outlook.state == STRATA_ALL) {
        outlook.state = STRATA_OPEN; /* everybody has a code: which ones is not known here */
    }
    return outlook;
}

static inline strata_outlook strata_present_outlook(const strata_reader *reader,
                                                    const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    uint64_t present = 0, cost = 0;
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const uint8_t *base = strata_part(field, p);
        const strata_entry *entry = leaf->how ? &((const strata_text *)base)->presence
                                              : &((const strata_column *)base)->presence;
        present += entry->cardinality;
        cost += 2u * entry->size_in_2;
    }
    return strata_outlook_of(present, reader->live_count, cost);
}

static inline strata_outlook strata_range_outlook(const strata_reader *reader,
                                                  const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    uint64_t certain = 0, possible = 0, cost = 0;
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        uint64_t first, span;
        int state = strata_stored_range(column, leaf->low, leaf->high, &first, &span);
        if (leaf->negated && state != STRATA_OPEN) {
            state = state == STRATA_ALL ? STRATA_NONE : STRATA_ALL;
        }
        if (state == STRATA_NONE) {
            continue;
        }
        possible += column->present_count;
        certain += state == STRATA_ALL ? column->present_count : 0;
        cost += state == STRATA_ALL ? 2u * column->presence.size_in_2
                                    : (uint64_t)column->width * column->row_count;
    }
    strata_outlook outlook = strata_outlook_of(possible, reader->live_count, cost);
    if (outlook.state == STRATA_ALL && certain != possible) {
        outlook.state = STRATA_OPEN;
    }
    return outlook;
}

static inline strata_outlook strata_leaf_state(const strata_reader *reader,
                                               const strata_leaf *leaf) {
    strata_outlook outlook = {STRATA_OPEN, STRATA_ROW_TEST_BYTES * STRATA_BLOCK_ROWS};
    const strata_field *field = &reader->fields[leaf->field];
    uint32_t parts = field->first_part
                         ? field->first_part[reader->block + 1] - field->first_part[reader->block]
                         : 1;
    switch (leaf->op) {
    case STRATA_LEAF_SET: return strata_set_outlook(reader, leaf);
    case STRATA_LEAF_CODES: return strata_codes_outlook(reader, leaf);
    case STRATA_LEAF_PRESENT: return strata_present_outlook(reader, leaf);
    case STRATA_LEAF_INT_RANGE: return strata_range_outlook(reader, leaf);
    case STRATA_LEAF_ROWS: {
        uint32_t rows = leaf->row_start[reader->block + 1] - leaf->row_start[reader->block];
        return strata_outlook_of(rows, reader->live_count, 4 * (uint64_t)rows);
    }
    case STRATA_LEAF_FLOAT_RANGE:
        outlook.cost = 8 * STRATA_BLOCK_ROWS;
        break;
    case STRATA_LEAF_INT_IN:
        outlook.cost = (leaf->int_count < STRATA_IN_PASSES ? leaf->int_count : STRATA_IN_PASSES) *
                       4 * STRATA_BLOCK_ROWS;
        break;
    case STRATA_LEAF_BUCKET:
    case STRATA_LEAF_LINEAR:
    case STRATA_LEAF_LINEAR_IN:
    case STRATA_LEAF_FLOAT:
    case STRATA_LEAF_FLOAT_IN: return outlook; /* may read several fields, or none */
    default: break;
    }
    if (!parts) {
        outlook.state = STRATA_NONE; /* nobody in this block has the field */
    }
    return outlook;
}

/* ---------------------------------------------------------------------------- fills */

static inline void strata_fill_stored_range(const strata_reader *reader,
                                            const strata_column *column, uint64_t first,
                                            uint64_t span, uint32_t words, uint64_t *out) {
    const uint8_t *values = (const uint8_t *)column + column->values_offset;
    const strata_kernels *kernels = reader->kernels;
    switch (column->width) {
    case 1: kernels->range_u8(values, words, (uint8_t)first, (uint8_t)span, out); break;
    case 2:
        kernels->range_u16((const uint16_t *)values, words, (uint16_t)first, (uint16_t)span, out);
        break;
    case 4:
        kernels->range_u32((const uint32_t *)values, words, (uint32_t)first, (uint32_t)span, out);
        break;
    default: kernels->range_u64((const uint64_t *)values, words, first, span, out); break;
    }
}

/* out |= present rows of the part with low <= value <= high (negated: not so). */
static inline void strata_fill_range_part(const strata_reader *reader, const strata_column *column,
                                          int64_t low, int64_t high, int negated, uint64_t *out) {
    const uint8_t *base = (const uint8_t *)column;
    uint64_t first, span;
    int state = strata_stored_range(column, low, high, &first, &span);
    if (state != STRATA_OPEN) {
        if ((state == STRATA_ALL) != negated) {
            strata_mask_or_entry(out, &column->presence, base);
        }
        return;
    }
    uint64_t present[STRATA_BLOCK_WORDS];
    uint64_t hit[STRATA_BLOCK_WORDS];
    uint32_t start = column->first_row / 64, words = (column->row_count + 63) / 64;
    strata_mask_from_entry(present, &column->presence, base);
    strata_fill_stored_range(reader, column, first, span, words, hit);
    uint64_t flip = negated ? ~UINT64_C(0) : 0;
    for (uint32_t w = 0; w < words; w++) {
        out[start + w] |= (hit[w] ^ flip) & present[start + w];
    }
}

static inline void strata_fill_float_part(const strata_reader *reader, const strata_leaf *leaf,
                                          const strata_column *column, uint64_t *out) {
    const uint8_t *base = (const uint8_t *)column;
    uint64_t present[STRATA_BLOCK_WORDS];
    uint64_t hit[STRATA_BLOCK_WORDS];
    uint32_t start = column->first_row / 64, words = (column->row_count + 63) / 64;
    strata_mask_from_entry(present, &column->presence, base);
    reader->kernels->range_f64((const double *)(base + column->values_offset), words,
                               leaf->float_low, leaf->float_high, hit);
    uint64_t flip = leaf->negated ? ~UINT64_C(0) : 0;
    for (uint32_t w = 0; w < words; w++) {
        out[start + w] |= (hit[w] ^ flip) & present[start + w];
    }
}

static inline void strata_fill_codes_part(const strata_reader *reader, const strata_leaf *leaf,
                                          const strata_column *column, uint64_t *out) {
    const uint8_t *values = (const uint8_t *)column + column->values_offset;
    uint32_t words = (column->row_count + 63) / 64;
    uint64_t *to = out + column->first_row / 64;
    uint64_t highest = leaf->highest_code;
    if (leaf->lowest_code > column->max_stored) {
        return;
    }
    if (highest > column->max_stored) {
        highest = column->max_stored; /* a wider bound would not fit the part's width */
    }
    if (leaf->contiguous) {
        strata_fill_stored_range(reader, column, leaf->lowest_code, highest - leaf->lowest_code,
                                 words, to);
    } else if (column->width == 1) {
        reader->kernels->member_u8(values, words, leaf->members, to);
    } else if (column->width == 2) {
        reader->kernels->member_u16((const uint16_t *)values, words, leaf->members, to);
    } else {
        reader->kernels->member_u32((const uint32_t *)values, words, leaf->members, to);
    }
}

static inline void strata_fill_int_in(const strata_reader *reader, const strata_leaf *leaf,
                                      const strata_column *column, uint64_t *out) {
    uint64_t any[STRATA_BLOCK_WORDS];
    memset(any, 0, sizeof any);
    for (uint32_t i = 0; i < leaf->int_count; i++) {
        strata_fill_range_part(reader, column, leaf->ints[i], leaf->ints[i], 0, any);
    }
    if (leaf->negated) {
        uint64_t present[STRATA_BLOCK_WORDS];
        strata_mask_from_entry(present, &column->presence, (const uint8_t *)column);
        reader->kernels->mask_and_not(present, any);
        reader->kernels->mask_or(out, present);
    } else {
        reader->kernels->mask_or(out, any);
    }
}

/* The mask of a vector leaf that is neither none nor all. */
static inline void strata_leaf_fill(const strata_reader *reader, const strata_leaf *leaf,
                                    uint64_t *out) {
    const strata_field *field = &reader->fields[leaf->field];
    memset(out, 0, STRATA_BLOCK_WORDS * 8);
    if (leaf->op == STRATA_LEAF_SET) {
        for (uint32_t i = 0; i < leaf->code_count; i++) {
            const uint8_t *base;
            const strata_entry *entry =
                strata_find_code(field, reader->block, leaf->codes[i], &base);
            if (entry) {
                strata_mask_or_entry(out, entry, base);
            }
        }
        return;
    }
    if (leaf->op == STRATA_LEAF_ROWS) {
        for (uint32_t i = leaf->row_start[reader->block]; i < leaf->row_start[reader->block + 1];
             i++) {
            uint32_t row = leaf->rows[i] & (STRATA_BLOCK_ROWS - 1);
            out[row >> 6] |= UINT64_C(1) << (row & 63);
        }
        return;
    }
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const uint8_t *base = strata_part(field, p);
        const strata_column *column = (const strata_column *)base;
        switch (leaf->op) {
        case STRATA_LEAF_CODES: strata_fill_codes_part(reader, leaf, column, out); break;
        case STRATA_LEAF_PRESENT:
            strata_mask_or_entry(out,
                                     leaf->how ? &((const strata_text *)base)->presence
                                               : &column->presence,
                                     base);
            break;
        case STRATA_LEAF_INT_RANGE:
            strata_fill_range_part(reader, column, leaf->low, leaf->high, leaf->negated, out);
            break;
        case STRATA_LEAF_INT_IN: strata_fill_int_in(reader, leaf, column, out); break;
        default: strata_fill_float_part(reader, leaf, column, out); break;
        }
    }
}

#endif
