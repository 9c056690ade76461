/* Values read for many rows of a block at a time, and what is made of them: totals by group, exact
 * sums of doubles, counts between keys, elements of sets.
 *
 * Rows are ascending and have a value; who calls has narrowed them to those. `groups` has a number
 * below the size of the totals for each value; NULL puts all into group 0.
 */
#ifndef STRATA_VALUES_H
#define STRATA_VALUES_H

#include "engine/core/leaves.h"
#include "engine/core/row_lists.h"

/* ------------------------------------------------------------------- reading columns */

#define STRATA_GATHER(WIDTH, TYPE)                                                             \
    case WIDTH:                                                                                \
        for (; at < end; at++) {                                                               \
            out[at] = (int64_t)(base + step * ((const TYPE *)values)[rows[at] - first]);       \
        }                                                                                      \
        break;

/* The integers of an int, decimal, date or time column. */
static inline void strata_gather_ints(const strata_field *field, uint32_t block,
                                      const uint16_t *rows, uint32_t count, int64_t *out) {
    uint32_t at = 0;
    for (uint32_t p = field->first_part[block]; p < field->first_part[block + 1]; p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        const void *values = (const uint8_t *)column + column->values_offset;
        uint32_t first = column->first_row;
        uint32_t end = at + strata_list_before(rows + at, count - at, first + column->row_count);
        uint64_t base = (uint64_t)column->base, step = column->step;
        switch (column->width) {
            STRATA_GATHER(1, uint8_t)
            STRATA_GATHER(2, uint16_t)
            STRATA_GATHER(4, uint32_t)
            STRATA_GATHER(8, uint64_t)
        default:
            for (; at < end; at++) out[at] = (int64_t)base;
        }
    }
}

/* The doubles of a float column. */
static inline void strata_gather_doubles(const strata_field *field, uint32_t block,
                                         const uint16_t *rows, uint32_t count, double *out) {
    uint32_t at = 0;
    for (uint32_t p = field->first_part[block]; p < field->first_part[block + 1]; p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        const void *values = (const uint8_t *)column + column->values_offset;
        uint32_t first = column->first_row;
        uint32_t end = at + strata_list_before(rows + at, count - at, first + column->row_count);
        for (; at < end; at++) out[at] = ((const double *)values)[rows[at] - first];
    }
}

#define STRATA_GATHER_CODES(WIDTH, TYPE)                                                       \
    case WIDTH:                                                                                \
        for (; at < end; at++) {                                                               \
            out[at] = (uint32_t)((const TYPE *)values)[rows[at] - first];                      \
        }                                                                                      \
        break;

/* The codes of a category column, 0 where missing; rows need not have one. */
static inline void strata_gather_codes(const strata_field *field, uint32_t block,
                                       const uint16_t *rows, uint32_t count, uint32_t *out) {
    uint32_t at = 0;
    for (uint32_t p = field->first_part[block]; p < field->first_part[block + 1]; p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        const void *values = (const uint8_t *)column + column->values_offset;
        uint32_t first = column->first_row;
        uint32_t begin = at + strata_list_before(rows + at, count - at, first);
        uint32_t end = at + strata_list_before(rows + at, count - at, first + column->row_count);
        for (; at < begin; at++) out[at] = 0;
        switch (column->width) {
            STRATA_GATHER_CODES(1, uint8_t)
            STRATA_GATHER_CODES(2, uint16_t)
            STRATA_GATHER_CODES(4, uint32_t)
        default:
            for (; at < end; at++) out[at] = 0;
        }
    }
    for (; at < count; at++) out[at] = 0;
}

/* The codes of a bool, 1 false and 2 true, 0 where missing. */
static inline void strata_gather_bools(const strata_field *field, uint32_t block,
                                       const uint16_t *rows, uint32_t count, uint32_t *out) {
    uint64_t mask[STRATA_BLOCK_WORDS];
    memset(out, 0, count * sizeof *out);
    for (uint32_t code = 1; code <= 2; code++) {
        const uint8_t *base;
        const strata_entry *entry = strata_find_code(field, block, code, &base);
        if (!entry) continue;
        strata_mask_from_entry(mask, entry, base);
        for (uint32_t i = 0; i < count; i++) {
            out[i] += code * (uint32_t)((mask[rows[i] >> 6] >> (rows[i] & 63)) & 1);
        }
    }
}

/* ------------------------------------------------------------------------ exact forms */

