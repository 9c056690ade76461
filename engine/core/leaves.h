/* The leaves of a program: predicates over stored fields, for one block and for one row.
 *
 * A leaf is asked in three ways:
 *   strata_leaf_state  none, all or open, from container headers and zone bounds alone,
 *                      with what a fill would read, for ordering conjuncts;
 *   strata_leaf_fill   the mask of the block (vector leaves only);
 *   strata_leaf_test   one row. It reads values back to what they mean and compares those,
 *                      where a fill translates the bounds into stored units.
 * Leaves without a vector form (arithmetic, text, bucket...) are tested row by row over the
 * rows that are still undecided.
 */
#ifndef STRATA_LEAVES_H
#define STRATA_LEAVES_H

#include "engine/columns/hashing.h"
#include "engine/core/exact.h"
#include "engine/core/fields.h"

enum {
    STRATA_LEAF_SET = 1,    /* any of `codes` in a set, bool or live field */
    STRATA_LEAF_CODES,      /* category code in `members` */
    STRATA_LEAF_CODE_PAIR,  /* map[code of field] equals code of field2 */
    STRATA_LEAF_PRESENT,    /* int, float or text is there */
    STRATA_LEAF_INT_RANGE,  /* low <= value <= high */
    STRATA_LEAF_INT_IN,     /* value among sorted `ints` */
    STRATA_LEAF_FLOAT_RANGE,
    STRATA_LEAF_LINEAR,     /* sum of terms compared with 0, exact */
    STRATA_LEAF_LINEAR_IN,  /* sum of terms among sorted `targets`, exact */
    STRATA_LEAF_FLOAT,      /* two sides in doubles */
    STRATA_LEAF_FLOAT_IN,   /* left side among sorted `doubles` */
    STRATA_LEAF_TEXT,
    STRATA_LEAF_ROWS,       /* a sorted list of row numbers */
    STRATA_LEAF_BUCKET      /* low <= bucket <= high */
};

enum { STRATA_NONE = 0, STRATA_ALL = 1, STRATA_OPEN = 2 };
enum { STRATA_EQ = 0, STRATA_NE, STRATA_LT, STRATA_LE, STRATA_GT, STRATA_GE };
enum { STRATA_CONTAINS = 0, STRATA_STARTS, STRATA_ENDS };

enum {
    STRATA_SOURCE_INT = 0, /* int, decimal, date or time column */
    STRATA_SOURCE_FLOAT,
    STRATA_SOURCE_DAY,     /* first instant of a date column's day, from a table */
    STRATA_SOURCE_BUCKET,
    STRATA_SOURCE_SUM,     /* over events, see strata_read_sum */
    STRATA_SOURCE_AVERAGE, /* such a sum by the count in field2 */
    STRATA_SOURCE_SCALED   /* a number of 128 bits, which may be missing: see aggregate_scaled.h */
};

/* Where one number of a row comes from. */
typedef struct {
    int32_t kind;
    int32_t field;
    int32_t field2;
    uint64_t seed;            /* of a bucket */
    uint64_t denominator;     /* 10^scale of a decimal, else 1 */
    const int64_t *day_start; /* microseconds; of days first_day, first_day + 1, ... */
    int64_t first_day;
    int64_t day_count;
} strata_source;

typedef struct {
    strata_source source;
    strata_int128 factor; /* where the sum fits 127 bits */
    strata_wide wide;     /* otherwise */
} strata_term;

/* One summand in doubles: sign * (factor * value), the value that of a source, a literal or exact
 * sum of several. */
typedef struct {
    strata_source source;
    const struct strata_side *exact;
    int32_t is_literal;
    int32_t has_factor;
    double literal;
    double factor;
    double sign;
} strata_float_term;

/* One side in doubles: `float_terms` added left to right, or (exact sum) / denominator. */
typedef struct strata_side {
    const strata_float_term *float_terms;
    uint32_t float_count;
    const strata_term *terms;
    uint32_t count;
    strata_int128 constant;
    uint64_t denominator;
    int32_t wide; /* the exact sum needs more than 127 bits, or the denominator more than 60 */
    uint32_t averages; /* of the terms: see strata_add_ratio */
    strata_wide wide_constant;
    strata_wide wide_denominator;
} strata_side;

