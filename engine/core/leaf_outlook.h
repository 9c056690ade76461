/* How a leaf stands over a whole block, from headers and zones alone. */
#ifndef STRATA_LEAF_OUTLOOK_H
#define STRATA_LEAF_OUTLOOK_H

#include "engine/core/leaves.h"

/* How a leaf stands over the block of a reader.
 * `cost` estimates the bytes that deciding it reads, `rows` how many rows it holds for; both
 * order conjuncts and decide nothing else. */
typedef struct {
    int32_t state;
    uint32_t cost;
    uint32_t rows;
} strata_outlook;

/* A test of one row is taken to cost as much as reading this many bytes of a column. */
#define STRATA_ROW_TEST_BYTES 24u

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
    from = from <= 0 ? 0 : from;
    if (column->step != 1) { /* 128-bit divisions take longer than all the rest */
        from = (from + step - 1) / step;
        to = to / step;
    }
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
    outlook.rows = rows > live ? live : (uint32_t)rows;
    return outlook;
}

static inline strata_outlook strata_set_outlook(const strata_reader *reader,
                                                const strata_leaf *leaf) {
    uint64_t cost = 0, most = 0, sum = 0;
    for (uint32_t i = 0; i < leaf->code_count; i++) {
        const uint8_t *base;
        const strata_entry *entry =
            strata_find_code(&reader->fields[leaf->field], reader->block, leaf->codes[i], &base);
        if (entry && entry->cardinality) {
            cost += 2u * entry->size_in_2;
            most = entry->cardinality > most ? entry->cardinality : most;
            sum += entry->cardinality; /* for the cost alone: containers may overlap */
        }
    }
    strata_outlook outlook = strata_outlook_of(most, reader->live_count, cost);
    outlook.rows = sum < reader->live_count ? (uint32_t)sum : reader->live_count; /* cost */
    return outlook;
}

static inline strata_outlook strata_codes_outlook(const strata_reader *reader,
                                                  const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    uint64_t cost = 0, possible = 0, share = 1;
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        if (leaf->lowest_code <= column->max_stored && column->present_count) {
            cost += (uint64_t)column->width * column->row_count;
            possible += column->present_count;
            share = column->max_stored / (leaf->code_count ? leaf->code_count : 1); /* cost */
        }
    }
    strata_outlook outlook = strata_outlook_of(possible, reader->live_count, cost);
    outlook.rows /= share ? (uint32_t)share : 1; /* cost: as if all codes were as frequent */
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
                                                  const strata_leaf *leaf, int64_t low,
                                                  int64_t high, int negated) {
    const strata_field *field = &reader->fields[leaf->field];
    uint64_t certain = 0, possible = 0, cost = 0, rows = 0;
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        uint64_t first, span = 0;
        int state = strata_stored_range(column, low, high, &first, &span);
        if (negated && state != STRATA_OPEN) {
            state = state == STRATA_ALL ? STRATA_NONE : STRATA_ALL;
        }
        if (state == STRATA_NONE) {
            continue;
        }
        possible += column->present_count;
        certain += state == STRATA_ALL ? column->present_count : 0;
        cost += state == STRATA_ALL ? 2u * column->presence.size_in_2
                                    : (uint64_t)column->width * column->row_count;
        double share = (double)(span + 1) / ((double)column->max_stored + 1); /* cost */
        share = state == STRATA_ALL ? 1 : negated ? 1 - share : share;  /* cost */
        rows += (uint64_t)(share * column->present_count); /* cost: as if evenly spread */
    }
    strata_outlook outlook = strata_outlook_of(possible, reader->live_count, cost);
    outlook.rows = rows < reader->live_count ? (uint32_t)rows : reader->live_count; /* cost */
    if (outlook.state == STRATA_ALL && certain != possible) {
        outlook.state = STRATA_OPEN;
    }
    return outlook;
}

static inline strata_outlook strata_int_in_outlook(const strata_reader *reader,
                                                   const strata_leaf *leaf) {
    int64_t least = leaf->ints[0], greatest = leaf->ints[leaf->int_count - 1];
    strata_outlook outlook = leaf->negated
                                 ? strata_present_outlook(reader, leaf)
                                 : strata_range_outlook(reader, leaf, least, greatest, 0);
    if (outlook.state == STRATA_ALL) {
        outlook.state = STRATA_OPEN; /* everybody has a value: which ones is not known here */
    }
    return outlook;
}

static inline strata_outlook strata_leaf_state(const strata_reader *reader,
                                               const strata_leaf *leaf) {
    strata_outlook outlook = {STRATA_OPEN, STRATA_ROW_TEST_BYTES * STRATA_BLOCK_ROWS,
                              reader->live_count / 2};
    const strata_field *field = &reader->fields[leaf->field];
    uint32_t parts = field->first_part
                         ? field->first_part[reader->block + 1] - field->first_part[reader->block]
                         : 1;
    switch (leaf->op) {
    case STRATA_LEAF_SET: return strata_set_outlook(reader, leaf);
    case STRATA_LEAF_CODES: return strata_codes_outlook(reader, leaf);
    case STRATA_LEAF_PRESENT: return strata_present_outlook(reader, leaf);
    case STRATA_LEAF_INT_RANGE:
        return strata_range_outlook(reader, leaf, leaf->low, leaf->high, leaf->negated);
    case STRATA_LEAF_ROWS: {
        uint32_t rows = leaf->row_start[reader->block + 1] - leaf->row_start[reader->block];
        return strata_outlook_of(rows, reader->live_count, 4 * (uint64_t)rows);
    }
    case STRATA_LEAF_FLOAT_RANGE:
        outlook.cost = 8 * STRATA_BLOCK_ROWS;
        break;
    case STRATA_LEAF_INT_IN: return strata_int_in_outlook(reader, leaf);
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

#endif