static inline uint64_t strata_size_of(int64_t value) {
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

/* A size that no number of a source exceeds in the open block. */
static inline uint64_t strata_source_size(const strata_reader *reader,
                                          const strata_source *source) {
    uint64_t most = 0;
    if (source->kind == STRATA_SOURCE_BUCKET) {
        return 9999;
    }
    if (source->kind == STRATA_SOURCE_DAY) {
        uint64_t first = strata_size_of(source->day_start[0]);
        uint64_t last = strata_size_of(source->day_start[source->day_count - 1]);
        return first > last ? first : last;
    }
    const strata_field *field = &reader->fields[source->field];
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const strata_column *column = (const strata_column *)strata_part(field, p);
        int64_t high = (int64_t)((uint64_t)column->base + column->step * column->max_stored);
        uint64_t low_size = strata_size_of(column->base), high_size = strata_size_of(high);
        low_size = high_size > low_size ? high_size : low_size;
        most = low_size > most ? low_size : most;
    }
    return most;
}

/* Whether sums over events, of averages too, are kept in 128 bits in the open block: see strata_read_sum. */
static inline int strata_sums_are_wide(const strata_reader *reader, const strata_source *source) {
    if (source->kind < STRATA_SOURCE_SUM) return 0;
    const strata_field *field = &reader->fields[source->field];
    const strata_column *column = strata_column_part(field, reader->block, 0);
    return column && column->reserved2;
}

/* Whether a form, and every sum of some of its parts, fits 64 bits in the open block. Factors of a
 * form that is not wide do, so no product here leaves 127. */
static inline int strata_form_fits(const strata_reader *reader, const strata_leaf *leaf) {
    const strata_uint128 limit = INT64_MAX;
    if (leaf->wide) {
        return 0;
    }
    for (uint32_t i = 0; i < leaf->term_count; i++)
        if (strata_sums_are_wide(reader, &leaf->terms[i].source)) return 0;
    if (leaf->term_count == 1 && leaf->terms[0].factor == 1 && !leaf->constant) {
        return 1; /* as it is stored */
    }
    strata_uint128 most = leaf->constant < 0 ? -(strata_uint128)leaf->constant
                                             : (strata_uint128)leaf->constant;
    for (uint32_t i = 0; i < leaf->term_count && most <= limit; i++) {
        strata_int128 factor = leaf->terms[i].factor;
        strata_uint128 size = factor < 0 ? -(strata_uint128)factor : (strata_uint128)factor;
        most += size * strata_source_size(reader, &leaf->terms[i].source);
    }
    return most <= limit;
}

/* values += factor * source, for a form that fits; `read` has room for as many. */
static inline void strata_add_source(const strata_reader *reader, const strata_term *term,
                                     const uint16_t *rows, uint32_t count, int64_t *read,
                                     int64_t *values) {
    const strata_source *source = &term->source;
    int64_t factor = (int64_t)term->factor;
    if (source->kind == STRATA_SOURCE_BUCKET) {
        for (uint32_t i = 0; i < count; i++) {
            read[i] = 0;
            strata_bucket(reader, source->seed, rows[i], &read[i]);
        }
    } else {
        strata_gather_ints(&reader->fields[source->field], reader->block, rows, count, read);
    }
    if (source->kind == STRATA_SOURCE_DAY) {
        for (uint32_t i = 0; i < count; i++) {
            read[i] = source->day_start[read[i] - source->first_day];
        }
    }
    for (uint32_t i = 0; i < count; i++) values[i] += factor * read[i];
}

/* The form of one row, which has all of its parts, as a number of 512 bits. */
static inline strata_wide strata_form_wide(const strata_reader *reader, const strata_leaf *leaf,
                                           uint32_t row) {
    strata_int128 narrow = leaf->constant;
    strata_wide wide = leaf->wide_constant;
    strata_add_terms(reader, leaf->terms, leaf->term_count, leaf->wide, row, &narrow, &wide);
    if (!leaf->wide) {
        wide.limb[0] = (uint64_t)narrow;
        wide.limb[1] = (uint64_t)(narrow >> 64);
        for (int i = 2; i < STRATA_WIDE_LIMBS; i++) wide.limb[i] = narrow < 0 ? UINT64_MAX : 0;
    }
    return wide;
}

/* ----------------------------------------------------------------------------- ratios */

/* Whether a number fits 64 bits, and that number. */
static inline int strata_wide_narrowed(const strata_wide *number, int64_t *value) {
    uint64_t rest = number->limb[0] >> 63 ? UINT64_MAX : 0;
    for (int i = 1; i < STRATA_WIDE_LIMBS; i++)
        if (number->limb[i] != rest) return 0;
    *value = (int64_t)number->limb[0];
    return 1;
}

