/* Scores as columns of a block: the points of every row, made when a leaf first reads them.
 *
 * 1. strata_begin_score bounds the sum: by the rules, and by how many events the block has for its
 *    `each` rules, whose columns are filled before. The width of a lane follows, and what a lane
 *    holds is the sum above its least: sums in it wrap around, and what comes out at the end never
 *    does.
 * 2. Rules are added one by one. What holds for all live rows is kept apart, and lanes are not
 *    touched before some rule tells rows apart.
 * 3. strata_end_score puts floor and ceiling in, and the head before it all.
 * Rows that are not alive have anything.
 */
#ifndef STRATA_SCORES_H
#define STRATA_SCORES_H

#include "engine/core/aggregate_heads.h"

/* What an `each` rule gives for a value of its column. */
static inline int64_t strata_given(const strata_score_rule *rule, int64_t value) {
    int64_t given = rule->points * value;
    return given > rule->at_most ? rule->at_most : given < -rule->at_most ? -rule->at_most : given;
}

static inline const strata_column *strata_counted_column(const strata_aggregates *all,
                                                         const strata_score_rule *rule) {
    return (const strata_column *)(const void *)all->columns[rule->column].memory;
}

/* Between which two numbers the points of a rule are, 0 among them. */
static inline void strata_rule_bounds(const strata_aggregates *all, const strata_score_rule *rule,
                                      int64_t *low, int64_t *high) {
    int64_t ends[2] = {rule->points, 0};
    if (rule->node < 0) {
        const strata_column *column = strata_counted_column(all, rule);
        ends[0] = strata_given(rule, column->base);
        ends[1] = strata_given(rule, (int64_t)((uint64_t)column->base + column->max_stored));
    }
    *low = *high = 0;
    for (int i = 0; i < 2; i++) {
        if (ends[i] < *low) *low = ends[i];
        if (ends[i] > *high) *high = ends[i];
    }
}

static inline void strata_begin_score(strata_aggregates *all, uint32_t number) {
    const strata_score *score = all->aggregates[number].score;
    strata_scoring *scoring = &all->scoring;
    scoring->low = scoring->high = scoring->constant = 0;
    scoring->is_open = 0;
    for (uint32_t i = 0; i < score->rule_count; i++) {
        int64_t low, high;
        strata_rule_bounds(all, score->rules + i, &low, &high);
        scoring->low += low;
        scoring->high += high;
    }
    if (score->floor > scoring->high && score->floor != INT64_MIN) scoring->high = score->floor;
    if (score->ceiling < scoring->low && score->ceiling != INT64_MAX) scoring->low = score->ceiling;
    uint64_t span = (uint64_t)scoring->high - (uint64_t)scoring->low;
    scoring->width = span <= UINT8_MAX ? 1 : span <= UINT16_MAX ? 2 : span <= UINT32_MAX ? 4 : 8;
}

#define STRATA_FILL_LANES(TYPE)                                                                \
    for (uint32_t r = 0; r < STRATA_BLOCK_ROWS; r++) ((TYPE *)lanes)[r] = (TYPE)value;

/* The lanes of a score, all of them 0 above the least where they have not been asked for yet. */
static inline void *strata_score_lanes(strata_aggregates *all, uint32_t number) {
    strata_scoring *scoring = &all->scoring;
    void *lanes = strata_aggregate_values(all->columns + number);
    if (!scoring->is_open) {
        uint64_t value = (uint64_t)0 - (uint64_t)scoring->low;
        scoring->is_open = 1;
        switch (scoring->width) {
        case 1: memset(lanes, (int)value, STRATA_BLOCK_ROWS); break;
        case 2: STRATA_FILL_LANES(uint16_t) break;
        case 4: STRATA_FILL_LANES(uint32_t) break;
        default: STRATA_FILL_LANES(uint64_t) break;
        }
    }
    return lanes;
}

/* Adds the points of a `when` that holds for some rows, those of a mask; NULL: for all. */
static inline void strata_score_when(strata_aggregates *all, uint32_t number, int64_t points,
                                     const uint64_t *mask) {
    if (!mask) {
        all->scoring.constant += points;
        return;
    }
    void *lanes = strata_score_lanes(all, number);
    switch (all->scoring.width) {
    case 1: all->kernels->add_u8(lanes, mask, (uint8_t)points); break;
    case 2: all->kernels->add_u16(lanes, mask, (uint16_t)points); break;
    case 4: all->kernels->add_u32(lanes, mask, (uint32_t)points); break;
    default: all->kernels->add_u64(lanes, mask, (uint64_t)points); break;
    }
}

#define STRATA_ADD_GIVEN(LANE, STORED)                                                         \
    do {                                                                                       \
        LANE *restrict to = lanes;                                                             \
        const STORED *restrict from = values;                                                  \
        for (uint32_t r = 0; r < STRATA_BLOCK_ROWS; r++)                                       \
            to[r] = (LANE)(to[r] + (LANE)strata_given(&given, (int64_t)(base + from[r])));     \
    } while (0)