typedef struct {
    int32_t op;
    int32_t field;
    int32_t field2;
    int32_t negated;          /* present and not so */
    int32_t compare;          /* STRATA_EQ ... */
    int32_t how;              /* STRATA_CONTAINS ... */
    int64_t low, high;
    uint32_t range; /* INT_RANGE: its place among the ranges of its field from 1 (range_masks.h), or 0 */
    double float_low, float_high;
    const uint32_t *codes;    /* SET: sorted codes; CODE_PAIR: map by code of `field` */
    uint32_t code_count;
    uint32_t lowest_code;     /* CODES: of the members, above highest where there are none */
    uint32_t highest_code;
    int32_t contiguous;       /* CODES: the members are lowest_code .. highest_code, all */
    const uint64_t *members;  /* CODES: one bit for each code of the dictionary, bit 0 clear */
    const int64_t *ints;
    uint32_t int_count;
    const double *doubles;
    uint32_t double_count;
    const uint8_t *needle;
    uint32_t needle_length;
    const uint32_t *rows;     /* ROWS: all blocks; block b is row_start[b] .. row_start[b+1] */
    const uint32_t *row_start;
    uint64_t seed;
    const strata_term *terms; /* LINEAR */
    uint32_t term_count;
    int32_t wide;             /* LINEAR: the sum needs more than 127 bits */
    uint32_t averages;        /* LINEAR, LINEAR_IN: of the terms */
    strata_int128 constant;
    strata_wide wide_constant;
    const strata_wide *targets; /* LINEAR_IN: sorted */
    uint32_t target_count;
    strata_side left, right;
    const int32_t *columns;   /* the aggregates that it reads (engine/core/aggregates.h) */
    uint32_t column_count;
} strata_leaf;

/* What a block is read with: one for each thread. */
typedef struct {
    const strata_kernels *kernels;
    const strata_field *fields;
    int32_t uid_field;
    uint32_t block;
    uint32_t live_count;
    uint64_t *live;    /* mask of the live rows */
} strata_reader;

/* ------------------------------------------------------------------------- one row */

static inline int strata_bucket(const strata_reader *reader, uint64_t seed, uint32_t row,
                                int64_t *value) {
    const uint8_t *uid = strata_read_uid(&reader->fields[reader->uid_field], reader->block, row);
    if (!uid) {
        return 0;
    }
    *value = (int64_t)(strata_xxh64(uid, 16, seed) % 10000);
    return 1;
}

/* The exact number of a source, in units of 1 / denominator. Returns 0 where missing. */
static inline int strata_source_int(const strata_reader *reader, const strata_source *source,
                                    uint32_t row, int64_t *value) {
    if (source->kind == STRATA_SOURCE_BUCKET) {
        return strata_bucket(reader, source->seed, row, value);
    }
    if (!strata_read_int(&reader->fields[source->field], reader->block, row, value)) {
        return 0;
    }
    if (source->kind == STRATA_SOURCE_DAY) {
        *value = source->day_start[*value - source->first_day];
    }
    return 1;
}

/* Whether a source that may be read as a sum is there. */
static inline int strata_has_sum(const strata_reader *reader, const strata_source *source,
                                 uint32_t row) {
    if (source->kind != STRATA_SOURCE_SCALED) {
        return 1;
    }
    const strata_column *column =
        strata_column_part(&reader->fields[source->field], reader->block, row);
    return column && strata_entry_has(&column->presence, (const uint8_t *)column, row);
}

/* The number of events that an average is made of, 0 for none. */
static inline int64_t strata_average_count(const strata_reader *reader,
                                           const strata_source *source, uint32_t row) {
    int64_t count = 0;
    strata_read_int(&reader->fields[source->field2], reader->block, row, &count);
    return count;
}

/* What is read as a sum, or an average over events, as the nearest double; 0 where missing. */
static inline int strata_folded_double(const strata_reader *reader, const strata_source *source,
                                       uint32_t row, double *value) {
    strata_wide numerator = {{0}}, denominator = {{1}};
    strata_wide one = {{1}};
    if (!strata_has_sum(reader, source, row)) {
        return 0;
    }
    strata_int128 sum = strata_read_sum(&reader->fields[source->field], reader->block, row);
    denominator.limb[0] = source->denominator;
    if (source->kind == STRATA_SOURCE_AVERAGE) {
        int64_t count = strata_average_count(reader, source, row);
        if (!count) {
            return 0;
        }
        denominator = strata_wide_times(&denominator, count);
    }
    strata_wide_add_product128(&numerator, &one, sum);
    *value = strata_wide_ratio_to_double(numerator, denominator);
    return 1;
}

