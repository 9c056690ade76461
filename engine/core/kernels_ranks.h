/* Ranks: how many of some cuts each value of a column has reached.
 *
 * 1. The span from the least cut to the greatest is divided into buckets of a power of two, and it is
 *    known of each how many cuts lie before it. A value below all cuts falls into the first, one
 *    above them into the last.
 * 2. From there a value goes on by as many cuts as any bucket holds (`steps`), a comparison each.
 * Nothing branches on a value. With 86 cuts two steps nearly always do, where a bisection takes seven.
 */
#ifndef STRATA_KERNELS_RANKS_H
#define STRATA_KERNELS_RANKS_H

#include <stdint.h>

#include "engine/core/kernels_loops.h"

/* As many as one byte of a rank can say, which is one more than they are; 0 is nobody's. */
#define STRATA_CUTS_MOST 254u
#define STRATA_CUT_BUCKETS 2048u
/* Where some bucket holds more cuts than these, ranks take longer than what they spare. */
#define STRATA_CUT_STEPS 4u

typedef struct {
    uint32_t low;     /* the least cut */
    uint32_t shift;   /* a bucket spans 1 << shift values */
    uint32_t last;    /* the last bucket */
    uint32_t steps;   /* the cuts of the bucket that has most */
    uint32_t before;  /* added to every rank */
    uint8_t first[STRATA_CUT_BUCKETS + 4]; /* cuts before each bucket; gathers read 3 bytes more */
    uint32_t cuts[STRATA_CUTS_MOST + 2 + STRATA_CUT_STEPS]; /* ascending */
    uint32_t cut_count;
} strata_cuts;

/* Divides ascending cuts, one at least and none above `highest`, into buckets; 0 where a bucket would
 * hold too many. A value is at most `highest`, so that what stands behind the cuts is never reached. */
static inline int strata_divide_cuts(strata_cuts *all, uint32_t highest) {
    uint32_t next = 0, span = all->cuts[all->cut_count - 1] - all->cuts[0];
    if (highest == UINT32_MAX) {
        return 0;
    }
    all->low = all->cuts[0];
    all->shift = all->steps = 0;
    while (span >> all->shift >= STRATA_CUT_BUCKETS) {
        all->shift++;
    }
    all->last = span >> all->shift;
    for (uint32_t b = 0; b <= all->last; b++) {
        uint32_t start = next;
        while (next < all->cut_count && (all->cuts[next] - all->low) >> all->shift == b) {
            next++;
        }
        all->first[b] = (uint8_t)start;
        all->steps = next - start > all->steps ? next - start : all->steps;
    }
    for (uint32_t i = 0; i <= STRATA_CUT_STEPS; i++) {
        all->cuts[all->cut_count + i] = UINT32_MAX;
    }
    return all->steps <= STRATA_CUT_STEPS;
}

static void strata_ranks_u32_portable(const uint32_t *restrict values, uint32_t words,
                                      const strata_cuts *restrict all, uint8_t *restrict ranks) {
    for (size_t i = 0; i < 64 * (size_t)words; i++) {
        uint32_t value = values[i];
        uint32_t bucket = value > all->low ? (value - all->low) >> all->shift : 0;
        uint32_t reached = all->first[bucket < all->last ? bucket : all->last];
        for (uint32_t s = 0; s < all->steps; s++) {
            reached += value >= all->cuts[reached];
        }
        ranks[i] = (uint8_t)(all->before + reached);
    }
}

#endif
