/* Leaves over the events of a chunk: what where.h has no node for.
 *
 * Sums over several properties, exact and in doubles, long lists of numbers, and pairs of
 * categories. A leaf is that of leaves.h, whose fields are numbers of properties here. Events are
 * taken 64 at a time, the values of one property after the other, so that a column is found once
 * a word. A predicate is false for an event that lacks a property it reads.
 */
#ifndef STRATA_WHERE_LEAVES_H
#define STRATA_WHERE_LEAVES_H

#include "engine/core/leaves.h"
#include "engine/events/where.h"

#define STRATA_DAY_US 86400000000LL
/* Calendars repeat after so many days, and from the end of the table on so do clocks. */
#define STRATA_CYCLE_DAYS 146097

/* First instant of any day, from a table that ends with one whole cycle of the calendar and
 * before which clocks never changed. Days beyond all calendars wrap, as nobody has them. */
static inline int64_t strata_day_start_us(const strata_source *source, int64_t day) {
    int64_t cycles = 0, end = source->first_day + source->day_count;
    if (day < source->first_day) {
        uint64_t before = (uint64_t)source->first_day - (uint64_t)day;
        return (int64_t)((uint64_t)source->day_start[0] - before * (uint64_t)STRATA_DAY_US);
    }
    if (day >= end) {
        cycles = (int64_t)(((uint64_t)day - (uint64_t)end) / STRATA_CYCLE_DAYS) + 1;
        day -= cycles * STRATA_CYCLE_DAYS;
    }
    uint64_t later = (uint64_t)cycles * STRATA_CYCLE_DAYS * (uint64_t)STRATA_DAY_US;
    return (int64_t)((uint64_t)source->day_start[day - source->first_day] + later);
}

/* Events of one word, and how many of its 64 the chunk has. */
typedef struct {
    const strata_chunk *chunk;
    uint32_t word;
    uint32_t count;
} strata_event_word;

/* Stored values of the events of a word, of floats their bits. Returns which events have one;
 * there are values for them alone. */
static inline uint64_t strata_word_values(const strata_event_word *at, uint32_t property,
                                          int64_t *values) {
    const strata_event_column *column =
        strata_find_event_column(at->chunk, STRATA_EVENT_PROPERTY, property);
    uint64_t present[STRATA_CHUNK_WORDS];
    uint64_t held = ~(uint64_t)0 >> (64 - at->count);
    if (!column) return 0;
    strata_widen(at->chunk, column, 64 * at->word, at->count, values);
    if (strata_all_present(at->chunk, column)) return held;
    if (column->presence_offset) {
        memset(present + at->word, 0xff, 8);
        strata_and_presence(at->chunk, column, at->word, at->word + 1, present);
        return held & present[at->word];
    }
    for (uint32_t i = 0; i < at->count; i++) held &= ~((uint64_t)(values[i] == 0) << i);
    return held;
}

/* Exact numbers of a source, in units of 1 / denominator, as strata_source_int has them. */
static inline uint64_t strata_word_ints(const strata_event_word *at, const strata_source *source,
                                        int64_t *values) {
    uint64_t held = strata_word_values(at, (uint32_t)source->field, values);
    if (held && source->kind == STRATA_SOURCE_DAY) {
        for (uint32_t i = 0; i < at->count; i++)
            values[i] = held >> i & 1 ? strata_day_start_us(source, values[i]) : 0;
    }
    return held;
}

static inline uint64_t strata_word_doubles(const strata_event_word *at,
                                           const strata_source *source, double *out) {
    int64_t values[64] = {0};
    uint64_t held = strata_word_ints(at, source, values);
    if (source->kind == STRATA_SOURCE_FLOAT) {
        memcpy(out, values, sizeof values);
        return held;
    }
    for (uint32_t i = 0; i < at->count; i++)
        out[i] = source->denominator == 1
                     ? (double)values[i]
                     : strata_ratio_to_double(values[i], source->denominator);
    return held;
}

/* Adds factor * value of every term to the sums. Returns which events have all values. */
static inline uint64_t strata_word_sums(const strata_event_word *at, const strata_term *terms,
                                        uint32_t count, strata_int128 *sums) {
    uint64_t held = ~(uint64_t)0 >> (64 - at->count);
    for (uint32_t t = 0; t < count && held; t++) {
        int64_t values[64] = {0};
        held &= strata_word_ints(at, &terms[t].source, values);
        for (uint32_t i = 0; i < at->count; i++) sums[i] += terms[t].factor * values[i];
    }
    return held;
}

static inline uint64_t strata_word_wide_sums(const strata_event_word *at, const strata_term *terms,
                                             uint32_t count, strata_wide *sums) {
    uint64_t held = ~(uint64_t)0 >> (64 - at->count);
    for (uint32_t t = 0; t < count && held; t++) {
        int64_t values[64] = {0};
        held &= strata_word_ints(at, &terms[t].source, values);
        for (uint32_t i = 0; i < at->count; i++)
            strata_wide_add_product(&sums[i], &terms[t].wide, values[i]);
    }
    return held;
}

static inline uint64_t strata_word_linear(const strata_event_word *at, const strata_leaf *leaf) {
    uint64_t held, hits = 0;
    if (leaf->wide) {
        strata_wide sums[64];
        for (int i = 0; i < 64; i++) sums[i] = leaf->wide_constant;
        held = strata_word_wide_sums(at, leaf->terms, leaf->term_count, sums);
        for (uint32_t i = 0; i < at->count; i++)
            hits |= (uint64_t)strata_compare_sign(strata_wide_sign(&sums[i]), leaf->compare) << i;
        return held & hits;
    }
    strata_int128 sums[64];
    for (int i = 0; i < 64; i++) sums[i] = leaf->constant;
    held = strata_word_sums(at, leaf->terms, leaf->term_count, sums);
    for (uint32_t i = 0; i < at->count; i++) {
        int sign = (sums[i] > 0) - (sums[i] < 0);
        hits |= (uint64_t)strata_compare_sign(sign, leaf->compare) << i;
    }
    return held & hits;
}