static inline int strata_source_double(const strata_reader *reader, const strata_source *source,
                                       uint32_t row, double *value) {
    if (source->kind == STRATA_SOURCE_FLOAT) {
        return strata_read_float(&reader->fields[source->field], reader->block, row, value);
    }
    if (source->kind >= STRATA_SOURCE_SUM) {
        return strata_folded_double(reader, source, row, value);
    }
    int64_t exact;
    if (!strata_source_int(reader, source, row, &exact)) {
        return 0;
    }
    *value = source->denominator == 1 ? (double)exact
                                      : strata_ratio_to_double(exact, source->denominator);
    return 1;
}

static inline int strata_compare_sign(int sign, int compare) {
    switch (compare) {
    case STRATA_EQ: return sign == 0;
    case STRATA_NE: return sign != 0;
    case STRATA_LT: return sign < 0;
    case STRATA_LE: return sign <= 0;
    case STRATA_GT: return sign > 0;
    default: return sign >= 0;
    }
}

/* Adds factor * value of every term to one of the sums. Returns 0 where a value is missing. */
static inline int strata_add_terms(const strata_reader *reader, const strata_term *terms,
                                   uint32_t count, int is_wide, uint32_t row,
                                   strata_int128 *narrow, strata_wide *wide) {
    for (uint32_t i = 0; i < count; i++) {
        int64_t value;
        if (terms[i].source.kind == STRATA_SOURCE_SUM ||
            terms[i].source.kind == STRATA_SOURCE_SCALED) {
            if (!strata_has_sum(reader, &terms[i].source, row)) {
                return 0;
            }
            strata_int128 sum =
                strata_read_sum(&reader->fields[terms[i].source.field], reader->block, row);
            if (is_wide) {
                strata_wide_add_product128(wide, &terms[i].wide, sum);
            } else {
                *narrow += terms[i].factor * sum;
            }
            continue;
        }
        if (terms[i].source.kind == STRATA_SOURCE_AVERAGE) {
            continue; /* see strata_add_ratio */
        }
        if (!strata_source_int(reader, &terms[i].source, row, &value)) {
            return 0;
        }
        if (is_wide) {
            strata_wide_add_product(wide, &terms[i].wide, value);
        } else {
            *narrow += terms[i].factor * value;
        }
    }
    return 1;
}

/* A number times the numbers of events of all averages among the first `count` terms. */
static inline strata_wide strata_times_counts(const strata_reader *reader,
                                              const strata_term *terms, uint32_t count,
                                              uint32_t row, strata_wide number) {
    for (uint32_t i = 0; i < count; i++) {
        if (terms[i].source.kind == STRATA_SOURCE_AVERAGE) {
            number = strata_wide_times(&number,
                                       strata_average_count(reader, &terms[i].source, row));
        }
    }
    return number;
}

/* Adds terms among which are averages, in wide numbers: `sum` becomes what they come to times the
 * numbers of events of all averages. Returns 0 where a value is missing. */
static inline int strata_add_ratio(const strata_reader *reader, const strata_term *terms,
                                   uint32_t count, uint32_t row, strata_wide *sum) {
    strata_int128 narrow = 0;
    if (!strata_add_terms(reader, terms, count, 1, row, &narrow, sum)) {
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        const strata_source *source = &terms[i].source;
        strata_wide product = {{0}};
        if (source->kind != STRATA_SOURCE_AVERAGE) {
            continue;
        }
        int64_t events = strata_average_count(reader, source, row);
        if (!events) {
            return 0;
        }
        strata_wide_add_product128(
            &product, &terms[i].wide,
            strata_read_sum(&reader->fields[source->field], reader->block, row));
        product = strata_times_counts(reader, terms, i, row, product);
        *sum = strata_wide_times(sum, events);
        strata_wide_add_product(sum, &product, 1);
    }
    return 1;
}

