/* The leaves over a few rows of one block: bit i of `bits` says whether row i holds.
 *
 * `strata_leaf_test` says the same of each row; here what depends on the block alone (which part,
 * which container) is found once, and the loops have no branch on the data. Rows come in any order;
 * their low 16 bits count. Bits beyond `count` are 0.
 */
#ifndef STRATA_LEAF_ROWS_H
#define STRATA_LEAF_ROWS_H

#include "engine/core/leaf_blocks.h"

/* bits[i] = TEST, an expression of `row` that is 0 or 1, for all rows. */
#define STRATA_FOR_ROWS(TEST)                                                                  \
    for (uint32_t start = 0; start < count; start += 64) {                                     \
        uint32_t stop = count - start < 64 ? count - start : 64;                               \
        uint64_t word = 0;                                                                     \
        for (uint32_t i = 0; i < stop; i++) {                                                  \
            uint32_t row = rows[start + i] & 0xFFFF;                                           \
            (void)row;                                                                         \
            word |= (uint64_t)(TEST) << i;                                                     \
        }                                                                                      \
        bits[start / 64] = word;                                                               \
    }

/* Whether `count` > 0 sorted rows hold one; the steps do not depend on what is found. */
static inline int strata_array_has(const uint8_t *bytes, uint32_t count, uint32_t row) {
    uint32_t low = 0;
    while (count > 1) {
        uint32_t half = count / 2;
        low = strata_load16(bytes + 2 * (low + half)) <= row ? low + half : low;
        count -= half;
    }
    return strata_load16(bytes + 2 * low) == row;
}

/* bits = rows in a container. */
static inline void strata_entry_rows(const strata_entry *entry, const uint8_t *base,
                                     const uint32_t *rows, uint32_t count, uint64_t *bits) {
    const uint8_t *bytes = base + entry->offset;
    uint32_t size = entry->cardinality;
    if (entry->kind == STRATA_BITSET) {
        STRATA_FOR_ROWS((strata_load64(bytes + 8 * (row >> 6)) >> (row & 63)) & 1)
    } else if (entry->kind == STRATA_ARRAY) {
        STRATA_FOR_ROWS(strata_array_has(bytes, size, row) != 0)
    } else {
        STRATA_FOR_ROWS(strata_entry_has(entry, base, row) != 0)
    }
}

/* bits = rows in the container of a code of the reader's block. */
static inline void strata_code_rows(const strata_reader *reader, const strata_field *field,
                                    uint32_t code, const uint32_t *rows, uint32_t count,
                                    uint64_t *bits) {
    const uint8_t *base;
    const strata_entry *entry = strata_find_code(field, reader->block, code, &base);
    if (entry) {
        strata_entry_rows(entry, base, rows, count, bits);
    } else {
        memset(bits, 0, (count + 63) / 64 * 8);
    }
}

static inline void strata_set_rows(const strata_reader *reader, const strata_leaf *leaf,
                                   const uint32_t *rows, uint32_t count, uint64_t *bits) {
    const strata_field *field = &reader->fields[leaf->field];
    uint32_t words = (count + 63) / 64;
    memset(bits, 0, words * 8);
    for (uint32_t c = 0; c < leaf->code_count; c++) {
        const uint8_t *base;
        const strata_entry *entry = strata_find_code(field, reader->block, leaf->codes[c], &base);
        for (uint32_t w = 0; entry && w < words; w++) {
            uint32_t some = count - 64 * w < 64 ? count - 64 * w : 64;
            uint64_t word = 0;
            strata_entry_rows(entry, base, rows + 64 * w, some, &word);
            bits[w] |= word;
        }
    }
}

/* The only part of a column in the reader's block, or NULL where there are none or several. */
static inline const strata_column *strata_only_part(const strata_reader *reader,
                                                    const strata_field *field) {
    uint32_t first = field->first_part[reader->block];
    return field->first_part[reader->block + 1] - first == 1
               ? (const strata_column *)strata_part(field, first)
               : 0;
}

/* What is stored for a row; 0 for rows that the part does not hold. */
static inline uint64_t strata_stored_or_0(const strata_column *column, uint32_t row) {
    return row - column->first_row < column->row_count ? strata_stored(column, row) : 0;
}

static inline void strata_range_rows(const strata_leaf *leaf, const strata_column *column,
                                     const uint32_t *rows, uint32_t count, uint64_t *bits) {
    uint64_t first, span;
    int state = strata_stored_range(column, leaf->low, leaf->high, &first, &span);
    if (state == STRATA_OPEN) {
        uint64_t flip = leaf->negated ? 1 : 0;
        STRATA_FOR_ROWS((strata_stored_or_0(column, row) - first <= span) ^ flip)
    } else if ((state == STRATA_ALL) != leaf->negated) {
        STRATA_FOR_ROWS(1)
    } else {
        memset(bits, 0, (count + 63) / 64 * 8);
        return;
    }
    for (uint32_t w = 0; w < (count + 63) / 64; w++) {
        uint32_t some = count - 64 * w < 64 ? count - 64 * w : 64;
        uint64_t present = 0;
        strata_entry_rows(&column->presence, (const uint8_t *)column, rows + 64 * w, some,
                          &present);
        bits[w] &= present;
    }
}

static inline void strata_leaf_rows(const strata_reader *reader, const strata_leaf *leaf,
                                    const uint32_t *rows, uint32_t count, uint64_t *bits) {
    const strata_column *column = 0;
    if (leaf->op == STRATA_LEAF_SET) {
        strata_set_rows(reader, leaf, rows, count, bits);
        return;
    }
    if (leaf->op == STRATA_LEAF_CODES || leaf->op == STRATA_LEAF_INT_RANGE) {
        column = strata_only_part(reader, &reader->fields[leaf->field]);
    }
    if (column && leaf->op == STRATA_LEAF_INT_RANGE) {
        strata_range_rows(leaf, column, rows, count, bits);
    } else if (column) {
        STRATA_FOR_ROWS((leaf->members[strata_stored_or_0(column, row) >> 6] >>
                         (strata_stored_or_0(column, row) & 63)) & 1)
    } else {
        STRATA_FOR_ROWS(strata_leaf_test(reader, leaf, row) != 0)
    }
}

#endif
