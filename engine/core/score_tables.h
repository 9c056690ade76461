/* Rules of a score that ask one stored column, added to lanes of a byte without a mask between.
 *
 * Whoever scores writes many rules over few columns: `industry in (...)` for this, and others for
 * that. A column of bytes has 256 values at most, so all of its rules together are one table of
 * points by stored value, and one pass over the column. Of wider columns a range is compared and
 * added in the same pass.
 *
 * A rule is not taken, and has to be evaluated as any node, where headers decide it, or where what
 * is stored does not tell whether a row that counts is missing: missing rows store 0, and rows
 * behind the last part store nothing. Rows that are not alive get anything.
 */
#ifndef STRATA_SCORE_TABLES_H
#define STRATA_SCORE_TABLES_H

#include "engine/core/leaf_blocks.h"

/* Stored values of a column of bytes. */
#define STRATA_BYTE_VALUES 256u

/* The one part of a field of bytes that has its rows, from the first on; else NULL. */
static inline const strata_column *strata_byte_column(const strata_reader *reader,
                                                      const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    uint32_t part = field->first_part[reader->block];
    const strata_column *column;
    if (field->first_part[reader->block + 1] != part + 1) return 0;
    column = (const strata_column *)strata_part(field, part);
    return column->width == 1 && column->first_row == 0 ? column : 0;
}

/* Adds the points of a leaf, with `negate` of its complement, to a table by stored value; 0 where
 * the rule is not taken. */
static inline int strata_table_rule(const strata_reader *reader, const strata_leaf *leaf,
                                    int negate, uint8_t points, uint8_t *table) {
    int is_codes = leaf->op == STRATA_LEAF_CODES, flip = negate, nobody_lacks;
    const strata_column *column;
    uint64_t first = 0, span = 0;
    if (!is_codes && leaf->op != STRATA_LEAF_INT_RANGE) return 0;
    column = strata_byte_column(reader, leaf);
    if (!column) return 0;
    nobody_lacks = strata_nobody_lacks(reader, &reader->fields[leaf->field]);
    if (negate && !nobody_lacks) return 0;
    if (is_codes) {
        if (leaf->lowest_code > column->max_stored) return 0;
    } else {
        if (strata_stored_range(column, leaf->low, leaf->high, &first, &span) != STRATA_OPEN) return 0;
        flip ^= leaf->negated != 0;
        if (!nobody_lacks && (first == 0) != flip) return 0;
    }
    for (uint64_t value = is_codes; value <= column->max_stored; value++) {
        int hit = is_codes ? (int)(leaf->members[value >> 6] >> (value & 63) & 1)
                           : value - first <= span;
        if (hit != flip) table[value] = (uint8_t)(table[value] + points);
    }
    return 1;
}

/* Adds a table to the lanes, for the column of a leaf whose rule it took. */
static inline void strata_add_table(const strata_reader *reader, const strata_leaf *leaf,
                                    const uint8_t *table, uint8_t *lanes) {
    const strata_column *column = strata_byte_column(reader, leaf);
    reader->kernels->add_by_u8(lanes, (const uint8_t *)column + column->values_offset,
                               (column->row_count + 63) / 64, table, (uint32_t)column->max_stored);
}

/* Parts of so few rows are taken row by row where nothing else goes: a column of four bytes does not
 * fit one part with its header, and the rows that are left over make a short one. */
#define STRATA_FEW_ROWS 1024u

enum { STRATA_ADD_NOTHING = 0, STRATA_ADD_IN_RANGE, STRATA_ADD_BY_ROWS, STRATA_ADD_NOT };

/* How one part of a wider column is added; STRATA_ADD_NOT: the rule is not taken. */
static inline int strata_range_part(const strata_column *column, const strata_leaf *leaf,
                                    int nobody_lacks, uint64_t *first, uint64_t *span) {
    int state = strata_stored_range(column, leaf->low, leaf->high, first, span);
    int is_wide = column->width == 2 || column->width == 4;
    if (state == STRATA_NONE) return STRATA_ADD_NOTHING;
    if (state == STRATA_ALL) {
        *first = 0;
        *span = UINT64_MAX;
    }
    if (state == STRATA_OPEN && is_wide && (*first != 0 || nobody_lacks)) return STRATA_ADD_IN_RANGE;
    return column->row_count <= STRATA_FEW_ROWS ? STRATA_ADD_BY_ROWS : STRATA_ADD_NOT;
}

/* Whether the points of a leaf can be added by strata_add_range, and a pass over the column is
 * worth it. */
static inline int strata_takes_range(const strata_reader *reader, const strata_leaf *leaf) {
    const strata_field *field = &reader->fields[leaf->field];
    int nobody_lacks, is_open = 0;
    uint64_t first, span;
    if (leaf->op != STRATA_LEAF_INT_RANGE || leaf->negated) return 0;
    nobody_lacks = strata_nobody_lacks(reader, field);
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        int how = strata_range_part(column, leaf, nobody_lacks, &first, &span);
        if (how == STRATA_ADD_NOT) return 0;
        is_open |= how == STRATA_ADD_IN_RANGE;
    }
    return is_open;
}

static inline void strata_add_few_rows(const strata_column *column, uint64_t first, uint64_t span,
                                       uint8_t points, uint8_t *lanes) {
    for (uint32_t row = column->first_row; row < column->first_row + column->row_count; row++) {
        if (strata_entry_has(&column->presence, (const uint8_t *)column, row) &&
            strata_stored(column, row) - first <= span) {
            lanes[row] = (uint8_t)(lanes[row] + points);
        }
    }
}

/* Adds the points of a leaf that strata_takes_range to the lanes. */
static inline void strata_add_range(const strata_reader *reader, const strata_leaf *leaf,
                                    uint8_t points, uint8_t *lanes) {
    const strata_field *field = &reader->fields[leaf->field];
    int nobody_lacks = strata_nobody_lacks(reader, field);
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        const void *values = (const uint8_t *)column + column->values_offset;
        uint32_t words = (column->row_count + 63) / 64;
        uint8_t *own = lanes + column->first_row;
        uint64_t first, span;
        int how = strata_range_part(column, leaf, nobody_lacks, &first, &span);
        if (how == STRATA_ADD_BY_ROWS) {
            strata_add_few_rows(column, first, span, points, lanes);
        } else if (how == STRATA_ADD_IN_RANGE && column->width == 2) {
            reader->kernels->add_in_u16(own, values, words, (uint16_t)first, (uint16_t)span, points);
        } else if (how == STRATA_ADD_IN_RANGE) {
            reader->kernels->add_in_u32(own, values, words, (uint32_t)first, (uint32_t)span, points);
        }
    }
}

#endif
