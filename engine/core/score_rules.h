/* What a score adds up, as plans lay it out.
 *
 * Everything is counted in units: the most thousandths of a point that all points and bounds of the
 * score are multiples of. A score of points in fives that stays below 1,280 takes one byte a row.
 */
#ifndef STRATA_SCORE_RULES_H
#define STRATA_SCORE_RULES_H

#include <stdint.h>

/* A `when` gives points where its node holds. An `each` gives them for every event, which its
 * column has counted, or, where events fade, for every thousandth that its column says they are
 * worth; and no more than `at_most` in size. */
typedef struct {
    int64_t points;
    int64_t at_most; /* INT64_MAX: as much as there is */
    int32_t node;    /* -1: an `each` */
    int32_t column;  /* of an `each` */
} strata_score_rule;

typedef struct {
    const strata_score_rule *rules;
    uint32_t rule_count;
    uint32_t before_count;
    const int32_t *before;   /* columns of scores that conditions read, each after those it reads */
    const int32_t *counted;  /* columns of `each` rules */
    uint32_t counted_count;
    uint64_t unit;
    int64_t floor, ceiling;  /* INT64_MIN and INT64_MAX where there are none */
} strata_score;

#endif