static inline int strata_test_linear(const strata_reader *reader, const strata_leaf *leaf,
                                     uint32_t row) {
    strata_int128 narrow = leaf->constant;
    strata_wide wide = leaf->wide_constant;
    if (leaf->averages
            ? !strata_add_ratio(reader, leaf->terms, leaf->term_count, row, &wide)
            : !strata_add_terms(reader, leaf->terms, leaf->term_count, leaf->wide, row, &narrow,
                                &wide)) {
        return 0;
    }
    int sign = leaf->wide ? strata_wide_sign(&wide) : (narrow > 0) - (narrow < 0);
    return strata_compare_sign(sign, leaf->compare);
}

static inline int strata_test_linear_in(const strata_reader *reader, const strata_leaf *leaf,
                                        uint32_t row) {
    strata_int128 narrow = 0;
    strata_wide sum = leaf->wide_constant; /* 0 */
    if (leaf->averages
            ? !strata_add_ratio(reader, leaf->terms, leaf->term_count, row, &sum)
            : !strata_add_terms(reader, leaf->terms, leaf->term_count, 1, row, &narrow, &sum)) {
        return 0;
    }
    uint32_t low = 0, high = leaf->target_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        strata_wide target = leaf->targets[middle];
        if (leaf->averages) {
            target = strata_times_counts(reader, leaf->terms, leaf->term_count, row, target);
        }
        int order = strata_wide_compare(&target, &sum);
        if (order == 0) {
            return !leaf->negated;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return leaf->negated;
}

/* A side with averages in it: one quotient, rounded once. */
static inline int strata_ratio_side(const strata_reader *reader, const strata_side *side,
                                    uint32_t row, double *value) {
    strata_wide sum = side->wide_constant;
    if (!strata_add_ratio(reader, side->terms, side->count, row, &sum)) {
        return 0;
    }
    strata_wide denominator =
        strata_times_counts(reader, side->terms, side->count, row, side->wide_denominator);
    *value = strata_wide_ratio_to_double(sum, denominator);
    return 1;
}

static inline int strata_side_value(const strata_reader *reader, const strata_side *side,
                                    uint32_t row, double *value) {
    if (!side->float_count) {
        strata_int128 narrow = side->constant;
        strata_wide wide = side->wide_constant;
        if (side->averages) {
            return strata_ratio_side(reader, side, row, value);
        }
        if (!strata_add_terms(reader, side->terms, side->count, side->wide, row, &narrow, &wide)) {
            return 0;
        }
        *value = side->wide ? strata_wide_ratio_to_double(wide, side->wide_denominator)
                            : strata_ratio_to_double(narrow, side->denominator);
        return 1;
    }
    double sum = 0.0;
    for (uint32_t i = 0; i < side->float_count; i++) {
        const strata_float_term *term = &side->float_terms[i];
        double number = term->literal;
        if (!term->is_literal && !(term->exact ? strata_side_value(reader, term->exact, row, &number)
                                               : strata_source_double(reader, &term->source, row,
                                                                      &number))) {
            return 0;
        }
        if (term->has_factor) {
            number = term->factor * number;
        }
        number = term->sign * number;
        sum = i ? sum + number : number;
    }
    *value = sum;
    return sum == sum;
}

/* Whether `value` is among `count` ascending values. */
#define STRATA_HAS_SORTED(NAME, TYPE)                                                          \
    static inline int NAME(const TYPE *sorted, uint32_t count, TYPE value) {                   \
        uint32_t low = 0, high = count;                                                        \
        while (low < high) {                                                                   \
            uint32_t middle = (low + high) / 2;                                                \
            if (sorted[middle] < value) {                                                      \
                low = middle + 1;                                                              \
            } else {                                                                           \
                high = middle;                                                                 \
            }                                                                                  \
        }                                                                                      \
        return low < count && sorted[low] == value;                                            \
    }

STRATA_HAS_SORTED(strata_has_double, double)
STRATA_HAS_SORTED(strata_has_int, int64_t)
STRATA_HAS_SORTED(strata_has_row, uint32_t)

static inline int strata_test_float(const strata_reader *reader, const strata_leaf *leaf,
                                    uint32_t row) {
    double left, right;
    if (!strata_side_value(reader, &leaf->left, row, &left)) {
        return 0;
    }
    if (leaf->op == STRATA_LEAF_FLOAT_IN) {
        return strata_has_double(leaf->doubles, leaf->double_count, left) != leaf->negated;
    }
    if (!strata_side_value(reader, &leaf->right, row, &right)) {
        return 0;
    }
    return strata_compare_sign((left > right) - (left < right), leaf->compare);
}

static inline int strata_test_text(const strata_reader *reader, const strata_leaf *leaf,
                                   uint32_t row) {
    const uint8_t *bytes;
    uint32_t length;
    if (!strata_read_text(&reader->fields[leaf->field], reader->block, row, &bytes, &length)) {
        return 0;
    }
    uint32_t size = leaf->needle_length;
    int found;
    if (size > length) {
        found = 0;
    } else if (leaf->how == STRATA_STARTS) {
        found = memcmp(bytes, leaf->needle, size) == 0;
    } else if (leaf->how == STRATA_ENDS) {
        found = memcmp(bytes + length - size, leaf->needle, size) == 0;
    } else {
        found = memmem(bytes, length, leaf->needle, size) != 0;
    }
    return found != leaf->negated;
}

static inline int strata_test_set(const strata_reader *reader, const strata_leaf *leaf,
                                  uint32_t row) {
    for (uint32_t i = 0; i < leaf->code_count; i++) {
        const uint8_t *base;
        const strata_entry *entry =
            strata_find_code(&reader->fields[leaf->field], reader->block, leaf->codes[i], &base);
        if (entry && strata_entry_has(entry, base, row)) {
            return 1;
        }
    }
    return 0;
}

static inline int strata_row_is_present(const strata_field *field, uint32_t block, uint32_t row,
                                        int is_text) {
    if (is_text) {
        const uint8_t *bytes;
        uint32_t length;
        return strata_read_text(field, block, row, &bytes, &length);
    }
    const strata_column *column = strata_column_part(field, block, row);
    return column && strata_entry_has(&column->presence, (const uint8_t *)column, row);
}

static inline int strata_leaf_test(const strata_reader *reader, const strata_leaf *leaf,
                                   uint32_t row) {
    const strata_field *field = &reader->fields[leaf->field];
    int64_t number;
    double real;
    uint32_t code;
    switch (leaf->op) {
    case STRATA_LEAF_SET: return strata_test_set(reader, leaf, row);
    case STRATA_LEAF_CODES:
        code = strata_read_code(field, reader->block, row);
        return (int)((leaf->members[code >> 6] >> (code & 63)) & 1);
    case STRATA_LEAF_CODE_PAIR: {
        code = strata_read_code(field, reader->block, row);
        uint32_t other = strata_read_code(&reader->fields[leaf->field2], reader->block, row);
        return code && other && (leaf->codes[code] == other) != leaf->negated;
    }
    case STRATA_LEAF_PRESENT:
        return strata_row_is_present(field, reader->block, row, leaf->how);
    case STRATA_LEAF_INT_RANGE:
        return strata_read_int(field, reader->block, row, &number) &&
               (leaf->low <= number && number <= leaf->high) != leaf->negated;
    case STRATA_LEAF_INT_IN:
        return strata_read_int(field, reader->block, row, &number) &&
               strata_has_int(leaf->ints, leaf->int_count, number) != leaf->negated;
    case STRATA_LEAF_FLOAT_RANGE:
        return strata_read_float(field, reader->block, row, &real) &&
               (leaf->float_low <= real && real <= leaf->float_high) != leaf->negated;
    case STRATA_LEAF_LINEAR: return strata_test_linear(reader, leaf, row);
    case STRATA_LEAF_LINEAR_IN: return strata_test_linear_in(reader, leaf, row);
    case STRATA_LEAF_FLOAT:
    case STRATA_LEAF_FLOAT_IN: return strata_test_float(reader, leaf, row);
    case STRATA_LEAF_TEXT: return strata_test_text(reader, leaf, row);
    case STRATA_LEAF_ROWS: {
        uint32_t first = leaf->row_start[reader->block];
        return strata_has_row(leaf->rows + first, leaf->row_start[reader->block + 1] - first,
                              (reader->block << 16) | row);
    }
    default:
        return strata_bucket(reader, leaf->seed, row, &number) &&
               (leaf->low <= number && number <= leaf->high) != leaf->negated;
    }
}

#endif
