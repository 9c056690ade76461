/* Two runs of entries, sorted by (high, low), made one. */
#ifndef STRATA_RUN_MERGE_H
#define STRATA_RUN_MERGE_H

#include <stdint.h>

typedef struct {
    const uint64_t *high, *low;
    const uint32_t *numbers;
    int64_t n;
} strata_run;

/* Writes the entries of both to the three arrays, those that both have once; returns how
 * many, or -1 where both have a digest with different numbers. */
static inline int64_t strata_run_merge(
    const strata_run *left, const strata_run *right, uint64_t *high, uint64_t *low,
    uint32_t *numbers
) {
    int64_t i = 0, j = 0, out = 0;
    while (i < left->n || j < right->n) {
        int is_left = j == right->n, is_right = i == left->n;
        if (!is_left && !is_right) {
            uint64_t a = left->high[i], b = right->high[j];
            if (a == b) {
                a = left->low[i];
                b = right->low[j];
            }
            is_left = a <= b;
            is_right = b <= a;
        }
        if (is_left && is_right && left->numbers[i] != right->numbers[j]) return -1;
        const strata_run *from = is_left ? left : right;
        int64_t place = is_left ? i : j;
        high[out] = from->high[place];
        low[out] = from->low[place];
        numbers[out++] = from->numbers[place];
        i += is_left;
        j += is_right;
    }
    return out;
}

#endif
