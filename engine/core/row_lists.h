/* The leaves over a list of rows of a block: what few rows that are left of a mask are looked up by.
 *
 * Lists are those of the kernels: rows ascend, numbered within the block, in 16 bits. So each part
 * of a column has a stretch of a list, and what is asked of the part is put in stored units once.
 * `flip` 1 keeps the rows for which a leaf does not hold. `out` may be the list itself.
 */
#ifndef STRATA_ROW_LISTS_H
#define STRATA_ROW_LISTS_H

#include "engine/core/leaf_blocks.h"
#include "engine/core/selections.h"

/* Writes the rows of `words` mask words that begin with row `first`; returns how many. */
static inline uint32_t strata_list_words(const uint64_t *mask, uint32_t first, uint32_t words,
                                         uint16_t *rows) {
    uint32_t count = 0;
    for (uint32_t w = 0; w < words; w++) {
        for (uint64_t word = mask[w]; word; word &= word - 1) {
            rows[count++] = (uint16_t)(first + 64 * w + (uint32_t)__builtin_ctzll(word));
        }
    }
    return count;
}

/* All rows or none of them. */
static inline uint32_t strata_list_whole(int whole, const uint16_t *rows, uint32_t count,
                                         uint16_t *out) {
    if (!whole) {
        return 0;
    }
    memmove(out, rows, 2 * (size_t)count);
    return count;
}

/* Rows in a container. */
static inline uint32_t strata_list_entry(const strata_kernels *kernels, const strata_entry *entry,
                                         const uint8_t *base, uint32_t flip, const uint16_t *rows,
                                         uint32_t count, uint16_t *out) {
    const uint8_t *bytes = base + entry->offset;
    uint32_t kept = 0;
    if (entry->kind == STRATA_BITSET) {
        return kernels->rows_in_mask(rows, count, (const uint64_t *)(const void *)bytes, flip, out);
    }
    if (entry->kind == STRATA_ARRAY) {
        for (uint32_t i = 0; i < count; i++) {
            uint16_t row = rows[i];
            out[kept] = row;
            kept += (uint32_t)strata_array_has(bytes, entry->cardinality, row) ^ flip;
        }
        return kept;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows[i];
        out[kept] = row;
        kept += (uint32_t)(strata_entry_has(entry, base, row) != 0) ^ flip;
    }
    return kept;
}

/* Rows in the container of any code of a leaf: each container is found once for 64 rows. */
static inline uint32_t strata_list_codes(const strata_reader *reader, const strata_leaf *leaf,
                                         uint32_t flip, const uint16_t *rows, uint32_t count,
                                         uint16_t *out) {
    const strata_field *field = &reader->fields[leaf->field];
    uint32_t kept = 0;
    for (uint32_t start = 0; start < count; start += 64) {
        uint32_t stop = count - start < 64 ? count - start : 64;
        uint64_t bits = 0;
        for (uint32_t c = 0; c < leaf->code_count; c++) {
            const uint8_t *base;
            const strata_entry *entry =
                strata_find_code(field, reader->block, leaf->codes[c], &base);
            for (uint32_t i = 0; entry && i < stop; i++) {
                bits |= (uint64_t)(strata_entry_has(entry, base, rows[start + i]) != 0) << i;
            }
        }
        bits ^= flip ? ~UINT64_C(0) : 0;
        for (uint32_t i = 0; i < stop; i++) {
            out[kept] = rows[start + i];
            kept += (uint32_t)(bits >> i) & 1;
        }
    }
    return kept;
}

/* Rows by the leaf's reading of one row: for leaves, and for questions, without a form for lists. */
static inline uint32_t strata_list_apart(const strata_reader *reader, const strata_leaf *leaf,
                                         uint32_t flip, const uint16_t *rows, uint32_t count,
                                         uint16_t *out) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows[i];
        out[kept] = row;
        kept += (uint32_t)(strata_leaf_test(reader, leaf, row) != 0) ^ flip;
    }
    return kept;
}

/* ----------------------------------------------------------------------------- columns */