/* The form of one row, which has averages in it, as value / divisor: not in lowest terms. Returns 0
 * where the row lacks a part. */
static inline int strata_form_ratio(const strata_reader *reader, const strata_leaf *leaf,
                                    uint32_t row, strata_wide *value, strata_wide *divisor) {
    strata_wide one = {{1}};
    *value = leaf->wide_constant;
    if (!strata_add_ratio(reader, leaf->terms, leaf->term_count, row, value)) return 0;
    *divisor = strata_times_counts(reader, leaf->terms, leaf->term_count, row, one);
    return 1;
}

/* The same for the rows that have all parts: `rows` is cut to those; returns how many. Where one
 * does not fit 64 bits, `is_wide` is set, and the numbers are of no use. */
static inline uint32_t strata_ratio_values(const strata_reader *reader, const strata_leaf *leaf,
                                           uint16_t *rows, uint32_t count, int64_t *values,
                                           int64_t *divisors, int *is_wide) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        strata_wide value, divisor;
        if (!strata_form_ratio(reader, leaf, rows[i], &value, &divisor)) continue;
        *is_wide |= !strata_wide_narrowed(&value, &values[kept]) |
                    !strata_wide_narrowed(&divisor, &divisors[kept]);
        rows[kept++] = rows[i];
    }
    return kept;
}

/* The same of one average and nothing else, its sums in 64 bits: those are the values. */
static inline uint32_t strata_average_values(const strata_reader *reader, const strata_leaf *leaf,
                                             uint16_t *rows, uint32_t count, int64_t *values,
                                             int64_t *divisors) {
    const strata_source *source = &leaf->terms[0].source;
    const strata_field *sums = &reader->fields[source->field];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        divisors[kept] = strata_average_count(reader, source, rows[i]);
        if (!divisors[kept]) continue;
        values[kept] = (int64_t)strata_read_sum(sums, reader->block, rows[i]);
        rows[kept++] = rows[i];
    }
    return kept;
}

/* Whether a form with averages is that: one whose sums fit 64 bits in the open block. */
static inline int strata_is_plain_average(const strata_reader *reader, const strata_leaf *leaf) {
    int64_t factor, constant;
    if (leaf->term_count != 1 || strata_sums_are_wide(reader, &leaf->terms[0].source)) return 0;
    return strata_wide_narrowed(&leaf->terms[0].wide, &factor) && factor == 1 &&
           strata_wide_narrowed(&leaf->wide_constant, &constant) && !constant;
}

/* ---------------------------------------------------------------------------- doubles */

/* Whether a side is one float column and nothing else. */
static inline int strata_side_is_column(const strata_side *side) {
    const strata_float_term *term = side->float_terms;
    return side->float_count == 1 && !term->is_literal && !term->has_factor && term->sign > 0 &&
           term->source.kind == STRATA_SOURCE_FLOAT;
}

/* The values of a side for the rows that have one: `rows` is cut to those; returns how many. */
static inline uint32_t strata_side_values(const strata_reader *reader, const strata_side *side,
                                          uint16_t *rows, uint32_t count, double *values) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows[i];
        if (strata_side_value(reader, side, row, &values[kept])) {
            rows[kept++] = row;
        }
    }
    return kept;
}

/* Doubles as integers in the same order; -0.0 is 0.0. In place. */
static inline void strata_double_keys(double *values, uint32_t count, int64_t *keys) {
    for (uint32_t i = 0; i < count; i++) {
        double value = values[i] + 0.0;
        int64_t bits;
        memcpy(&bits, &value, 8);
        keys[i] = bits ^ (int64_t)((uint64_t)(bits >> 63) >> 1);
    }
}

/* ----------------------------------------------------------------------------- totals */

/* By group: how many values, their sum (low + 2^64 * high), the least and the greatest. */
typedef struct {
    int64_t *count;
    uint64_t *low;
    int64_t *high;
    int64_t *least;
    int64_t *greatest;
} strata_totals;

static inline void strata_totals_add_one_group(const strata_totals *totals, const int64_t *values,
                                               uint32_t count) {
    strata_int128 sum = strata_int128_of(totals->high[0], totals->low[0]);
    int64_t least = totals->least[0], greatest = totals->greatest[0];
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = values[i];
        sum += value;
        least = value < least ? value : least;
        greatest = value > greatest ? value : greatest;
    }
    totals->count[0] += count;
    totals->low[0] = (uint64_t)sum;
    totals->high[0] = (int64_t)(sum >> 64);
    totals->least[0] = least;
    totals->greatest[0] = greatest;
}

