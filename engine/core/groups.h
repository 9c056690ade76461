/* The rows of a block counted by the code that they have in a category, or by a bool.
 *
 * counts[code] grows by how many of the rows have it, counts[0] by those that have none. Codes of
 * a bool are 1 false and 2 true.
 */
#ifndef STRATA_GROUPS_H
#define STRATA_GROUPS_H

#include "engine/core/fields.h"
#include "engine/core/leaves.h"

static inline void strata_group_bools(const strata_reader *reader, const strata_field *field,
                                      const uint64_t *mask, int64_t *counts) {
    uint32_t without = reader->kernels->mask_count(mask);
    for (uint32_t code = 1; code <= 2; code++) {
        const uint8_t *base;
        const strata_entry *entry = strata_find_code(field, reader->block, code, &base);
        if (entry) {
            uint32_t with = strata_mask_count_entry(reader->kernels, mask, entry, base);
            counts[code] += with;
            without -= with;
        }
    }
    counts[0] += without;
}

/* Counts the rows of a mask of live rows. Where a part ends within a word, zeros follow. */
static inline void strata_group_mask(const strata_reader *reader, int32_t number, int is_bool,
                                     const uint64_t *mask, int64_t *counts) {
    const strata_field *field = &reader->fields[number];
    const strata_kernels *kernels = reader->kernels;
    if (is_bool) {
        strata_group_bools(reader, field, mask, counts);
        return;
    }
    uint32_t without = kernels->mask_count(mask);
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        const void *values = (const uint8_t *)column + column->values_offset;
        const uint64_t *own = mask + column->first_row / 64;
        uint32_t words = (column->row_count + 63) / 64;
        uint32_t codes = (uint32_t)column->max_stored + 1;
        switch (column->width) {
        case 1: without -= kernels->group_u8(values, words, own, codes, counts); break;
        case 2: without -= kernels->group_u16(values, words, own, codes, counts); break;
        default: without -= kernels->group_u32(values, words, own, codes, counts); break;
        }
    }
    counts[0] += without;
}

static inline uint32_t strata_group_of(const strata_reader *reader, const strata_field *field,
                                       int is_bool, uint32_t row) {
    if (!is_bool) {
        return strata_read_code(field, reader->block, row);
    }
    for (uint32_t code = 1; code <= 2; code++) {
        const uint8_t *base;
        const strata_entry *entry = strata_find_code(field, reader->block, code, &base);
        if (entry && strata_entry_has(entry, base, row)) {
            return code;
        }
    }
    return 0;
}

/* Counts the rows of a list. */
static inline void strata_group_list(const strata_reader *reader, int32_t number, int is_bool,
                                     const uint16_t *rows, uint32_t count, int64_t *counts) {
    const strata_field *field = &reader->fields[number];
    for (uint32_t i = 0; i < count; i++) counts[strata_group_of(reader, field, is_bool, rows[i])]++;
}

#endif
