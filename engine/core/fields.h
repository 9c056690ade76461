/* Fields as a program sees them, and one row read from one.
 *
 * A field is a table of parts: the parts of block b are first_part[b] .. first_part[b + 1] - 1,
 * and address[p] is where the payload of part p starts in memory (engine/bitmaps/layout.h).
 * The tables belong to the snapshot that the program is bound to and live as long as it does.
 */
#ifndef STRATA_FIELDS_H
#define STRATA_FIELDS_H

#include "engine/core/masks.h"

typedef struct {
    const uint32_t *first_part;
    const uint64_t *address;
} strata_field;

static inline const uint8_t *strata_part(const strata_field *field, uint32_t part) {
    return (const uint8_t *)(uintptr_t)field->address[part];
}

/* The part of a column that holds a row, or NULL where the block has none. */
static inline const strata_column *strata_column_part(const strata_field *field, uint32_t block,
                                                      uint32_t row) {
    for (uint32_t p = field->first_part[block]; p < field->first_part[block + 1]; p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        if (row - column->first_row < column->row_count) {
            return column;
        }
    }
    return 0;
}

static inline uint64_t strata_stored(const strata_column *column, uint32_t row) {
    const uint8_t *values = (const uint8_t *)column + column->values_offset;
    uint32_t i = row - column->first_row;
    switch (column->width) {
    case 1: return values[i];
    case 2: return ((const uint16_t *)values)[i];
    case 4: return ((const uint32_t *)values)[i];
    case 8: return ((const uint64_t *)values)[i];
    default: return 0;
    }
}

/* Value of an int, decimal, date or time column. Returns 0 where it is missing. */
static inline int strata_read_int(const strata_field *field, uint32_t block, uint32_t row,
                                  int64_t *value) {
    const strata_column *column = strata_column_part(field, block, row);
    if (!column || !strata_entry_has(&column->presence, (const uint8_t *)column, row)) {
        return 0;
    }
    *value = (int64_t)((uint64_t)column->base + column->step * strata_stored(column, row));
    return 1;
}

/* A sum over events (engine/core/aggregates.h), which no row lacks: from the 128-bit sums that stand
 * behind the values where they may leave 64 bits. */
static inline __int128 strata_read_sum(const strata_field *field, uint32_t block, uint32_t row) {
    const strata_column *column = strata_column_part(field, block, row);
    if (column->reserved2) {
        __int128 sum;
        memcpy(&sum, (const uint8_t *)column + column->reserved2 + 16 * (size_t)row, sizeof sum);
        return sum;
    }
    return (int64_t)((uint64_t)column->base + column->step * strata_stored(column, row));
}

/* Value of a float column. Returns 0 where it is missing. */
static inline int strata_read_float(const strata_field *field, uint32_t block, uint32_t row,
                                    double *value) {
    const strata_column *column = strata_column_part(field, block, row);
    if (!column || !strata_entry_has(&column->presence, (const uint8_t *)column, row)) {
        return 0;
    }
    uint64_t bits = strata_stored(column, row);
    memcpy(value, &bits, 8);
    return 1;
}

/* Code of a category column, 0 where it is missing. */
static inline uint32_t strata_read_code(const strata_field *field, uint32_t block, uint32_t row) {
    const strata_column *column = strata_column_part(field, block, row);
    return column ? (uint32_t)strata_stored(column, row) : 0;
}

/* The 16 bytes of a row's uid, or NULL. */
static inline const uint8_t *strata_read_uid(const strata_field *field, uint32_t block,
                                             uint32_t row) {
    const strata_column *column = strata_column_part(field, block, row);
    return column ? (const uint8_t *)column + column->values_offset +
                        16 * (size_t)(row - column->first_row)
                  : 0;
}

/* A row's text. Returns 0 where it is missing. */
static inline int strata_read_text(const strata_field *field, uint32_t block, uint32_t row,
                                   const uint8_t **bytes, uint32_t *length) {
    for (uint32_t p = field->first_part[block]; p < field->first_part[block + 1]; p++) {
        const uint8_t *base = strata_part(field, p);
        const strata_text *text = (const strata_text *)base;
        uint32_t i = row - text->first_row;
        if (i < text->row_count) {
            const uint32_t *offsets = (const uint32_t *)(base + text->offsets_offset);
            *bytes = base + text->bytes_offset + offsets[i];
            *length = offsets[i + 1] - offsets[i];
            return strata_entry_has(&text->presence, base, row);
        }
    }
    return 0;
}

/* The entry of a code in a set, bool or live field, with the payload it counts from. */
static inline const strata_entry *strata_find_code(const strata_field *field, uint32_t block,
                                                   uint32_t code, const uint8_t **base) {
    for (uint32_t p = field->first_part[block]; p < field->first_part[block + 1]; p++) {
        const uint8_t *payload = strata_part(field, p);
        const strata_set *set = (const strata_set *)payload;
        if (set->entry_count && set->first_code <= code && code <= set->last_code) {
            const strata_entry *entry = strata_find_entry(payload, code);
            if (entry) {
                *base = payload;
                return entry;
            }
        }
    }
    return 0;
}

#endif