#define STRATA_ADD_GIVEN_TO(LANE)                                                              \
    switch (column->width) {                                                                   \
    case 1: STRATA_ADD_GIVEN(LANE, uint8_t); break;                                            \
    case 2: STRATA_ADD_GIVEN(LANE, uint16_t); break;                                           \
    case 4: STRATA_ADD_GIVEN(LANE, uint32_t); break;                                           \
    default: STRATA_ADD_GIVEN(LANE, uint64_t); break;                                          \
    }

/* Adds what an `each` gives. */
static inline void strata_score_each(strata_aggregates *all, uint32_t number,
                                     const strata_score_rule *rule) {
    const strata_column *column = strata_counted_column(all, rule);
    const strata_score_rule given = *rule;
    const void *values = (const uint8_t *)column + column->values_offset;
    uint64_t base = (uint64_t)column->base;
    if (!column->max_stored) return; /* nobody in the block has such an event */
    void *lanes = strata_score_lanes(all, number);
    switch (all->scoring.width) {
    case 1: STRATA_ADD_GIVEN_TO(uint8_t) break;
    case 2: STRATA_ADD_GIVEN_TO(uint16_t) break;
    case 4: STRATA_ADD_GIVEN_TO(uint32_t) break;
    default: STRATA_ADD_GIVEN_TO(uint64_t) break;
    }
}

#define STRATA_CLAMP_LANES(TYPE)                                                               \
    do {                                                                                       \
        TYPE *to = lanes, low = (TYPE)least, high = (TYPE)most, more = (TYPE)constant;         \
        for (uint32_t r = 0; r < STRATA_BLOCK_ROWS; r++) {                                     \
            TYPE sum = (TYPE)(to[r] + more);                                                   \
            sum = sum < low ? low : sum;                                                       \
            to[r] = (TYPE)((sum > high ? high : sum) - low);                                   \
        }                                                                                      \
    } while (0)

/* Has floor and ceiling in the lanes, and the column complete. */
static inline void strata_end_score(strata_aggregates *all, uint32_t number) {
    const strata_score *score = all->aggregates[number].score;
    const strata_scoring *scoring = &all->scoring;
    strata_aggregate_column *column = all->columns + number;
    int64_t low = scoring->low, high = scoring->high, constant = scoring->constant;
    int64_t ceiling = score->ceiling < high ? score->ceiling : high;
    int64_t floor = score->floor > low ? score->floor : low;
    strata_column *head;
    if (floor > ceiling) floor = ceiling;
    column->is_filled = 1;
    if (!scoring->is_open) {
        int64_t sum = constant < floor ? floor : constant > ceiling ? ceiling : constant;
        head = strata_begin_head(column, STRATA_INTS, 0, sum * (int64_t)score->unit, 0);
    } else {
        uint64_t least = (uint64_t)floor - (uint64_t)low, most = (uint64_t)ceiling - (uint64_t)low;
        void *lanes = strata_aggregate_values(column);
        if (constant || least || most < (uint64_t)high - (uint64_t)low) {
            switch (scoring->width) {
            case 1: STRATA_CLAMP_LANES(uint8_t); break;
            case 2: STRATA_CLAMP_LANES(uint16_t); break;
            case 4: STRATA_CLAMP_LANES(uint32_t); break;
            default: STRATA_CLAMP_LANES(uint64_t); break;
            }
        }
        head = strata_begin_head(column, STRATA_INTS, (uint8_t)scoring->width,
                                 floor * (int64_t)score->unit, most - least);
        head->step = score->unit;
    }
    strata_all_have(all, head);
}

/* ------------------------------------------------------------------------------- single rows */

/* What an `each` gives to one row; its column is filled. */
static inline int64_t strata_score_row_each(const strata_aggregates *all,
                                            const strata_score_rule *rule, uint32_t row) {
    const strata_column *column = strata_counted_column(all, rule);
    uint64_t stored = strata_stored(column, row);
    return strata_given(rule, (int64_t)((uint64_t)column->base + stored));
}

/* Has the sums of some rows of the open block in the column: rows[i] has sums[at[i]]. */
static inline void strata_put_scores(strata_aggregates *all, uint32_t number, const uint16_t *rows,
                                     const uint16_t *at, uint32_t count, const int64_t *sums) {
    const strata_score *score = all->aggregates[number].score;
    strata_aggregate_column *column = all->columns + number;
    uint64_t *lanes = strata_aggregate_values(column);
    const int64_t least = INT64_MIN / 2; /* no sum is so far from 0 */
    for (uint32_t i = 0; i < count; i++)
        lanes[rows[i]] = (uint64_t)(sums[at[i]] * (int64_t)score->unit) - (uint64_t)least;
    strata_all_have(all, strata_begin_head(column, STRATA_INTS, 8, least, (uint64_t)1 << 63));
    column->is_filled = 1;
}

#endif