static inline void strata_totals_add(const strata_totals *totals, const int64_t *values,
                                     const uint32_t *groups, uint32_t count) {
    if (!groups) {
        strata_totals_add_one_group(totals, values, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = values[i];
        uint32_t g = groups[i];
        strata_int128 sum = strata_int128_of(totals->high[g], totals->low[g]) + value;
        totals->count[g]++;
        totals->low[g] = (uint64_t)sum;
        totals->high[g] = (int64_t)(sum >> 64);
        totals->least[g] = value < totals->least[g] ? value : totals->least[g];
        totals->greatest[g] = value > totals->greatest[g] ? value : totals->greatest[g];
    }
}

/* A sum of finite doubles as one whole number of 2^-1074, in digits of 32 bits with a sign each:
 * it is exact, so it does not depend on the order. 2,098 bits hold the largest double, 32 more the
 * number of rows. */
#define STRATA_SUM_DIGITS 68u
/* A digit takes as many summands before what it has above 32 bits is carried on. */
#define STRATA_SUM_CARRY (INT64_C(1) << 30)

static inline void strata_sum_carry(int64_t *digits) {
    for (uint32_t i = 0; i + 1 < STRATA_SUM_DIGITS; i++) {
        int64_t over = digits[i] >> 32;
        digits[i] -= (int64_t)((uint64_t)over << 32);
        digits[i + 1] += over;
    }
}

static inline void strata_sum_add(int64_t *digits, double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    uint64_t exponent = (bits >> 52) & 0x7FF, mantissa = bits & ((UINT64_C(1) << 52) - 1);
    uint32_t shift = 0;
    if (exponent) {
        mantissa |= UINT64_C(1) << 52;
        shift = (uint32_t)exponent - 1;
    }
    strata_uint128 placed = (strata_uint128)mantissa << (shift & 31);
    int64_t sign = bits >> 63 ? -1 : 1;
    int64_t *digit = digits + (shift >> 5);
    digit[0] += sign * (int64_t)(uint32_t)placed;
    digit[1] += sign * (int64_t)(uint32_t)(placed >> 32);
    digit[2] += sign * (int64_t)(uint32_t)(placed >> 64);
}

/* By group: how many values, how many of them are infinite, the least and the greatest, and the
 * digits of the sum of the finite ones. */
typedef struct {
    int64_t *count;
    int64_t *infinite;
    double *least;
    double *greatest;
    int64_t *digits;
} strata_float_totals;

static inline void strata_float_totals_add(const strata_float_totals *totals,
                                           const double *values, const uint32_t *groups,
                                           uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        double value = values[i] + 0.0;
        uint32_t g = groups ? groups[i] : 0;
        int64_t *digits = totals->digits + (size_t)g * STRATA_SUM_DIGITS;
        totals->least[g] = value < totals->least[g] ? value : totals->least[g];
        totals->greatest[g] = value > totals->greatest[g] ? value : totals->greatest[g];
        if (isinf(value)) {
            totals->infinite[g]++;
        } else {
            strata_sum_add(digits, value);
        }
        if (!(++totals->count[g] & (STRATA_SUM_CARRY - 1))) {
            strata_sum_carry(digits);
        }
    }
}

/* ----------------------------------------------------------------------------- counts */

/* counts[k] grows by the values that exactly k of the ascending keys do not exceed. */
static inline void strata_count_by_keys(const int64_t *values, uint32_t count,
                                        const int64_t *keys, uint32_t key_count,
                                        int64_t *counts) {
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = values[i];
        const int64_t *from = keys;
        uint32_t left = key_count;
        while (left > 1) {
            uint32_t half = left / 2;
            /* No branch: the processor would guess it wrong every other time. */
            from += half & -(uint32_t)(from[half - 1] <= value);
            left -= half;
        }
        counts[(from - keys) + (left && *from <= value)]++;
    }
}

/* counts[code] grows by the rows of the mask that have the element `code` in a set. */
static inline void strata_count_elements(const strata_reader *reader, const strata_field *field,
                                         const uint64_t *mask, int64_t *counts) {
    for (uint32_t p = field->first_part[reader->block]; p < field->first_part[reader->block + 1];
         p++) {
        const uint8_t *payload = strata_part(field, p);
        const strata_set *set = (const strata_set *)payload;
        const strata_entry *entries = (const strata_entry *)(payload + sizeof *set);
        for (uint32_t i = 0; i < set->entry_count; i++) {
            counts[entries[i].code] +=
                strata_mask_count_entry(reader->kernels, mask, &entries[i], payload);
        }
    }
}

#endif