static inline int strata_has_wide(const strata_wide *sorted, uint32_t count,
                                  const strata_wide *value) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = strata_wide_compare(&sorted[middle], value);
        if (order == 0) return 1;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return 0;
}

static inline uint64_t strata_word_linear_in(const strata_event_word *at,
                                             const strata_leaf *leaf) {
    strata_wide sums[64] = {{{0}}};
    uint64_t hits = 0, held = strata_word_wide_sums(at, leaf->terms, leaf->term_count, sums);
    for (uint32_t i = 0; i < at->count; i++)
        hits |= (uint64_t)(strata_has_wide(leaf->targets, leaf->target_count, &sums[i]) !=
                           leaf->negated) << i;
    return held & hits;
}

/* Values of a side in doubles, as strata_side_value has them. */
static inline uint64_t strata_word_side(const strata_event_word *at, const strata_side *side,
                                        double *out) {
    uint64_t held = ~(uint64_t)0 >> (64 - at->count);
    if (!side->float_count && side->wide) {
        strata_wide sums[64];
        for (int i = 0; i < 64; i++) sums[i] = side->wide_constant;
        held = strata_word_wide_sums(at, side->terms, side->count, sums);
        for (uint32_t i = 0; i < at->count; i++)
            out[i] = strata_wide_ratio_to_double(sums[i], side->wide_denominator);
        return held;
    }
    if (!side->float_count) {
        strata_int128 sums[64];
        for (int i = 0; i < 64; i++) sums[i] = side->constant;
        held = strata_word_sums(at, side->terms, side->count, sums);
        for (uint32_t i = 0; i < at->count; i++)
            out[i] = strata_ratio_to_double(sums[i], side->denominator);
        return held;
    }
    for (uint32_t t = 0; t < side->float_count && held; t++) {
        const strata_float_term *term = &side->float_terms[t];
        double numbers[64] = {0};
        if (term->is_literal) {
            for (int i = 0; i < 64; i++) numbers[i] = term->literal;
        } else {
            held &= strata_word_doubles(at, &term->source, numbers);
        }
        for (uint32_t i = 0; i < at->count; i++) {
            double number = term->has_factor ? term->factor * numbers[i] : numbers[i];
            number = term->sign * number;
            out[i] = t ? out[i] + number : number;
        }
    }
    for (uint32_t i = 0; i < at->count; i++) held &= ~((uint64_t)(out[i] != out[i]) << i);
    return held;
}

static inline uint64_t strata_word_float(const strata_event_word *at, const strata_leaf *leaf) {
    double left[64] = {0}, right[64] = {0};
    uint64_t hits = 0, held = strata_word_side(at, &leaf->left, left);
    if (leaf->op == STRATA_LEAF_FLOAT_IN) {
        for (uint32_t i = 0; i < at->count; i++)
            hits |= (uint64_t)(strata_has_double(leaf->doubles, leaf->double_count, left[i]) !=
                               leaf->negated) << i;
        return held & hits;
    }
    held &= strata_word_side(at, &leaf->right, right);
    for (uint32_t i = 0; i < at->count; i++) {
        int sign = (left[i] > right[i]) - (left[i] < right[i]);
        hits |= (uint64_t)strata_compare_sign(sign, leaf->compare) << i;
    }
    return held & hits;
}

static inline uint64_t strata_word_int_in(const strata_event_word *at, const strata_leaf *leaf) {
    int64_t values[64] = {0};
    uint64_t hits = 0, held = strata_word_values(at, (uint32_t)leaf->field, values);
    for (uint32_t i = 0; i < at->count; i++)
        hits |= (uint64_t)strata_has_int(leaf->ints, leaf->int_count, values[i]) << i;
    return leaf->negated ? held & ~hits : held & hits;
}

static inline uint64_t strata_word_code_pair(const strata_event_word *at,
                                             const strata_leaf *leaf) {
    int64_t left[64] = {0}, right[64] = {0};
    uint64_t hits = 0, held = strata_word_values(at, (uint32_t)leaf->field, left);
    held &= strata_word_values(at, (uint32_t)leaf->field2, right);
    for (uint64_t rest = held; rest; rest &= rest - 1) {
        int i = __builtin_ctzll(rest);
        hits |= (uint64_t)((leaf->codes[left[i]] == right[i]) != leaf->negated) << i;
    }
    return hits;
}

/* A `test` of where.h; the node's context is the leaf. */
static int strata_test_where_leaf(const strata_where *node, const strata_chunk *chunk,
                                  uint32_t first_word, uint32_t end_word, uint64_t *out) {
    const strata_leaf *leaf = node->context;
    for (uint32_t w = first_word; w < end_word; w++) {
        uint32_t left = chunk->event_count - 64 * w;
        strata_event_word at = {chunk, w, left < 64 ? left : 64};
        switch (leaf->op) {
        case STRATA_LEAF_LINEAR: out[w] = strata_word_linear(&at, leaf); break;
        case STRATA_LEAF_LINEAR_IN: out[w] = strata_word_linear_in(&at, leaf); break;
        case STRATA_LEAF_INT_IN: out[w] = strata_word_int_in(&at, leaf); break;
        case STRATA_LEAF_CODE_PAIR: out[w] = strata_word_code_pair(&at, leaf); break;
        default: out[w] = strata_word_float(&at, leaf); break;
        }
    }
    return STRATA_EVENTS_SOME;
}

#endif