static inline uint32_t strata_list_hits(const strata_kernels *kernels,
                                        const strata_question *question, uint32_t flip,
                                        const uint16_t *rows, uint32_t count, uint16_t *out) {
    const strata_column *column = question->column;
    const void *values = (const uint8_t *)column + column->values_offset;
    const uint64_t *members = question->members;
    uint64_t low = question->first, span = question->span;
    uint32_t first = column->first_row;
    if (question->how == STRATA_IN_DOUBLES) {
        return kernels->rows_range_f64(values, first, rows, count, question->leaf->float_low,
                                       question->leaf->float_high, flip, out);
    }
    if (question->how == STRATA_MEMBERS) {
        switch (column->width) {
        case 1: return kernels->rows_member_u8(values, first, rows, count, members, flip, out);
        case 2: return kernels->rows_member_u16(values, first, rows, count, members, flip, out);
        default: return kernels->rows_member_u32(values, first, rows, count, members, flip, out);
        }
    }
    switch (column->width) {
    case 1:
        return kernels->rows_range_u8(values, first, rows, count, (uint8_t)low, (uint8_t)span, flip,
                                      out);
    case 2:
        return kernels->rows_range_u16(values, first, rows, count, (uint16_t)low, (uint16_t)span,
                                       flip, out);
    case 4:
        return kernels->rows_range_u32(values, first, rows, count, (uint32_t)low, (uint32_t)span,
                                       flip, out);
    default: return kernels->rows_range_u64(values, first, rows, count, low, span, flip, out);
    }
}

/* Rows that the part has. */
static inline uint32_t strata_list_part(const strata_reader *reader,
                                        const strata_question *question, uint32_t flip,
                                        const uint16_t *rows, uint32_t count, uint16_t *out) {
    const strata_column *column = question->column;
    uint32_t turn = question->flip != 0;
    int decided = question->how == STRATA_NOBODY || question->how == STRATA_THE_PRESENT;
    int hits = (question->how == STRATA_THE_PRESENT) != turn; /* all present rows, or none */
    if (question->how == STRATA_PASSES || question->how == STRATA_SOUGHT ||
        (question->needs_present && flip && !decided)) {
        return strata_list_apart(reader, question->leaf, flip, rows, count, out);
    }
    if (decided && (!hits || !question->needs_present)) {
        return strata_list_whole(hits != (int)flip, rows, count, out);
    }
    if (question->needs_present) {
        count = strata_list_entry(reader->kernels, &column->presence, (const uint8_t *)column,
                                  flip, rows, count, out);
        rows = out;
    }
    return decided ? count
                   : strata_list_hits(reader->kernels, question, flip ^ turn, rows, count, out);
}

/* How many of the rows are before row `end` of the block. */
static inline uint32_t strata_list_before(const uint16_t *rows, uint32_t count, uint32_t end) {
    uint32_t low = 0, high = count;
    if (!count || rows[count - 1] < end) {
        return count;
    }
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (rows[middle] < end) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static inline uint32_t strata_list_column(const strata_reader *reader, const strata_leaf *leaf,
                                          uint32_t flip, const uint16_t *rows, uint32_t count,
                                          uint16_t *out) {
    const strata_field *field = &reader->fields[leaf->field];
    int all_present = strata_nobody_lacks(reader, field);
    strata_question question;
    uint32_t at = 0, kept = 0;
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        uint32_t some = strata_list_before(rows + at, count - at, column->first_row);
        kept += strata_list_whole((int)flip, rows + at, some, out + kept);
        at += some;
        some = strata_list_before(rows + at, count - at, column->first_row + column->row_count);
        if (some) {
            strata_ask(leaf, column, all_present, &question);
            kept += strata_list_part(reader, &question, flip, rows + at, some, out + kept);
            at += some;
        }
    }
    return kept + strata_list_whole((int)flip, rows + at, count - at, out + kept);
}

/* Keeps the rows, all alive, for which a leaf holds; returns how many. */
static inline uint32_t strata_leaf_list(const strata_reader *reader, const strata_leaf *leaf,
                                        uint32_t flip, const uint16_t *rows, uint32_t count,
                                        uint16_t *out) {
    const uint8_t *base;
    const strata_entry *entry;
    switch (leaf->op) {
    case STRATA_LEAF_CODES:
    case STRATA_LEAF_INT_RANGE:
    case STRATA_LEAF_INT_IN:
    case STRATA_LEAF_FLOAT_RANGE:
        return strata_list_column(reader, leaf, flip, rows, count, out);
    case STRATA_LEAF_SET:
        if (leaf->code_count == 1) {
            entry = strata_find_code(&reader->fields[leaf->field], reader->block, leaf->codes[0],
                                     &base);
            return entry ? strata_list_entry(reader->kernels, entry, base, flip, rows, count, out)
                         : strata_list_whole((int)flip, rows, count, out);
        }
        return strata_list_codes(reader, leaf, flip, rows, count, out);
    default: return strata_list_apart(reader, leaf, flip, rows, count, out);
    }
}

#endif
